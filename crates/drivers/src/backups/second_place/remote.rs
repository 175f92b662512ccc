//! Another machine, by the system's `ssh`.
//!
//! Its shell reads words of ours, and of the configuration only such as hold letters, digits and
//! `/._-`: files come and go by stdin and stdout.

use super::{fresh, names};
use crate::{
    backups::{bounds::Bounds, metadata, path::is_file_name},
    file,
    host::{Command, Finished, pipe},
};
use model::{
    backup::{
        BackupName, SshPlace,
        metadata::{ITEMS_MAX, Metadata},
    },
    failure::{Blame, Failure},
    name::EnvironmentId,
};
use std::{
    fs::File,
    io::{Read, Write},
    path::Path,
};

/// Whoever asks for anything there would wait for ever; a machine that is not known is not
/// trusted; a connection that is dead is given up within a minute.
const OPTIONS: [&str; 13] = [
    "-T",
    "-o",
    "BatchMode=yes",
    "-o",
    "StrictHostKeyChecking=yes",
    "-o",
    "ConnectTimeout=20",
    "-o",
    "ServerAliveInterval=15",
    "-o",
    "ServerAliveCountMax=4",
    "-o",
    "ClearAllForwardings=yes",
];

/// The backups of one environment on another machine.
pub(super) struct Remote<'p> {
    spec: &'p SshPlace,
    place: String,
}

impl Remote<'_> {
    /// Refuses words that would be more than words.
    pub(super) fn new<'p>(
        spec: &'p SshPlace,
        environment: &EnvironmentId,
    ) -> Result<Remote<'p>, Failure> {
        let place =
            format!("{}/{}/{}", spec.directory, environment.project, environment.environment);
        let plain = |it: &str| {
            !it.starts_with('-')
                && it.chars().all(|it| it.is_ascii_alphanumeric() || "/._-@:".contains(it))
        };
        let files = spec.identity.iter().chain(&spec.known_hosts);
        if !plain(&place) || !plain(&spec.host) || !files.into_iter().all(|it| plain(it)) {
            let message = "use another machine for backups: its place is no plain path";
            return Err(Failure::new(Blame::Request, message));
        }
        Ok(Remote { spec, place })
    }

    /// Has it taken there; what is there already is left as it is.
    pub(super) fn take(
        &self,
        bounds: &Bounds<'_>,
        from: &Path,
        metadata: &Metadata,
    ) -> Result<(), Failure> {
        let (place, name) = (&self.place, &metadata.name);
        let part = format!(".{name}.unfinished");
        // An archive whose end is lost may still look like one: only `metadata.json` comes last.
        let script = format!(
            "set -e; umask 077; mkdir -p {place}; cd {place}; test ! -e {name} || exit 0; \
             rm -rf {part}; mkdir {part}; tar -xf - -C {part}; test -f {part}/{}; sync; \
             mv {part} {name}",
            metadata::FILE
        );
        let mut feed = |to: &mut dyn Write| packed(bounds, from, metadata, to);
        let command = self.command(bounds, &script);
        let (_, finished) = pipe(&command, Some(&mut feed), |it| bounds.text(it))?;
        self.judged(&finished, &format!("copy {name} to {}", self.spec.host))
    }

    /// What lies there.
    pub(super) fn names(&self, bounds: &Bounds<'_>) -> Result<Vec<String>, Failure> {
        let place = &self.place;
        let script = format!("test -d {place} || exit 0; ls -1 {place}");
        let command = self.command(bounds, &script);
        let (text, finished) = pipe(&command, None, |it| bounds.text(it))?;
        self.judged(&finished, &format!("list the backups on {}", self.spec.host))?;
        Ok(text.lines().map(str::to_owned).collect())
    }

    /// Has one given back, into a directory that is empty.
    pub(super) fn give(
        &self,
        bounds: &Bounds<'_>,
        name: &BackupName,
        to: &Path,
    ) -> Result<(), Failure> {
        let script = format!("tar -cf - -C {}/{name} .", self.place);
        let command = self.command(bounds, &script);
        let taken = pipe(&command, None, |it| unpacked(bounds, it, to));
        let doing = format!("bring {name} back from {}", self.spec.host);
        // How the other side ended explains more than what was read of it.
        let (unpacked, finished) = taken?;
        self.judged(&finished, &doing)?;
        unpacked
    }

    fn command(&self, bounds: &Bounds<'_>, script: &str) -> Command {
        let mut command = Command::new("ssh", bounds.time_limit).arguments(OPTIONS);
        if let Some(port) = self.spec.port {
            command = command.arguments(["-p".to_owned(), port.to_string()]);
        }
        if let Some(identity) = &self.spec.identity {
            command = command.arguments(["-i", identity, "-o", "IdentitiesOnly=yes"]);
        }
        if let Some(known) = &self.spec.known_hosts {
            command = command.arguments(["-o".to_owned(), format!("UserKnownHostsFile={known}")]);
        }
        command.arguments(["--", &self.spec.host, script])
    }

    fn judged(&self, finished: &Finished, doing: &str) -> Result<(), Failure> {
        if finished.success {
            return Ok(());
        }
        let failure = finished.failure(Blame::Platform, doing);
        let said = String::from_utf8_lossy(&finished.stderr);
        Err(failure.hint(if said.contains("Host key verification failed") {
            "its host key is not known here, or is another: compare it with the machine's own, and \
             write it to this user's `~/.ssh/known_hosts` or to the file that `known_hosts` names"
        } else if said.contains("Permission denied (") {
            "it does not let this user in: name a key without a password by `identity`, and let \
             it in there"
        } else {
            "look at whether this user reaches it by `ssh` without a password"
        }))
    }
}

fn packed(
    bounds: &Bounds<'_>,
    from: &Path,
    metadata: &Metadata,
    to: &mut dyn Write,
) -> Result<(), Failure> {
    let mut archive = tar::Builder::new(to);
    for name in names(metadata) {
        bounds.wanted()?;
        let mut file = bounds.written(File::open(from.join(&name)))?;
        let mut header = tar::Header::new_gnu();
        header.set_mode(file::MODE_PRIVATE);
        header.set_size(bounds.written(file.metadata())?.len());
        bounds.written(archive.append_data(&mut header, &name, &mut file))?;
    }
    bounds.written(archive.finish())
}

/// The inner failure is of what came: why it came so is for the program that sent it to say.
fn unpacked(
    bounds: &Bounds<'_>,
    from: &mut dyn Read,
    to: &Path,
) -> Result<Result<(), Failure>, Failure> {
    let odd = |what: String| Failure::new(Blame::Platform, format!("trust what came: {what}"));
    let mut archive = tar::Archive::new(from);
    let entries = match archive.entries() {
        Ok(entries) => entries,
        Err(error) => return Ok(Err(odd(error.to_string()))),
    };
    let mut files = 0;
    for entry in entries {
        let mut entry = match entry {
            Ok(entry) => entry,
            Err(error) => return Ok(Err(odd(error.to_string()))),
        };
        let path = entry.path_bytes().into_owned();
        let path = String::from_utf8_lossy(&path).into_owned();
        let name = path.strip_prefix("./").unwrap_or(&path);
        match entry.header().entry_type() {
            tar::EntryType::Directory if name.is_empty() => continue,
            tar::EntryType::Regular if is_file_name(name) => files += 1,
            _ => return Ok(Err(odd(format!("`{}` is no part", path.escape_debug())))),
        }
        if files > ITEMS_MAX + 1 {
            return Ok(Err(odd(format!("it has more than {ITEMS_MAX} parts"))));
        }
        let target = to.join(name);
        let mut target = bounds.written(fresh(&target))?;
        if let Err(failure) = bounds.copied(&mut entry, &mut target) {
            return Ok(Err(failure));
        }
        bounds.written(target.sync_all())?;
    }
    Ok(Ok(()))
}
