//! Asks nginx itself whether it would take the files.

use super::{Nginx, place::failed};
use crate::{
    file,
    host::{Command, Finished, stream},
};
use model::{
    failure::{Blame, Failure},
    nginx::text,
};
use std::{
    fs,
    io::{BufRead, BufReader},
    path::Path,
    time::Duration,
};

/// Reading thousands of files takes it a moment.
const TEST_TIME_MAX: Duration = Duration::from_secs(60);
const RELOAD_TIME_MAX: Duration = Duration::from_secs(30);
/// Beside a generation's folders, where no include line reaches.
const CHECK_FILE: &str = "check.conf";

/// That a test passed, and what it could not look at.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Passed {
    /// This user may not listen where nginx would.
    pub(super) ports_unseen: bool,
}

impl Nginx {
    pub(super) fn command(&self, time_max: Duration) -> Command {
        let program = self.program.first().map_or("nginx", String::as_str);
        Command::new(program, time_max).arguments(self.program.iter().skip(1))
    }

    /// `nginx -t` of the files in a directory alone.
    pub(super) fn test_alone(&self, directory: &Path) -> Result<Passed, Failure> {
        let scratch = directory.join("scratch");
        let at = scratch.display();
        let wrapper = format!(
            "pid {at}/pid;\nerror_log stderr;\nevents {{\n}}\nhttp {{\n    access_log off;\n    \
             client_body_temp_path {at}/body;\n    proxy_temp_path {at}/proxy;\n    \
             fastcgi_temp_path {at}/fastcgi;\n    uwsgi_temp_path {at}/uwsgi;\n    \
             scgi_temp_path {at}/scgi;\n    include {}/*/*.conf;\n}}\n",
            directory.display()
        );
        let path = directory.join(CHECK_FILE);
        file::make_directory(&scratch, file::MODE_PUBLIC_DIRECTORY)
            .and_then(|()| fs::write(&path, wrapper))
            .map_err(|error| failed("write", &path, &error))?;
        let command = self.command(TEST_TIME_MAX).arguments(["-t", "-c"]).argument(&path);
        let finished = stream(&command, |_| Ok(())).map(|it| it.1);
        let removed = file::remove_tree(&scratch).and_then(|()| file::remove(&path));
        let finished = finished?;
        removed.map_err(|error| failed("remove", &scratch, &error))?;
        judge(&finished, directory)
    }

    /// `nginx -T` of everything it would read; whether our files are among it.
    pub(super) fn test_whole(&self) -> Result<bool, Failure> {
        let ours = self.link().join(text::GENERATION);
        let line = format!("# configuration file {}:", ours.display());
        let command = self.command(TEST_TIME_MAX).argument("-T");
        let (found, finished) = stream(&command, move |output| {
            let mut lines = BufReader::new(output).split(b'\n');
            Ok(lines.any(|it| it.is_ok_and(|it| it == line.as_bytes())))
        })?;
        judge(&finished, &self.link())?;
        Ok(found)
    }

    /// The main file, as nginx names it, and its text.
    ///
    /// # Errors
    /// When nginx cannot be run, or its configuration is not in order.
    pub fn main_file(&self) -> Result<(String, String), Failure> {
        let command = self.command(TEST_TIME_MAX).argument("-t");
        let (_, finished) = stream(&command, |_| Ok(()))?;
        let said = String::from_utf8_lossy(&finished.stderr).into_owned();
        let named = said.split("the configuration file ").nth(1);
        let path = named.and_then(|it| it.split(" syntax is ok").next()).map(str::to_owned);
        let Some(path) = path.filter(|it| it.len() < said.len()) else {
            return Err(finished.failure(Blame::Request, "find the file that nginx reads"));
        };
        let read = fs::read_to_string(&path);
        let text = read.map_err(|error| failed("read", Path::new(&path), &error))?;
        Ok((path, text))
    }

    /// Tells the master to read its files again.  That it was told says nothing.
    pub(super) fn reload(&self) -> Result<(), Failure> {
        let command = self.command(RELOAD_TIME_MAX).arguments(["-s", "reload"]);
        let (_, finished) = stream(&command, |_| Ok(()))?;
        if finished.success {
            return Ok(());
        }
        Err(finished
            .failure(Blame::Platform, "tell nginx to reload")
            .hint("see whether nginx runs: start it, then apply again"))
    }
}

fn judge(finished: &Finished, directory: &Path) -> Result<Passed, Failure> {
    if finished.success {
        return Ok(Passed::default());
    }
    let said = String::from_utf8_lossy(&finished.stderr);
    let mut grave = said.lines().filter(|it| it.contains("[emerg]"));
    let may_not = |it: &str| it.contains("bind() to ") && it.contains("(13:");
    if said.contains("syntax is ok") && grave.clone().count() > 0 && grave.all(may_not) {
        return Ok(Passed { ports_unseen: true });
    }
    let mut failure = Failure::new(Blame::Request, format!("pass `nginx -t`: {}", finished.how));
    let prefix = format!("{}/", directory.display());
    for line in said.lines().filter(|it| it.contains("[emerg]") || it.contains("[crit]")) {
        failure = failure.evidence(line.replace(&prefix, ""));
    }
    if failure.evidence.is_empty() {
        failure = failure.evidence(said.trim());
    }
    if said.contains("cannot load certificate") {
        failure = failure.hint(
            "get the certificate first: challenges for hosts that are not declared yet are \
             answered from `acme` too",
        );
    }
    if said.contains("could not build server_names_hash") {
        failure = failure.hint(
            "a host name is long for nginx: put `server_names_hash_bucket_size 128;` into the \
             block `http` of your own file",
        );
    }
    if said.contains("duplicate default server") {
        failure = failure.hint(
            "another server block answers hosts that nobody names: set `nginx.default: no`, or \
             take `default_server` out there",
        );
    }
    Err(failure)
}
