//! `cert renew`

use super::{EXIT_TROUBLE, day};
use crate::{halt::Halt, session::Session};
use drivers::{
    acme::{Certificates, Renewed},
    layout::Layout,
};
use serde::Serialize;

/// One host, for a program.
#[derive(Debug, Serialize)]
struct Line {
    host: String,
    ends_at_s: Option<i64>,
    error: Option<String>,
}

/// Asks the authority, and tells what came of it.
///
/// # Errors
///
/// Where it cannot be begun.
pub(super) async fn run(session: &Session, host: Option<&str>) -> Result<u8, Halt> {
    let certificates = Certificates::new(Layout::new(&session.root));
    let host = host.map(str::to_ascii_lowercase);
    let all = certificates.renew(host.as_deref()).await.map_err(|it| Halt::of(2, it))?;
    let code = if all.iter().any(|it| it.outcome.is_err()) { EXIT_TROUBLE } else { 0 };
    let ui = &session.ui;
    if ui.is_json() {
        ui.object(&all.into_iter().map(line).collect::<Vec<_>>());
        return Ok(code);
    }
    if all.is_empty() {
        ui.line("nothing is due");
        ui.note("name a host to have its certificate renewed all the same");
    }
    for Renewed { host, outcome } in &all {
        match outcome {
            Ok(ends_at_s) => {
                let said = format!("a new one, good until {}", day(*ends_at_s));
                ui.line(&format!("{host}: {}", ui.paint.good(&said)));
            }
            Err(failure) => {
                let said = format!("failed to {}", failure.message);
                ui.line(&format!("{host}: {}", ui.paint.bad(&said)));
                failure.hints.iter().for_each(|it| ui.line(&format!("  {it}")));
            }
        }
    }
    Ok(code)
}

fn line(it: Renewed) -> Line {
    match it.outcome {
        Ok(ends_at_s) => Line { host: it.host, ends_at_s: Some(ends_at_s), error: None },
        Err(failure) => Line { host: it.host, ends_at_s: None, error: Some(failure.message) },
    }
}
