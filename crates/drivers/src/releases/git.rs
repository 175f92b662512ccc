//! Content from a repository: a bare mirror a project, and one commit of it.

use super::{DirectoryReleases, record::names, stage::git_name};
use crate::{
    file,
    host::{self, Command, Finished},
};
use model::{
    failure::{Blame, Failure},
    name::EnvironmentId,
    release::{Artifact, holds_password},
};
use rustix::fs::{FlockOperation, flock};
use std::{
    fs::File,
    io::Read,
    path::{Path, PathBuf},
    thread,
    time::{Duration, Instant},
};

const FETCH_TIME_MAX: Duration = Duration::from_secs(10 * 60);
const ARCHIVE_TIME_MAX: Duration = Duration::from_secs(5 * 60);
const QUESTION_TIME_MAX: Duration = Duration::from_secs(30);
/// For another environment of the project to finish with the mirror.
const LOCK_WAIT_MAX: Duration = FETCH_TIME_MAX;
const LOCK_PAUSE: Duration = Duration::from_millis(50);
const REFERENCE_BYTES_MAX: usize = 256;
const URL_BYTES_MAX: usize = 2048;

impl DirectoryReleases {
    /// Brings the mirror up to date and unpacks the commit that the reference names now.
    pub(super) fn fetch(
        &self,
        environment: &EnvironmentId,
        url: &str,
        reference: &str,
    ) -> Result<Artifact, Failure> {
        refuse_url(url)?;
        refuse_reference(reference)?;
        let _lock = self.lock_mirror(environment)?;
        let mirror = self.updated_mirror(environment, url)?;
        let commit = resolve(&mirror, reference)?;
        let described = format!("{url} {reference}");
        let name = git_name(&commit);
        self.discard_other_commits(environment, &name)?;
        if let Some(arrived) = self.arrived(environment, &name)? {
            return Ok(Artifact { described, ..arrived });
        }
        self.archive(environment, &mirror, &commit, &described)
    }

    /// The content of a commit that was inspected, and has been discarded since.
    pub(super) fn unpack_commit(
        &self,
        environment: &EnvironmentId,
        url: &str,
        commit: &str,
    ) -> Result<(), Failure> {
        refuse_url(url)?;
        refuse_reference(commit)?;
        let _lock = self.lock_mirror(environment)?;
        let mut mirror = self.layout.mirror(&environment.project);
        if resolve(&mirror, commit).is_err() {
            mirror = self.updated_mirror(environment, url)?;
        }
        self.archive(environment, &mirror, commit, url).map(drop)
    }

    fn updated_mirror(&self, environment: &EnvironmentId, url: &str) -> Result<PathBuf, Failure> {
        let mirror = self.layout.mirror(&environment.project);
        if !mirror.join("HEAD").is_file() {
            let init = git(None, QUESTION_TIME_MAX).arguments(["init", "--quiet", "--bare", "--"]);
            done(&init.argument(mirror.as_os_str()), Blame::Platform, "make a mirror")?;
        }
        let fetch = git(Some(&mirror), FETCH_TIME_MAX)
            .arguments(["fetch", "--quiet", "--prune", "--no-auto-gc", "--force", "--"])
            .argument(url)
            .argument("+refs/*:refs/*");
        done(&fetch, Blame::Request, &format!("fetch {url}")).map_err(|failure| {
            failure
                .hint("try `git ls-remote` with this url, as the user that the controller runs as")
        })?;
        Ok(mirror)
    }

    fn archive(
        &self,
        environment: &EnvironmentId,
        mirror: &Path,
        commit: &str,
        described: &str,
    ) -> Result<Artifact, Failure> {
        let archive = git(Some(mirror), ARCHIVE_TIME_MAX)
            .arguments(["archive", "--format=tar"])
            .argument(commit);
        let (this, environment) = (self.clone(), environment.clone());
        let (commit, described) = (commit.to_owned(), described.to_owned());
        let name = git_name(&commit);
        let incoming = self.incoming(&environment, &name)?;
        let (artifact, finished) = host::stream(&archive, move |output: &mut dyn Read| {
            this.take_stream(&environment, &name, Some(commit), &described, output)
        })?;
        if finished.success {
            return Ok(artifact);
        }
        // What arrived may be a part of it.
        incoming.discard()?;
        Err(finished.failure(Blame::Platform, "unpack the commit"))
    }

    /// An environment deploys one thing at a time, so other commits' content is of no use any more.
    fn discard_other_commits(
        &self,
        environment: &EnvironmentId,
        wanted: &str,
    ) -> Result<(), Failure> {
        for name in names(&self.layout.incoming(environment))? {
            if name.starts_with("git-") && name != wanted {
                self.incoming(environment, &name)?.discard()?;
            }
        }
        Ok(())
    }

    /// Held until it is dropped.
    fn lock_mirror(&self, environment: &EnvironmentId) -> Result<File, Failure> {
        super::make(&self.layout.project(&environment.project), file::MODE_PUBLIC_DIRECTORY)?;
        let path = self.layout.mirror_lock(&environment.project);
        let failed = |error: std::io::Error| file::failure("lock", &path, &error);
        let lock = File::options().create(true).append(true).open(&path).map_err(failed)?;
        let deadline = Instant::now() + LOCK_WAIT_MAX;
        loop {
            match flock(&lock, FlockOperation::NonBlockingLockExclusive) {
                Ok(()) => return Ok(lock),
                Err(rustix::io::Errno::WOULDBLOCK) if Instant::now() < deadline => {
                    thread::sleep(LOCK_PAUSE);
                }
                Err(error) => return Err(failed(error.into())),
            }
        }
    }
}

fn git(mirror: Option<&Path>, time_limit: Duration) -> Command {
    let command = Command::new("git", time_limit)
        .variable("GIT_TERMINAL_PROMPT", "0")
        .variable("SSH_ASKPASS_REQUIRE", "never")
        .arguments(["-c", "protocol.ext.allow=never", "-c", "core.hooksPath=/dev/null"])
        .arguments(["-c", "tar.umask=0022", "-c", "gc.auto=0"]);
    match mirror {
        Some(mirror) => command.argument("--git-dir").argument(mirror.as_os_str()),
        None => command,
    }
}

fn done(command: &Command, blame: Blame, doing: &str) -> Result<Finished, Failure> {
    let finished = ended(command)?;
    if finished.success { Ok(finished) } else { Err(finished.failure(blame, doing)) }
}

/// Already on a thread that may block.
fn ended(command: &Command) -> Result<Finished, Failure> {
    let output_bytes_max = command.output_bytes_max as u64;
    let (stdout, mut finished) = host::stream(command, move |output: &mut dyn Read| {
        let mut bytes = vec![];
        // What could not be read is missed below, where a commit is looked for.
        let _ = output.take(output_bytes_max).read_to_end(&mut bytes);
        Ok(bytes)
    })?;
    finished.stdout = stdout;
    Ok(finished)
}

/// The commit that a branch, a tag, a whole reference or a commit's number names.
fn resolve(mirror: &Path, reference: &str) -> Result<String, Failure> {
    let mut found: Vec<(String, String)> = vec![];
    let is_number = reference.len() >= 7 && reference.bytes().all(|it| it.is_ascii_hexdigit());
    let names = if reference.starts_with("refs/") {
        vec![reference.to_owned()]
    } else {
        vec![format!("refs/heads/{reference}"), format!("refs/tags/{reference}")]
    };
    for name in names {
        found.extend(commit_of(mirror, &name)?.map(|commit| (name, commit)));
    }
    if found.is_empty() && is_number {
        found.extend(commit_of(mirror, reference)?.map(|commit| (reference.to_owned(), commit)));
    }
    match found.as_slice() {
        [] => Err(Failure::new(Blame::Request, format!("find `{reference}` in the repository"))
            .hint("name a branch, a tag or a commit that was pushed")),
        [(_, commit)] => Ok(commit.clone()),
        [(_, one), (_, other)] if one == other => Ok(one.clone()),
        [(one, _), (other, _), ..] => {
            let message = format!("choose between the branch and the tag `{reference}`");
            Err(Failure::new(Blame::Request, message).hint(format!("say `{one}` or `{other}`")))
        }
    }
}

fn commit_of(mirror: &Path, name: &str) -> Result<Option<String>, Failure> {
    let question = git(Some(mirror), QUESTION_TIME_MAX)
        .arguments(["rev-parse", "--quiet", "--verify", "--end-of-options"])
        .argument(format!("{name}^{{commit}}"));
    let finished = ended(&question)?;
    let commit = finished.text();
    let is_commit = commit.len() >= 40 && commit.bytes().all(|it| it.is_ascii_hexdigit());
    Ok((finished.success && is_commit).then_some(commit))
}

fn refuse_url(url: &str) -> Result<(), Failure> {
    if holds_password(url) {
        return Err(Failure::new(Blame::Request, "fetch from a url that holds a password")
            .hint("use an SSH key or git's credential helper: other users can see a url"));
    }
    let is_odd = url.is_empty()
        || url.len() > URL_BYTES_MAX
        || url.starts_with('-')
        || url.chars().any(char::is_control)
        || url.contains("::");
    if is_odd {
        let message = format!("take `{}` for a repository's url", url.escape_debug());
        return Err(Failure::new(Blame::Request, message)
            .hint("use https://HOST/PATH, ssh://HOST/PATH, USER@HOST:PATH or an absolute path"));
    }
    Ok(())
}

fn refuse_reference(reference: &str) -> Result<(), Failure> {
    let is_odd = reference.is_empty()
        || reference.len() > REFERENCE_BYTES_MAX
        || reference.starts_with(['-', '/', '.'])
        || reference.ends_with(['/', '.'])
        || reference.contains("..")
        || reference.contains("@{")
        || reference.chars().any(|it| it.is_control() || " ~^:?*[\\".contains(it));
    if is_odd {
        let message = format!("take `{}` for a branch, tag or commit", reference.escape_debug());
        return Err(Failure::new(Blame::Request, message)
            .hint("name a branch, a tag or a commit that was pushed"));
    }
    Ok(())
}
