//! `version`

use crate::{
    build::{Builds, running},
    halt::Halt,
    session::Session,
};
use model::failure::{Blame, Failure};
use serde_json::{Value, json};
use std::env;

const VERSION: &str = env!("CARGO_PKG_VERSION");

/// Prints the version; of `all`, which build each of our processes runs.
///
/// # Errors
///
/// Where this program cannot be read.
pub async fn run(session: &Session, all: bool) -> Result<u8, Halt> {
    if all {
        return every(session).await;
    }
    if session.ui.is_json() {
        session.ui.object(&json!({ "version": VERSION }));
    } else {
        session.ui.line(&format!("cutover {VERSION}"));
    }
    Ok(0)
}

async fn every(session: &Session) -> Result<u8, Halt> {
    let failed = |it| Failure::new(Blame::Platform, format!("read this program: {it}"));
    let program = env::current_exe().map_err(failed)?;
    let mut builds = Builds::default();
    let ours = builds.of_process(std::process::id()).map_err(failed)?;
    let roles = running(&session.root).await;
    let rows: Vec<_> = roles.iter().map(|it| (it, builds.of_process(it.pid).ok())).collect();
    if session.ui.is_json() {
        let roles: Vec<Value> = rows
            .iter()
            .map(|(it, build)| {
                json!({
                    "role": it.role.name(),
                    "pid": it.pid,
                    "instance": it.instance,
                    "build": build.as_ref().map(|it| it.whole()),
                    "same": build.as_ref().map(|it| *it == ours),
                })
            })
            .collect();
        session.ui.object(&json!({
            "version": VERSION,
            "program": program,
            "build": ours.whole(),
            "roles": roles,
        }));
        return Ok(0);
    }
    session.ui.line(&format!("cutover {VERSION}, build {} ({})", ours.short(), program.display()));
    for (it, build) in rows {
        let which = match &build {
            None => "cannot be read".to_owned(),
            Some(build) if *build == ours => "this build".to_owned(),
            Some(build) => format!("another build, {}", build.short()),
        };
        let whose = it.instance.as_ref().map(|it| format!(" of {it}")).unwrap_or_default();
        session.ui.line(&format!("  {}{whose} (pid {}): {which}", it.role.name(), it.pid));
    }
    Ok(0)
}
