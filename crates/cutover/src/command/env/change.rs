//! `env set`, `env unset`: the env file, whole, or nothing.

use super::Asked;
use crate::{halt::Halt, session::Session};
use config::{
    EnvFiles,
    env_file::edit::edited,
    read::{ENV_FILE_BYTES_MAX, EnvReadError},
};
use model::failure::{Blame, Failure};
use rustix::{
    fs::{Gid, Uid, fchown},
    termios::{LocalModes, OptionalActions, tcgetattr, tcsetattr},
};
use std::{
    fs,
    io::{self, BufRead, IsTerminal, Read, Write},
    os::unix::fs::{MetadataExt, OpenOptionsExt},
    path::Path,
};

/// Only its owner reads an env file.
const MODE: u32 = 0o600;

/// The value comes from stdin, or is asked for.
pub fn set(session: &Session, asked: &Asked<'_>, name: &str) -> Result<u8, Halt> {
    let failed = |it: io::Error| Failure::new(Blame::Platform, format!("read the value: {it}"));
    let value = if io::stdin().is_terminal() { typed(name) } else { read() };
    changed(session, asked, name, Some(&value.map_err(failed)?))
}

/// The value was typed for everybody to see.
pub fn set_openly(
    session: &Session,
    asked: &Asked<'_>,
    name: &str,
    value: &str,
) -> Result<u8, Halt> {
    session.ui.note(
        "the value stood in the command line, where every user of the machine could read it; \
         `env set NAME` reads it from stdin",
    );
    changed(session, asked, name, Some(value))
}

/// It goes from the env file.
pub fn unset(session: &Session, asked: &Asked<'_>, name: &str) -> Result<u8, Halt> {
    changed(session, asked, name, None)
}

fn changed(
    session: &Session,
    asked: &Asked<'_>,
    name: &str,
    value: Option<&str>,
) -> Result<u8, Halt> {
    let file = file(asked, name)?;
    let files = asked.configuration.env_files();
    let text = match files.read(&file) {
        Ok(found) => found.text,
        Err(EnvReadError::Missing) => String::new(),
        Err(error) => {
            return Err(Halt::usage(format!("change the env file {file}, which {error}")));
        }
    };
    let new = edited(&text, name, value)
        .map_err(|it| Halt::usage(format!("change the env file {file}: {it}")))?;
    let path = files.path(&file);
    written(&path, &new)
        .map_err(|it| Failure::new(Blame::Platform, format!("write {}: {it}", path.display())))?;
    let done = if value.is_some() { "set" } else { "unset" };
    session.ui.done(&format!(
        "{done} {name} in {file} · live by: cutover deploy {} --env-only",
        asked.target.typed
    ));
    let by_others = asked
        .resolved
        .secret_origins
        .iter()
        .any(|it| it.name == name && !it.from.starts_with("env file "));
    if by_others {
        session.ui.note(&format!("`secrets` of the configuration names {name}: it wins"));
    }
    Ok(0)
}

/// Where it is set already; else `--in`; else the only one there is.
fn file(asked: &Asked<'_>, name: &str) -> Result<String, Halt> {
    let files = &asked.resolved.env_files;
    if let Some(file) = &asked.args.file {
        return match files.contains(file) {
            true => Ok(file.clone()),
            false => Err(Halt::usage(format!(
                "change `{}`: {} has no such env file",
                file.escape_debug(),
                asked.target.id
            ))
            .hint(format!("it has: {}", files.join(", ")))),
        };
    }
    let mut having: Vec<&String> = asked
        .resolved
        .secret_origins
        .iter()
        .filter(|it| it.name == name && files.contains(&it.file))
        .map(|it| &it.file)
        .collect();
    having.dedup();
    match (&having[..], &files[..]) {
        ([file], _) => Ok((*file).clone()),
        ([], [file]) => Ok(file.clone()),
        ([], []) => Err(Halt::usage(format!("change {name}: {} has no env file", asked.target.id))
            .hint("name one in the configuration: `env_file: .env.production`")),
        _ => Err(Halt::usage(format!("choose an env file for {name}: there are several"))
            .hint(format!("`--in FILE` chooses one of: {}", files.join(", ")))),
    }
}

/// All of stdin but the end of its last line.
fn read() -> io::Result<String> {
    let mut text = String::new();
    io::stdin().lock().take(ENV_FILE_BYTES_MAX as u64).read_to_string(&mut text)?;
    if text.ends_with('\n') {
        text.pop();
    }
    Ok(text)
}

/// Nobody sees what is typed.
fn typed(name: &str) -> io::Result<String> {
    let stdin = io::stdin();
    let before = tcgetattr(&stdin)?;
    let mut hidden = before.clone();
    hidden.local_modes.remove(LocalModes::ECHO);
    let mut stderr = io::stderr();
    write!(stderr, "Value of {name} (it is not shown): ")?;
    stderr.flush()?;
    tcsetattr(&stdin, OptionalActions::Flush, &hidden)?;
    let mut line = String::new();
    let read = stdin.lock().read_line(&mut line);
    let shown = tcsetattr(&stdin, OptionalActions::Flush, &before);
    writeln!(stderr)?;
    read?;
    shown?;
    Ok(line.trim_end_matches(['\n', '\r']).to_owned())
}

/// Temporary, durable, renamed; whose it was it stays.
fn written(path: &Path, text: &str) -> io::Result<()> {
    // Through a link the file itself is replaced, not the link.
    let path = match fs::canonicalize(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => path.to_owned(),
        path => path?,
    };
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let temporary = path.with_file_name(format!(".{name}.{}.new", std::process::id()));
    let mut options = fs::OpenOptions::new();
    let mut file = options.write(true).create_new(true).mode(MODE).open(&temporary)?;
    let result = (|| {
        if let Ok(before) = fs::metadata(&path) {
            let (uid, gid) = (Uid::from_raw(before.uid()), Gid::from_raw(before.gid()));
            fchown(&file, Some(uid), Some(gid))?;
        }
        file.write_all(text.as_bytes())?;
        file.sync_all()?;
        fs::rename(&temporary, &path)?;
        let directory = path.parent().filter(|it| !it.as_os_str().is_empty());
        fs::File::open(directory.unwrap_or(Path::new(".")))?.sync_all()
    })();
    if result.is_err() {
        // The first error counts; after the rename there is nothing to remove.
        let _ = fs::remove_file(&temporary);
    }
    result
}
