//! A database of a given size, backed up and brought back by a whole installation, while the memory
//! of the processes that do it is watched.

use crate::{
    app::App,
    database::{PASSWORD, Server, said},
    stand::{Layout, Ran, Stand, TARGET},
};
use serde_json::Value;
use std::{
    fs::{self, File},
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    thread,
    time::{Duration, Instant},
};

/// Bytes of text in each row.
const ROW_BYTES: u64 = 1024;
/// Between two looks at a process's memory, whose peak is gone with it.
const LOOK: Duration = Duration::from_millis(2);
/// For one verb over all of the database, on a machine that is busy.
const VERB_WAIT: Duration = Duration::from_secs(900);

/// An installation with such a database, and keys.
#[derive(Debug)]
pub struct Trial {
    /// The installation.
    pub stand: Stand,
    server: Server,
    right: PathBuf,
    wrong: PathBuf,
}

/// A verb that came to its end, and the most memory that its own process had at once.
#[derive(Clone, Debug)]
pub struct Watched {
    /// It.
    pub ran: Ran,
    /// In KiB; of the command alone, not of the programs that it runs.
    pub peak_kib: u64,
}

impl Trial {
    /// With a table of so many bytes of text that does not compress well.
    ///
    /// # Panics
    /// Where the server or the keys cannot be made.
    pub fn new(bytes: u64) -> Self {
        let layout = Layout {
            app: App::Rust,
            instances: 1,
            bake_s: 0.0,
            keep_warm_s: 0.0,
            ..Layout::default()
        };
        let (stand, server) = (Stand::new(layout), Server::postgresql());
        let (right, recipient) = key(stand.folder.path(), "right");
        let (wrong, _) = key(stand.folder.path(), "wrong");
        let url = url(server.directory());
        let backup = format!(
            "disk_free: 64M, backup: {{ databases: {{ main: {{ kind: postgresql, \
             url_from: DATABASE_URL }} }}, encrypt_to: [{recipient}], identity: {} }} }}",
            right.display()
        );
        let text = fs::read_to_string(stand.config()).expect("the stand has a configuration");
        let text = text.replace("disk_free: 64M }", &backup);
        let text = text.replace("env: { ", &format!("env: {{ DATABASE_URL: \"{url}\", "));
        fs::write(stand.config(), text).expect("the folder is writable");
        let trial = Self { stand, server, right, wrong };
        trial.sql("CREATE TABLE orders (id BIGINT PRIMARY KEY, note TEXT)");
        trial.sql(&format!(
            "INSERT INTO orders SELECT i, (SELECT string_agg(md5((i * 100 + j)::text), '') \
             FROM generate_series(1, {}) j) FROM generate_series(1, {}) i",
            ROW_BYTES / 32,
            bytes / ROW_BYTES
        ));
        trial
    }

    /// What the server answers.
    pub fn sql(&self, text: &str) -> String {
        said(self.server.postgresql_client("postgres"), text)
    }

    /// Rows, and a checksum over all of them.
    pub fn rows(&self) -> String {
        self.sql("SELECT count(*), sum(hashtextextended(id || note, 0)) FROM orders")
    }

    /// Bytes of the table on the server's disk.
    ///
    /// # Panics
    /// Where the server says no number.
    pub fn table_bytes(&self) -> u64 {
        let told = self.sql("SELECT pg_total_relation_size('orders')");
        told.trim().parse().expect("a number of bytes")
    }

    /// Runs a verb, and watches its memory.
    ///
    /// # Panics
    /// Where it cannot be started, or takes too long.
    pub fn watched(&self, words: &[&str]) -> Watched {
        let began = Instant::now();
        let path = |end: &str| self.stand.folder.path().join(format!("watched.{end}"));
        let file = |path: &Path| File::create(path).expect("the folder is writable");
        let mut command = self.stand.command(words);
        command.stdout(file(&path("out"))).stderr(file(&path("error")));
        let mut child = command.stdin(Stdio::null()).spawn().expect("the program can be started");
        let (mut peak_kib, pid) = (0, child.id());
        let status = loop {
            peak_kib = peak_kib.max(peak_of(pid));
            if let Some(status) = child.try_wait().expect("it is our child") {
                break status;
            }
            if began.elapsed() > VERB_WAIT {
                let _ = child.kill();
            }
            thread::sleep(LOOK);
        };
        let read = |end: &str| fs::read_to_string(path(end)).unwrap_or_default();
        let took = began.elapsed();
        let ran = Ran { code: status.code(), out: read("out"), error: read("error"), took };
        Watched { ran, peak_kib }
    }

    /// The most memory that the controller had at once since it was started, in KiB.
    pub fn controller_peak_kib(&self) -> u64 {
        self.stand.pid_of("daemon").map_or(0, peak_of)
    }

    /// What the newest backup is called.
    ///
    /// # Panics
    /// Where there is none.
    pub fn newest(&self) -> String {
        let ran = self.stand.cutover(&["--json", "backup", "list", TARGET]).expect(0);
        let all: Value = serde_json::from_str(&ran.out).expect("a list");
        all[0]["name"].as_str().expect("there is one").to_owned()
    }

    /// The file in which a backup has the database.
    pub fn part(&self, name: &str) -> PathBuf {
        let backups = self.stand.root.join("projects").join(TARGET).join("backups");
        backups.join(name).join("database-main.dump.zst.age")
    }

    /// Damages a part in several ways; the verbs that read it must refuse each, and touch nothing.
    /// Gives what they said.
    ///
    /// # Panics
    /// Where one does not.
    pub fn refuses_damage(&self, name: &str) -> Vec<String> {
        let (part, rows) = (self.part(name), self.rows());
        let beside = part.with_extension("whole");
        fs::rename(&part, &beside).expect("a part can be moved");
        let length = fs::metadata(&beside).expect("it is there").len();
        let mut said = vec![];
        for cut in [false, true] {
            fs::copy(&beside, &part).expect("there is room");
            match cut {
                true => {
                    let file = File::options().write(true).open(&part).expect("it is ours");
                    file.set_len(length * 2 / 3).expect("it can be cut");
                }
                false => flip(&part, length / 2),
            }
            let verified =
                self.stand.cutover_within(&["backup", "verify", TARGET, name], VERB_WAIT);
            let words = ["backup", "restore", TARGET, name, "--yes", "--only", "db"];
            let restored = self.stand.cutover_within(&words, VERB_WAIT);
            said.extend([verified.expect(1).text(), restored.expect(1).text()]);
        }
        fs::rename(&beside, &part).expect("a part can be moved");
        assert_eq!(self.rows(), rows, "something was touched");
        said
    }

    /// What is said where the key is another's.
    ///
    /// # Panics
    /// Where it is opened all the same.
    pub fn refuses_key(&self, name: &str) -> String {
        let key = self.wrong.display().to_string();
        let words = ["backup", "drill", TARGET, name, "--identity", &key];
        let ran = self.stand.cutover_within(&words, VERB_WAIT);
        assert_ne!(ran.code, Some(0), "{}", ran.text());
        ran.text()
    }

    /// Opens the part by programs that are not ours; gives the lines of the dump's own list of
    /// contents.
    ///
    /// # Panics
    /// Where one of them refuses it.
    pub fn opened_by_stock_tools(&self, name: &str) -> Vec<String> {
        let mut age = Command::new("age");
        age.arg("-d").arg("-i").arg(&self.right).arg(self.part(name)).stdout(Stdio::piped());
        let mut age = age.spawn().expect("`age` is installed");
        let mut zstd = Command::new("zstd");
        zstd.args(["-d", "-c"]).stdin(age.stdout.take().expect("it is piped"));
        let plain = self.stand.folder.path().join("plain.dump");
        zstd.stdout(File::create(&plain).expect("the folder is writable"));
        let opened = zstd.status().expect("`zstd` is installed").success();
        assert!(opened && age.wait().expect("it is our child").success(), "it does not open");
        let list = Command::new("pg_restore").arg("--list").arg(&plain).output();
        let list = list.expect("`pg_restore` is installed");
        fs::remove_file(&plain).expect("it is ours");
        assert!(list.status.success(), "{}", String::from_utf8_lossy(&list.stderr));
        String::from_utf8_lossy(&list.stdout).lines().map(str::to_owned).collect()
    }
}

fn flip(path: &Path, at: u64) {
    use std::os::unix::fs::FileExt;
    let file = File::options().read(true).write(true).open(path).expect("it is ours");
    let mut byte = [0];
    file.read_exact_at(&mut byte, at).expect("it is within");
    file.write_all_at(&[byte[0] ^ 1], at).expect("it is within");
}

/// In KiB; 0 where it has ended.
fn peak_of(pid: u32) -> u64 {
    let text = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let line = text.lines().find_map(|it| it.strip_prefix("VmHWM:"));
    line.and_then(|it| it.split_whitespace().next()?.parse().ok()).unwrap_or(0)
}

/// A file of an identity, and its recipient.
fn key(folder: &Path, name: &str) -> (PathBuf, String) {
    let path = folder.join(format!("{name}.key"));
    let made = Command::new("age-keygen").arg("-o").arg(&path).output();
    assert!(made.expect("`age` is installed").status.success());
    fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).expect("it is ours");
    let told = Command::new("age-keygen").arg("-y").arg(&path).output();
    let told = told.expect("`age` is installed").stdout;
    (path, String::from_utf8_lossy(&told).trim().to_owned())
}

fn url(socket: &Path) -> String {
    let coded = |text: &str| text.bytes().map(|it| format!("%{it:02x}")).collect::<String>();
    let socket = coded(&socket.display().to_string());
    format!("postgresql://shop:{}@/postgres?host={socket}", coded(PASSWORD))
}
