//! `cutover demo`: a real application goes from v1 to v2 under load, a broken v3 is refused, and a
//! rollback brings v1 back.  Everything runs as a user would run it, in a folder of its own.

mod load;
mod proof;
mod stage;

use anyhow::{Context, Error, Result, bail};
use stage::Stage;
use std::{
    path::{Path, PathBuf},
    process::{Command, ExitCode},
    sync::atomic::Ordering,
    time::{Duration, Instant},
};

/// Completed requests before each act, so that each is done under load.
const WARM_UP_REQUESTS: u64 = 200;
/// For the load to get so far.
const WARM_UP_WAIT: Duration = Duration::from_secs(20);

/// What the demo runs; both are looked for beside this program.
#[derive(Clone, Debug, Default)]
pub struct DemoOptions {
    /// The application.
    pub app: Option<PathBuf>,
    /// The load generator.
    pub load: Option<PathBuf>,
}

/// Runs the demo: 0 where every claim held, 1 where one did not.
pub fn run(options: &DemoOptions) -> ExitCode {
    match perform(options) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            anstream::eprintln!("demo: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn perform(options: &DemoOptions) -> Result<()> {
    let began = Instant::now();
    let app = beside(options.app.as_deref(), "example-app")?;
    let generator = beside(options.load.as_deref(), "cutover-load")?;
    let stage = Stage::build(&app)?;
    say(&format!("The stage is {}; it goes away at the end.", stage.folder.path().display()));
    if let Err(error) = play(&stage, &generator) {
        return Err(stage.left(error));
    }
    say(&format!("\nThe demo took {:.1} s; nothing of it is left.", began.elapsed().as_secs_f64()));
    Ok(())
}

fn play(stage: &Stage, generator: &Path) -> Result<()> {
    say("\n1. The first release, v1, of a web application with two instances.");
    stage.cutover(&["deploy", "shop", "1.0.0", "--from", "v1"], 0)?;

    say("\n2. Load from a process of its own: GET, POST with checksums, slow requests, new");
    say("   connections, WebSocket, server-sent events.  It counts every request's fate.");
    let load = load::Load::start(generator, stage)?;
    load.until_more(WARM_UP_REQUESTS, WARM_UP_WAIT)?;

    say("\n3. v2 under this load.");
    stage.cutover(&["deploy", "shop", "2.0.0", "--from", "v2"], 0)?;
    load.until_more(WARM_UP_REQUESTS, WARM_UP_WAIT)?;

    say("\n4. v3 is broken: it answers its health check, and every other request with 500.");
    stage.cutover(&["deploy", "shop", "3.0.0", "--from", "v3"], 3)?;
    load.until_more(WARM_UP_REQUESTS, WARM_UP_WAIT)?;

    say("\n5. Back to v1, which is kept warm.");
    stage.cutover(&["rollback", "shop", "--reason", "because we can"], 0)?;
    load.until_more(WARM_UP_REQUESTS, WARM_UP_WAIT)?;

    say("\n6. What is now, and what was counted.");
    stage.cutover(&["status"], 0)?;
    let summary = load.stop()?;
    let proved = proof::compare(stage, &summary);
    stage.end()?;
    proved
}

/// The program as given, or beside this one.
fn beside(given: Option<&Path>, name: &str) -> Result<PathBuf> {
    if let Some(path) = given {
        return path.canonicalize().with_context(|| format!("{} is not there", path.display()));
    }
    let own = std::env::current_exe().context("this program cannot be found")?;
    let path = own.with_file_name(name);
    if !path.is_file() {
        bail!(
            "`{name}` is not beside this program; in the project's folder, `cargo xtask demo` \
             builds all and runs it"
        );
    }
    Ok(path)
}

fn say(text: &str) {
    anstream::println!("{text}");
}

impl Stage {
    /// Runs this program as a user would, and shows what it prints.
    fn cutover(&self, words: &[&str], expected: i32) -> Result<()> {
        if self.interrupted.load(Ordering::Relaxed) {
            bail!("it was interrupted");
        }
        say(&format!("$ cutover {}", words.join(" ")));
        let status = self.command(words)?.status().context("cutover could not be started")?;
        if status.code() != Some(expected) {
            bail!("`cutover {}` ended with {status}, expected {expected}", words.join(" "));
        }
        Ok(())
    }

    /// Ends all that it started.
    fn end(&self) -> Result<()> {
        let words = ["down", "--all", "--yes"];
        say(&format!("$ cutover {}", words.join(" ")));
        let status = self.command(&words)?.status().context("cutover could not be started")?;
        if !status.success() {
            bail!("`cutover {}` ended with {status}", words.join(" "));
        }
        self.leave_nothing()
    }

    fn command(&self, words: &[&str]) -> Result<Command> {
        let program = std::env::current_exe().context("this program cannot be found")?;
        let mut command = Command::new(program);
        command.arg("-f").arg(self.folder.path().join("cutover.yml"));
        command.arg("--root").arg(&self.root).args(words).current_dir(self.folder.path());
        Ok(command)
    }

    /// Why it failed, and what is left to look at: what was written stays, what ran is ended.
    fn left(self, error: Error) -> Error {
        say("\nThe demo failed; what it started is ended.");
        let ended = self.end();
        let folder = self.folder.keep();
        let error = error.context(format!(
            "it failed, and what was written stays in {0} to be read: logs, journal, releases; \
             `rm -r {0}` removes it, and running the demo again tells whether it was a passing \
             trouble",
            folder.display()
        ));
        match ended {
            Ok(()) => error,
            Err(more) => error.context(format!("some of it may still run: {more:#}")),
        }
    }
}
