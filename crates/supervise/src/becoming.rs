//! Becomes an instance's program where somebody else supervises the process: it has exactly the
//! environment, place, user and limits that it was told, whatever that supervisor gave us.
//!
//! It is also the gate at which starts that nobody wants end: the supervisor may start again what
//! exited, or what it remembers of an earlier release.

use crate::{
    EXIT_FAILED, RoleError, before_exec::BeforeExec, clock, place, process, program,
    spec::InstanceSpec, whole_file,
};
use rustix::fs::{Mode, OFlags};
use serde::{Deserialize, Serialize};
use std::{
    fs,
    io::{ErrorKind, Write},
    net::Shutdown,
    os::{
        fd::{IntoRawFd, OwnedFd},
        unix::{net::UnixStream, process::CommandExt},
    },
    path::Path,
    process::Command,
};

/// This start is not wanted: the instance is gone, or its exit is a verdict.
pub const EXIT_NOT_WANTED: u8 = 87;
/// Its program could not be executed; [`NOT_EXECUTED`] says why.
pub const EXIT_NOT_EXECUTED: u8 = 88;

/// While this file is there, it is started again when it exits.
pub const KEPT: &str = "kept";
/// Followed by the supervisor's number of the process: it was begun, for the last time when this
/// file was written.
pub const BEGUN: &str = "begun.";
/// How the process ended before a start that was not wanted: [`Ended`].
pub const ENDED: &str = "ended.json";
/// Why its program could not be executed.
pub const NOT_EXECUTED: &str = "not-executed";
/// Followed by the supervisor's number of the process: it said that it is ready.
pub const READY: &str = "ready.";
/// Names the open file that the program writes to once it is ready.
pub const READY_VARIABLE: &str = "CUTOVER_READY_FD";

/// Set where the supervisor tells every end by itself.
pub const TOLD: &str = "CUTOVER_END_IS_TOLD";

/// What systemd hands on to what notifies it.
const NOTIFYING: [&str; 3] = ["NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID"];
/// Where the host's journal takes lines.
const JOURNAL: &str = "/run/systemd/journal/stdout";
/// Of lines that are written to stderr, so that they can be told from the others.
const PRIORITY_ERROR: u8 = 3;

/// Node's channel to who started it, which carries `ready`.
const CHANNEL: [&str; 2] = ["NODE_CHANNEL_FD", "NODE_CHANNEL_SERIALIZATION_MODE"];

/// How a process ended, as its supervisor told the next one.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ended {
    /// The exit code; none: it was not told.
    pub code: Option<i32>,
    /// Unix time in ms when the next one was started.
    pub at_ms: u64,
    /// The signal that ended it.
    #[serde(default)]
    pub signal: Option<i32>,
    /// The kernel ended it for want of memory.
    #[serde(default)]
    pub out_of_memory: bool,
    /// What systemd makes of it, in its word.
    #[serde(default)]
    pub result: Option<String>,
    /// How often the kernel has ended something in its group for want of memory.
    #[serde(default)]
    pub memory_kills: u64,
    /// How often it has ended.
    #[serde(default)]
    pub count: u32,
}

pub(crate) fn run(root: &Path, instance: &str) -> Result<(), RoleError> {
    let place = place::of_instance(root, instance);
    let file = place.join(place::SPEC);
    let spec: InstanceSpec = match fs::read(&file) {
        Err(error) if error.kind() == ErrorKind::NotFound => {
            return Err(not_wanted(format!("{instance} was removed: it is not started")));
        }
        read => read
            .map_err(|it| it.to_string())
            .and_then(|it| serde_json::from_slice(&it).map_err(|it| it.to_string())),
    }
    .map_err(|error| RoleError::failed(format!("{}: {error}", file.display())))?;
    // A start that was ordered for an earlier run of it may come late.
    if std::env::var(process::TOKEN).as_ref() != Ok(&spec.token) {
        return Err(not_wanted(format!("{instance} was started anew: this start is an older one")));
    }
    let number = number();
    if !may_begin(&place, &number)? {
        let message = format!("{instance} exited, and is not to be started again");
        return Err(not_wanted(message));
    }
    let message = match command(&spec, &place, &number) {
        Ok(mut command) => {
            let error = command.exec();
            let program = command.get_program().to_string_lossy();
            format!("{program} cannot be executed in {}: {error}", spec.directory.display())
        }
        Err(message) => message,
    };
    // Who started it is told by the exit code where it cannot be written.
    let _ = whole_file::write(&place.join(NOT_EXECUTED), message.as_bytes());
    Err(RoleError { message, code: EXIT_NOT_EXECUTED })
}

fn not_wanted(message: String) -> RoleError {
    RoleError { message, code: EXIT_NOT_WANTED }
}

/// The supervisor's number of this process: it has a marker of its own.
fn number() -> String {
    let told = std::env::var("pm_id").unwrap_or_default();
    let is_number = !told.is_empty() && told.bytes().all(|it| it.is_ascii_digit());
    if is_number { told } else { "0".to_owned() }
}

/// The first start always, a later one only of what is kept.
fn may_begin(place: &Path, number: &str) -> Result<bool, RoleError> {
    let marker = place.join(format!("{BEGUN}{number}"));
    match fs::File::create_new(&marker) {
        Ok(_) => return Ok(true),
        Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
        Err(error) => {
            let message = format!("{}: {error}", marker.display());
            return Err(RoleError { message, code: EXIT_FAILED });
        }
    }
    if place.join(KEPT).exists() {
        // What the one before said is not true of this one; and the marker's time is that of the
        // last start that was wanted.  Where it cannot be told, this start is wanted all the same.
        let _ = fs::remove_file(place.join(format!("{READY}{number}")));
        let _ = fs::write(&marker, std::process::id().to_string());
        return Ok(true);
    }
    if std::env::var_os(TOLD).is_some() {
        return Ok(false);
    }
    let code = std::env::var("exit_code").ok().and_then(|it| it.parse().ok());
    let ended = Ended { code, at_ms: clock::unix_ms(), ..Ended::default() };
    if let Ok(text) = serde_json::to_vec(&ended) {
        // Without it nobody knows how it ended; that it ended is known all the same.
        let _ = whole_file::write(&place.join(ENDED), &text);
    }
    Ok(false)
}

fn command(spec: &InstanceSpec, place: &Path, number: &str) -> Result<Command, String> {
    let (name, arguments) = spec.command.split_first().ok_or("the command is empty")?;
    let file = program::find(name, &spec.directory, &spec.environment)?;
    let mut command = Command::new(&file);
    command.arg0(name).args(arguments).current_dir(&spec.directory);
    command.env_clear().envs(&spec.environment).env(process::TOKEN, &spec.token);
    if std::env::var_os(TOLD).is_some() {
        // systemd gives a socket also to what says nothing.
        if spec.notify || std::env::var_os("WATCHDOG_USEC").is_some() {
            let told = NOTIFYING.iter().filter_map(|it| Some((it, std::env::var_os(it)?)));
            command.envs(told);
        }
        if let Ok(journal) = journal_of_errors(&spec.instance) {
            command.stderr(OwnedFd::from(journal));
        }
    } else if spec.notify {
        // Node takes both out of its environment as it starts.
        let channel = CHANNEL.iter().filter_map(|it| Some((it, std::env::var_os(it)?)));
        command.envs(channel);
        command.env(READY_VARIABLE, ready_file(place, number)?.to_string());
    }
    if let Some(user) = spec.user {
        command.uid(user.uid).gid(user.gid);
    }
    BeforeExec { files_max: spec.limits.files, ..BeforeExec::default() }.add_to(&mut command);
    Ok(command)
}

/// By systemd both streams are one; where the journal is not to be had they stay so.
fn journal_of_errors(instance: &str) -> std::io::Result<UnixStream> {
    let mut stream = UnixStream::connect(JOURNAL)?;
    stream.shutdown(Shutdown::Read)?;
    // Identifier, unit, priority, and four switches that are off.
    write!(stream, "{instance}\n\n{PRIORITY_ERROR}\n0\n0\n0\n0\n")?;
    Ok(stream)
}

/// Opened here, since the program may run as somebody who cannot.  It stays open over the exec.
fn ready_file(place: &Path, number: &str) -> Result<i32, String> {
    let path = place.join(format!("{READY}{number}"));
    let flags = OFlags::CREATE | OFlags::TRUNC | OFlags::WRONLY | OFlags::APPEND;
    let file = rustix::fs::open(&path, flags, Mode::from_raw_mode(0o600))
        .map_err(|error| format!("{}: {error}", path.display()))?;
    Ok(file.into_raw_fd())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_start_is_wanted_only_of_what_is_kept() {
        let place = std::env::temp_dir().join(format!("cutover-becoming-{}", std::process::id()));
        fs::create_dir_all(&place).unwrap();
        assert!(may_begin(&place, "3").unwrap());
        assert!(!may_begin(&place, "3").unwrap());
        assert!(may_begin(&place, "4").unwrap(), "another worker is another process");
        let ended: Ended = serde_json::from_slice(&fs::read(place.join(ENDED)).unwrap()).unwrap();
        assert!(ended.at_ms > 0);
        fs::write(place.join(KEPT), "").unwrap();
        fs::write(place.join("ready.3"), "x").unwrap();
        assert!(may_begin(&place, "3").unwrap());
        assert!(!place.join("ready.3").exists());
        fs::remove_dir_all(place).unwrap();
    }

    #[test]
    fn what_was_removed_is_not_started() {
        let error = run(Path::new("/no-such-root"), "shop.production.web.1.A").unwrap_err();
        assert_eq!(error.code, EXIT_NOT_WANTED);
    }
}
