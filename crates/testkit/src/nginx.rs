//! A real nginx, with a prefix of its own, and a main file that is the test's.

use crate::{
    guard::Killed,
    time::{eventually, within},
};
use rustix::process::{Signal, geteuid};
use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::Duration,
};

const MOMENT: Duration = Duration::from_secs(30);

/// A master that ends with its workers when this is dropped.
#[derive(Debug)]
pub struct Nginx {
    folder: PathBuf,
    master: Option<Killed>,
}

impl Nginx {
    /// Starts it in this folder, with these lines in its block `http`.  Its access log is `access`
    /// there, its error log `errors`.
    ///
    /// # Panics
    /// If it does not run in time.
    pub fn start(folder: &Path, inside: &str) -> Self {
        let mut nginx = Self { folder: folder.to_owned(), master: None };
        nginx.configure(inside);
        nginx.run();
        nginx
    }

    /// Its program and arguments, as the key `nginx.program` has them.
    pub fn program(folder: &Path) -> Vec<String> {
        let at = folder.display().to_string();
        let errors = format!("{at}/errors");
        let words = ["nginx", "-p", &at, "-c", &format!("{at}/nginx.conf"), "-e", &errors];
        words.iter().map(|it| (*it).to_owned()).collect()
    }

    /// Writes its main file, and tells it nothing.
    ///
    /// # Panics
    /// If it cannot be written.
    pub fn configure(&self, inside: &str) {
        let at = self.folder.display();
        let kinds = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"];
        let temporary: String =
            kinds.iter().map(|it| format!("{it}_temp_path {at}/{it};\n")).collect();
        let user = if geteuid().is_root() { "user root;" } else { "" };
        let text = format!(
            "{user}\npid {at}/nginx.pid;\nworker_processes 2;\nevents {{\n}}\nhttp {{\n\
             access_log {at}/access;\n{temporary}{inside}\n}}\n"
        );
        fs::write(self.main_file(), text).expect("the folder is writable");
    }

    /// Where its main file lies.
    pub fn main_file(&self) -> PathBuf {
        self.folder.join("nginx.conf")
    }

    /// Runs it again, after [`Nginx::end`].
    ///
    /// # Panics
    /// If it does not run in time.
    pub fn run(&mut self) {
        let words = Self::program(&self.folder);
        let mut command = Command::new(&words[0]);
        command.args(&words[1..]).args(["-g", "daemon off;"]);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let master = Killed::start(&mut command).expect("nginx can be started: install it");
        let pid = master.pid().to_string();
        self.master = Some(master);
        eventually("nginx runs", MOMENT, || {
            let said = fs::read_to_string(self.folder.join("nginx.pid")).unwrap_or_default();
            (said.trim() == pid).then_some(())
        });
    }

    /// Tells it to read its files again, as `nginx -s reload` does.
    ///
    /// # Panics
    /// If it cannot be told.
    pub fn reload(&self) {
        let words = Self::program(&self.folder);
        let mut command = Command::new(&words[0]);
        command.args(&words[1..]).args(["-s", "reload"]);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let status = command.status().expect("nginx can be started");
        assert!(status.success(), "nginx -s reload ended with {status}");
    }

    /// The lines of its access log with this word.
    pub fn asked(&self, word: &str) -> usize {
        let text = fs::read_to_string(self.folder.join("access")).unwrap_or_default();
        text.lines().filter(|it| it.contains(word)).count()
    }

    /// Ends it and its workers.
    pub fn end(&mut self) {
        let Some(mut master) = self.master.take() else { return };
        // Workers end with a master that is told to; killed it would leave them.
        master.signal(Signal::TERM);
        let ended = within(MOMENT, || master.exited());
        assert!(ended.is_some() || std::thread::panicking(), "nginx did not end");
    }
}

impl Drop for Nginx {
    fn drop(&mut self) {
        self.end();
    }
}
