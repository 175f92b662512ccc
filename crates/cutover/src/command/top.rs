//! `top`

use crate::{
    cli::grammar::Top,
    controller::Controller,
    halt::Halt,
    session::Session,
    target,
    ui::{figure, top as printed},
};
use daemon::api::words::StatusReport;
use drivers::probe::usage::Usage;
use std::{
    collections::BTreeMap,
    io::{self, IsTerminal},
    time::{Duration, Instant},
};

/// So long it is measured where it is shown once.
const MEASURED_ONCE: Duration = Duration::from_millis(500);

/// Shows what instances take.  Starts nothing.
///
/// # Errors
///
/// Where the state cannot be read, or the words name no environment.
pub async fn run(session: &Session, args: &Top) -> Result<u8, Halt> {
    let controller = Controller::new(&session.root);
    let only = match args.words.as_slice() {
        [] => None,
        words => Some(target::known(session).await?.find(words)?.id),
    };
    let once = args.once || session.ui.is_json() || !io::stdout().is_terminal();
    let measure = if once { MEASURED_ONCE } else { Duration::from_secs(args.interval) };
    let looked = async || -> Result<StatusReport, Halt> {
        let mut report = controller.status().await?;
        report.environments.retain(|it| only.as_ref().is_none_or(|only| it.id == *only));
        Ok(report)
    };
    let mut before = looked().await?;
    loop {
        let began = Instant::now();
        let cpu = measured(&before, measure).await;
        let after = looked().await?;
        let seconds = began.elapsed().as_secs_f64();
        let now = printed::Now { before: &before, after: &after, cpu: &cpu, seconds };
        let now_ms = figure::now_ms();
        match (once, session.ui.is_json()) {
            (_, true) => session.ui.object(&printed::object(&now, now_ms)),
            (true, false) => session.ui.line(&printed::text(&now, &session.ui.clock, now_ms)),
            (false, false) => {
                session.ui.screen(&printed::text(&now, &session.ui.clock, now_ms));
            }
        }
        if once || session.ui.out.closed() {
            return Ok(0);
        }
        before = after;
    }
}

/// What running instances take meanwhile, by id, in percent of one processor.
pub async fn measured(report: &StatusReport, meanwhile: Duration) -> BTreeMap<String, f64> {
    let instances = || report.environments.iter().flat_map(|it| &it.instances);
    let look = || -> BTreeMap<String, u64> {
        let of = |pid: Option<u32>| Usage::of(pid?).map(|it| it.cpu_ms);
        instances().filter_map(|it| Some((it.id.clone(), of(it.pid)?))).collect()
    };
    let (before, began) = (look(), Instant::now());
    tokio::time::sleep(meanwhile).await;
    let (after, passed_ms) = (look(), began.elapsed().as_secs_f64() * 1000.0);
    let percent = |(id, now): (String, u64)| {
        let before = before.get(&id)?;
        Some((id, now.saturating_sub(*before) as f64 * 100.0 / passed_ms))
    };
    after.into_iter().filter_map(percent).collect()
}
