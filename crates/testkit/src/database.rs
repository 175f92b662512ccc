//! Database servers of the machine's packages, each on a socket of its own, as a user of its own.

#![allow(clippy::unwrap_used, reason = "a test fails where it cannot go on")]

use std::{
    fs,
    os::unix::{fs::chown, process::CommandExt},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};
use tempfile::TempDir;

/// For a server to answer, on a machine that is busy.
const READY_MAX: Duration = Duration::from_secs(120);
/// Characters that a URL, an option file and a shell all take for something else.
pub const PASSWORD: &str = "p@ss \"w#o\\r'd%/:?";

/// One that runs, and ends when it is dropped.
#[derive(Debug)]
pub struct Server {
    child: Child,
    directory: TempDir,
}

impl Server {
    /// PostgreSQL, with a user `shop` and the database `postgres`.
    ///
    /// # Panics
    /// If it does not come to answer.
    pub fn postgresql() -> Self {
        let (directory, user) = place("postgres");
        let programs = postgresql_programs();
        let (data, word) = (directory.path().join("data"), directory.path().join("word"));
        fs::write(&word, PASSWORD).unwrap();
        chown(&word, Some(user.0), Some(user.1)).unwrap();
        let mut made = Command::new(programs.join("initdb"));
        made.args(["-U", "shop", "-A", "scram-sha-256", "--no-sync", "-E", "UTF8", "--locale=C"]);
        made.arg("--pwfile").arg(&word).arg("-D").arg(&data);
        finished(&mut made, user);
        let mut server = Command::new(programs.join("postgres"));
        server.arg("-D").arg(&data).args(["-c", "listen_addresses=", "-c", "fsync=off"]);
        server.arg("-c").arg(format!("unix_socket_directories={}", directory.path().display()));
        started(server, user, directory, "psql", &|it| it.postgresql_client("postgres"))
    }

    /// MariaDB, with a user `root`.
    ///
    /// # Panics
    /// If it does not come to answer.
    pub fn mariadb() -> Self {
        let (directory, user) = place("mysql");
        let data = directory.path().join("data");
        let mut made = Command::new("mariadb-install-db");
        made.args(["--no-defaults", "--auth-root-authentication-method=normal", "--skip-test-db"]);
        made.arg(format!("--datadir={}", data.display()));
        finished(&mut made, user);
        let mut server = Command::new("/usr/sbin/mariadbd");
        server.args(["--no-defaults", "--skip-networking", "--innodb-flush-log-at-trx-commit=0"]);
        server.arg(format!("--datadir={}", data.display()));
        server.arg(format!("--socket={}", directory.path().join("socket").display()));
        server.arg(format!("--pid-file={}", directory.path().join("pid").display()));
        started(server, user, directory, "mariadb", &|it| it.mariadb_client("root", ""))
    }

    /// Where its socket is.
    pub fn directory(&self) -> &Path {
        self.directory.path()
    }

    /// Its own client, which is given SQL by `-c`, in a database.
    pub fn postgresql_client(&self, database: &str) -> Command {
        let mut client = Command::new("psql");
        client.args(["-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-U", "shop"]);
        client.arg("-h").arg(self.directory()).args(["-d", database]).env("PGPASSWORD", PASSWORD);
        client.arg("-c");
        client
    }

    /// As [`Server::postgresql_client`].
    pub fn mariadb_client(&self, user: &str, database: &str) -> Command {
        let mut client = Command::new("mariadb");
        client.args(["--no-defaults", "--batch", "--skip-column-names", "-u", user]);
        client.arg(format!("--socket={}", self.directory().join("socket").display()));
        client.arg(format!("--database={database}")).arg("-e");
        client
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// What a client prints.
///
/// # Panics
/// If it does not end well.
pub fn said(mut client: Command, sql: &str) -> String {
    let output = client.arg(sql).output().unwrap();
    let errors = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{sql}: {errors}");
    String::from_utf8(output.stdout).unwrap()
}

/// A directory of a user's, short enough for a socket's path.
fn place(user: &str) -> (TempDir, (u32, u32)) {
    let id = |flag: &str| {
        let told = Command::new("id").args([flag, user]).output().unwrap();
        String::from_utf8(told.stdout).unwrap().trim().parse().unwrap()
    };
    let user = (id("-u"), id("-g"));
    let directory = tempfile::Builder::new().prefix("ct-").tempdir_in("/tmp").unwrap();
    chown(directory.path(), Some(user.0), Some(user.1)).unwrap();
    (directory, user)
}

fn postgresql_programs() -> PathBuf {
    let all = fs::read_dir("/usr/lib/postgresql").unwrap().map(|it| it.unwrap().path());
    let mut all: Vec<PathBuf> =
        all.map(|it| it.join("bin")).filter(|it| it.join("initdb").is_file()).collect();
    all.sort();
    all.pop().unwrap()
}

fn finished(command: &mut Command, (uid, gid): (u32, u32)) {
    let output = command.uid(uid).gid(gid).current_dir("/").output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

fn started(
    mut command: Command,
    (uid, gid): (u32, u32),
    directory: TempDir,
    what: &str,
    client: &dyn Fn(&Server) -> Command,
) -> Server {
    let log = fs::File::create(directory.path().join("log")).unwrap();
    command.uid(uid).gid(gid).current_dir("/").stdin(Stdio::null());
    command.stdout(log.try_clone().unwrap()).stderr(log);
    let server = Server { child: command.spawn().unwrap(), directory };
    let until = Instant::now() + READY_MAX;
    loop {
        if client(&server).arg("SELECT 1").output().unwrap().status.success() {
            return server;
        }
        let log = || fs::read_to_string(server.directory().join("log")).unwrap_or_default();
        assert!(Instant::now() < until, "{what} does not answer: {}", log());
        std::thread::sleep(Duration::from_millis(50));
    }
}
