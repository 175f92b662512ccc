//! Whether a build could run here: asked of the new one, by running it.

use crate::{cli::EXIT_ATTENTION, command::doctor, halt::Halt, session::Session};
use drivers::host::{self, Command};
use model::failure::{Blame, Failure};
use proxy::{
    edge,
    route_file::{RouteFile, routes_directory},
};
use std::{fs, io, path::Path, time::Duration};

/// One that takes longer hangs.
const TIME_LIMIT: Duration = Duration::from_secs(20);

/// Runs it, and has it look at all that it would have to read.
pub async fn of(session: &Session, program: &Path) -> Result<(), Halt> {
    let command = Command::new(program, TIME_LIMIT)
        .arguments(["--root"])
        .argument(session.root.as_os_str())
        .arguments(["self", "trial"]);
    let refused = |failure: Failure| {
        Halt::of(2, failure).hint("nothing was changed: what was installed goes on")
    };
    let finished = host::run(command).await.map_err(refused)?;
    if finished.success {
        return Ok(());
    }
    Err(refused(finished.failure(Blame::Request, "upgrade: the new program does not work here")))
}

/// Looks, as the new program.
///
/// # Errors
///
/// With what it cannot read.
pub fn here(session: &Session) -> Result<u8, Halt> {
    if let Some(failure) = doctor::trouble(session) {
        return Err(Halt::of(EXIT_ATTENTION, failure));
    }
    let broken = unreadable(session).map_err(|it| {
        let message = format!("read the routes of {}: {it}", session.root.display());
        Failure::new(Blame::Platform, message)
    })?;
    if let Some(broken) = broken.first() {
        let message = format!("read what is served: {broken}");
        return Err(Failure::new(Blame::Platform, message).into());
    }
    session.ui.line("this build can run here");
    Ok(0)
}

/// Live route files and edge files that this build does not understand.
fn unreadable(session: &Session) -> io::Result<Vec<String>> {
    let mut broken = vec![];
    let entries = match fs::read_dir(routes_directory(&session.root)) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(broken),
        entries => entries?,
    };
    for entry in entries {
        let path = entry?.path();
        let name = path.file_name().and_then(|it| it.to_str()).unwrap_or_default();
        let is_file = !name.starts_with('.') && name.ends_with(".json");
        if is_file && let Err(error) = RouteFile::read(&path) {
            broken.push(error.to_string());
        }
    }
    let edges = match edge::read_all(&session.root) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(broken),
        edges => edges?,
    };
    broken
        .extend(edges.into_iter().filter_map(|(name, it)| Some(format!("{name}: {}", it.err()?))));
    Ok(broken)
}
