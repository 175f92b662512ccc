//! The commit of a work tree, where the content comes from one.

use crate::halt::Halt;
use drivers::host::{Command, stream};
use std::{
    io::{self, Read},
    path::Path,
    time::Duration,
};

/// For a question to `git`.
pub const QUESTION_TIME_MAX: Duration = Duration::from_secs(10);

/// A commit's id is at most 64 letters.
const ID_BYTES_MAX: u64 = 256;

/// The whole id of the commit that a reference names; none where the directory is no work tree.
pub fn of(directory: &Path, reference: &str) -> Option<String> {
    let asked = git(directory, QUESTION_TIME_MAX)
        .arguments(["rev-parse", "--verify", "--quiet", "--end-of-options"])
        .argument(format!("{reference}^{{commit}}"));
    let read = stream(&asked, |output| {
        let mut text = String::new();
        // What cannot be read is no id.
        let _ = output.take(ID_BYTES_MAX).read_to_string(&mut text);
        io::copy(output, &mut io::sink()).ok();
        Ok(text)
    });
    let (text, _) = read.ok().filter(|it| it.1.success)?;
    let id = text.trim().to_owned();
    let is_id = matches!(id.len(), 40 | 64) && id.bytes().all(|it| it.is_ascii_hexdigit());
    is_id.then_some(id)
}

/// Refuses a reference that names no commit.
pub fn expect(directory: &Path, reference: &str) -> Result<(), Halt> {
    if of(directory, reference).is_some() {
        return Ok(());
    }
    let place = directory.display();
    let message =
        format!("deploy from `{reference}`: it is no directory, and no commit of {place}");
    Err(Halt::usage(message).hint("name a directory, or a branch, tag or commit of the source"))
}

/// `git` in a directory, asking nobody.
pub fn git(directory: &Path, time_limit: Duration) -> Command {
    Command::new("git", time_limit)
        .variable("GIT_TERMINAL_PROMPT", "0")
        .arguments(["-c", "core.hooksPath=/dev/null", "-c", "tar.umask=0022", "-C"])
        .argument(std::path::absolute(directory).unwrap_or_else(|_| directory.to_owned()))
}
