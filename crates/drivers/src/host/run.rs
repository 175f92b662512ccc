//! Runs a command to its end, within its bounds.

use super::{Arg, Command, LANG, PATH};
use crate::blocking::blocking;
use model::failure::{Blame, Failure};
use rustix::{
    event::{PollFd, PollFlags, Timespec, poll},
    io::Errno,
    process::{Pid, PidfdFlags, Signal, kill_process_group, pidfd_open},
};
use std::{
    io::{self, Read},
    os::unix::process::{CommandExt, ExitStatusExt},
    process::{Child, ExitStatus, Stdio},
    sync::mpsc,
    thread,
    time::{Duration, Instant},
};

/// How long the last output may take after the program ended: a descendant may hold the pipe.
const OUTPUT_AFTER_END: Duration = Duration::from_secs(2);

/// How a program ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finished {
    /// It exited with 0.
    pub success: bool,
    /// `exit code 1`, `signal 9`, `no end within 5000 ms`.
    pub how: String,
    /// Its first bytes; empty for a streamed command.
    pub stdout: Vec<u8>,
    /// Its first bytes.
    pub stderr: Vec<u8>,
}

impl Finished {
    /// What it printed, trimmed, as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.stdout).trim().to_owned()
    }

    /// A failure that says how it ended and what it wrote.
    pub fn failure(&self, blame: Blame, doing: &str) -> Failure {
        let mut failure = Failure::new(blame, format!("{doing}: {}", self.how));
        for output in [&self.stderr, &self.stdout] {
            let text = String::from_utf8_lossy(output);
            if !text.trim().is_empty() {
                failure = failure.evidence(text.trim());
            }
        }
        failure
    }
}

/// Runs it and keeps its first output.  That it ended badly is no failure here; that it could not
/// be started is.
pub async fn run(command: Command) -> Result<Finished, Failure> {
    blocking(move || run_now(&command)).await
}

/// As [`run`].  Blocks.
pub fn run_now(command: &Command) -> Result<Finished, Failure> {
    let output_bytes_max = command.output_bytes_max;
    let (stdout, mut finished) =
        stream(command, move |output| Ok(first_bytes(output, output_bytes_max)))?;
    finished.stdout = stdout;
    Ok(finished)
}

/// Runs it and hands its stdout to `consume` while it is written.  Blocks.
pub fn stream<T: Send + 'static>(
    command: &Command,
    consume: impl FnOnce(&mut dyn Read) -> Result<T, Failure> + Send + 'static,
) -> Result<(T, Finished), Failure> {
    let deadline = Instant::now() + command.time_limit;
    let mut child = spawn(command)?;
    let group = group(&child)?;
    let output = child.stdout.take();
    let errors = child.stderr.take();
    let output_bytes_max = command.output_bytes_max;
    let consumed = on_thread(move || {
        let mut output: Box<dyn Read> = output.map_or_else(empty, |it| Box::new(it));
        let result = consume(&mut output);
        // What is not wanted is still taken, or the program would wait for ever.
        let _ = io::copy(&mut output, &mut io::sink());
        result
    });
    let errors = on_thread(move || {
        let mut errors: Box<dyn Read> = errors.map_or_else(empty, |it| Box::new(it));
        first_bytes(&mut errors, output_bytes_max)
    });
    let in_time = ended(group, deadline);
    // Not reaped yet, so the number still names this group and nobody else's.
    let _ = kill_process_group(group, Signal::KILL);
    let status = child.wait().map_err(|error| unwaited(command, &error))?;
    let how = if in_time { how(status) } else { overdue(command) };
    let consumed = consumed.recv_timeout(OUTPUT_AFTER_END).map_err(|_| stuck(command))?;
    let stderr = errors.recv_timeout(OUTPUT_AFTER_END).unwrap_or_default();
    let success = in_time && status.success();
    let finished = Finished { success, how, stdout: vec![], stderr };
    match consumed {
        Ok(value) => Ok((value, finished)),
        // A program that failed explains better than half of its output.
        Err(_) if !finished.success => {
            Err(finished.failure(Blame::Platform, &format!("run `{}`", command.shown())))
        }
        Err(failure) => Err(failure),
    }
}

fn spawn(command: &Command) -> Result<Child, Failure> {
    let mut builder = std::process::Command::new(&command.program);
    builder
        .args(command.arguments.iter().map(|it| match it {
            Arg::Plain(value) | Arg::Secret(value) => value,
        }))
        .env_clear()
        .env("PATH", PATH)
        .env("LANG", LANG)
        .envs(std::env::var_os("HOME").map(|home| ("HOME", home)))
        .envs(&command.environment)
        .current_dir(command.directory.as_deref().unwrap_or("/".as_ref()))
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .process_group(0);
    if let Some((uid, gid)) = command.user {
        builder.uid(uid).gid(gid);
    }
    builder.spawn().map_err(|error| {
        let message = format!("run `{}`: {error}", command.shown());
        let failure = Failure::new(Blame::Platform, message);
        if error.kind() == io::ErrorKind::NotFound {
            let program = command.program.to_string_lossy();
            failure.hint(format!("install `{program}`, or give its whole path"))
        } else {
            failure
        }
    })
}

fn group(child: &Child) -> Result<Pid, Failure> {
    i32::try_from(child.id())
        .ok()
        .and_then(Pid::from_raw)
        .ok_or_else(|| Failure::new(Blame::Us, "read a process id"))
}

fn empty() -> Box<dyn Read> {
    Box::new(io::empty())
}

fn on_thread<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> mpsc::Receiver<T> {
    let (sender, receiver) = mpsc::sync_channel(1);
    thread::spawn(move || {
        // Nobody listens any more where the program was given up.
        let _ = sender.send(work());
    });
    receiver
}

fn first_bytes(output: &mut dyn Read, bytes_max: usize) -> Vec<u8> {
    let mut kept = Vec::new();
    // An error ends the output as its end does: what is kept is only shown.
    let _ = output.take(bytes_max as u64).read_to_end(&mut kept);
    let _ = io::copy(output, &mut io::sink());
    kept
}

/// Waits, without reaping, until it ended or time is up.
fn ended(pid: Pid, deadline: Instant) -> bool {
    let Ok(descriptor) = pidfd_open(pid, PidfdFlags::empty()) else { return true };
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        let timeout = Timespec {
            tv_sec: i64::try_from(left.as_secs()).unwrap_or(i64::MAX),
            tv_nsec: left.subsec_nanos().into(),
        };
        let mut descriptors = [PollFd::new(&descriptor, PollFlags::IN)];
        match poll(&mut descriptors, Some(&timeout)) {
            Ok(0) => return false,
            Err(Errno::INTR) => {}
            _ => return true,
        }
    }
}

fn how(status: ExitStatus) -> String {
    match (status.code(), status.signal()) {
        (Some(code), _) => format!("exit code {code}"),
        (None, Some(signal)) => format!("signal {signal}"),
        (None, None) => "an unknown end".to_owned(),
    }
}

fn overdue(command: &Command) -> String {
    format!("no end within {} ms", command.time_limit.as_millis())
}

fn unwaited(command: &Command, error: &io::Error) -> Failure {
    Failure::new(Blame::Platform, format!("wait for `{}`: {error}", command.shown()))
}

fn stuck(command: &Command) -> Failure {
    let message = format!("read all of what `{}` wrote: its output stays open", command.shown());
    Failure::new(Blame::Platform, message)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn command(program: &str, arguments: &[&str]) -> Command {
        Command::new(program, Duration::from_secs(10)).arguments(arguments.iter().copied())
    }

    fn block<T>(future: impl Future<Output = T>) -> T {
        tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(future)
    }

    #[test]
    fn output_and_exit_code_are_kept_and_nothing_is_inherited() {
        let finished = block(run(command("env", &[]).variable("ONE", "1"))).unwrap();
        assert!(finished.success);
        let text = finished.text();
        let mut names: Vec<_> = text.lines().filter_map(|line| line.split('=').next()).collect();
        names.sort_unstable();
        assert!(names.contains(&"ONE"), "{names:?}");
        names.retain(|name| !["HOME", "LANG", "ONE", "PATH"].contains(name));
        assert!(names.is_empty(), "{names:?}");
        let failed = block(run(command("python3", &["-c", "import sys; sys.exit(7)"]))).unwrap();
        assert_eq!((failed.success, failed.how.as_str()), (false, "exit code 7"));
    }

    #[test]
    fn what_does_not_end_is_killed_with_its_children() {
        let script = "import subprocess, sys\n\
                      print('begun', flush=True)\n\
                      subprocess.run([sys.executable, '-c', 'import time; time.sleep(60)'])";
        let mut command = command("python3", &["-c", script]);
        command.time_limit = Duration::from_millis(400);
        let begun = Instant::now();
        let finished = block(run(command)).unwrap();
        assert!(begun.elapsed() < Duration::from_secs(5));
        assert_eq!((finished.success, finished.how.as_str()), (false, "no end within 400 ms"));
    }

    #[test]
    fn endless_output_is_cut_and_secrets_are_not_shown() {
        let mut flood = command("yes", &[]);
        flood.time_limit = Duration::from_millis(200);
        flood.output_bytes_max = 1000;
        assert_eq!(block(run(flood)).unwrap().stdout.len(), 1000);
        let secret = command("true", &["a"]).argument(Arg::Secret("hunter2".into()));
        assert_eq!(secret.shown(), "true a [secret]");
        assert!(!format!("{secret:?} {:?}", secret.arguments).contains("hunter2"));
    }

    #[test]
    fn a_missing_program_says_what_to_try() {
        let failure = block(run(command("no-such-program-here", &[]))).unwrap_err();
        assert!(failure.hints[0].contains("install `no-such-program-here`"), "{failure:?}");
    }
}
