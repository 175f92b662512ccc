//! `init`

use crate::{halt::Halt, session::Session};
use config::{
    init::write,
    read::{FILE_NAMES, find_config, read_facts},
};
use model::failure::{Blame, Failure};
use std::{
    fs::OpenOptions,
    io::{self, Write},
    path::{Path, PathBuf},
};

/// Writes a configuration for the directory; never over one that is there.
///
/// # Errors
///
/// Where there is one, or it cannot be written.
pub fn run(session: &Session) -> Result<u8, Halt> {
    let path = session.file.clone().unwrap_or_else(|| PathBuf::from(FILE_NAMES[0]));
    let parent = path.parent().filter(|it| !it.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let there = if session.file.is_none() { find_config(Path::new(".")) } else { None };
    if let Some(there) = there {
        return Err(refused(&there));
    }
    let written = write(&read_facts(parent)).map_err(|why| {
        Halt::usage(format!("write a configuration: {why}"))
            .hint("make that file plain values, or move it aside while `init` looks")
            .hint("`cutover schema` and docs/configuration.md say what may be written by hand")
    })?;
    let opened = OpenOptions::new().write(true).create_new(true).open(&path);
    let mut file = opened.map_err(|error| match error.kind() {
        io::ErrorKind::AlreadyExists => refused(&path),
        _ => failed(&path, &error),
    })?;
    file.write_all(written.text.as_bytes())
        .and_then(|()| file.sync_all())
        .map_err(|error| failed(&path, &error))?;
    let shown = path.display();
    if session.ui.is_json() {
        let object = serde_json::json!({
            "file": path, "detected": written.detected, "guesses": written.guesses,
        });
        session.ui.object(&object);
    } else {
        session.ui.line(&format!("{shown} is written: {}", written.detected));
        for guess in &written.guesses {
            session.ui.line(&format!("  {guess}"));
        }
        session.ui.note("next: read it, then `cutover check`, then `cutover deploy`");
    }
    Ok(0)
}

fn refused(path: &Path) -> Halt {
    let shown = path.strip_prefix(".").unwrap_or(path).display();
    Halt::usage(format!("write {shown}: it is there already, and was not touched"))
        .hint("`cutover check` reports what is wrong with it")
        .hint("`cutover -f FILE init` writes another")
}

fn failed(path: &Path, error: &io::Error) -> Halt {
    Halt::of(1, Failure::new(Blame::Platform, format!("write {}: {error}", path.display())))
}
