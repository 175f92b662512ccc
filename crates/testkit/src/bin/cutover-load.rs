//! Makes load on an app and tells every request's fate.

use anyhow::Result;
use clap::Parser;
use std::{
    io::{self, BufRead, Write},
    process::ExitCode,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};
use testkit::load::{Options, Progress, Summary, run};

/// Makes load on one of the example apps and prints the sum as JSON.
///
/// Exits with 0 if no request failed, no stream broke and no POST was lost or doubled, with 1 if
/// any did, with 2 if there was no load.  A line `stop` on standard input ends it; so does the end
/// of standard input when neither seconds nor requests are given.
#[derive(Parser)]
#[command(name = "cutover-load")]
struct Line {
    #[command(flatten)]
    options: Options,
    /// Tell the counts every second, one JSON object a line on standard error.
    #[arg(long)]
    progress: bool,
    /// Tell the counts as often as this.
    #[arg(long, value_name = "MS")]
    progress_ms: Option<u64>,
}

fn main() -> ExitCode {
    match make(&Line::parse()) {
        Ok(summary) if summary.ok => ExitCode::SUCCESS,
        Ok(_) => ExitCode::from(1),
        Err(error) => {
            // Nobody is left to tell if standard error is gone.
            let _ = writeln!(io::stderr(), "cutover-load: {error:#}");
            ExitCode::from(2)
        }
    }
}

fn make(line: &Line) -> Result<Summary> {
    let stop = Arc::new(AtomicBool::new(false));
    let limited = line.options.seconds.is_some() || line.options.requests.is_some();
    let reader = Arc::clone(&stop);
    std::thread::spawn(move || {
        let told = io::stdin().lock().lines().map_while(Result::ok).any(|text| text == "stop");
        if told || !limited {
            reader.store(true, Ordering::Relaxed);
        }
    });
    let every_ms = line.progress_ms.or(line.progress.then_some(1000));
    let every = every_ms.map(Duration::from_millis);
    let summary = run(&line.options, || stop.load(Ordering::Relaxed), every, tell)?;
    let mut stdout = io::stdout().lock();
    serde_json::to_writer_pretty(&mut stdout, &summary)?;
    stdout.write_all(b"\n")?;
    Ok(summary)
}

fn tell(progress: &Progress) {
    let Ok(text) = serde_json::to_string(progress) else { return };
    // The load goes on if nobody listens.
    let _ = writeln!(io::stderr(), "{text}");
}
