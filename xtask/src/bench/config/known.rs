//! A state directory that knows many environments: one is deployed and stopped, then its journal
//! and its directory are copied under other names.

use anyhow::{Context, Result, ensure};
use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Output},
    time::Instant,
};

const CONFIGURATION: &str = "\
projects:
  first:
    source: { directory: content }
    services: { worker: { command: [sleep, \"3600\"], grace: 1s, bake: 0 } }
    environments: { production: { version: semver, disk_free: 64M } }
";

/// Copies the rows of `first/production` under other names.  Python brings SQLite along.
const MULTIPLY: &str = r#"
import sqlite3, sys
path, count = sys.argv[1], int(sys.argv[2])
db = sqlite3.connect(path)
first = "first/production"
def rows(table):
    return [list(it) for it in db.execute(f"SELECT * FROM {table}")]
def put(table, row):
    db.execute(f"INSERT INTO {table} VALUES ({','.join('?' * len(row))})", row)
deployments, lines = rows("deployment"), rows("line")
standings, generations = rows("standing"), rows("generation")
change = max([it[5] for it in standings], default=0)
for number in range(1, count):
    name = f"shop-{number}"
    def renamed(value):
        if not isinstance(value, str):
            return value
        value = value.replace(first, f"{name}/production")
        value = value.replace('"project":"first"', f'"project":"{name}"')
        return value.replace("first.production", f"{name}.production")
    for place in deployments:
        row = [renamed(it) for it in place]
        row[0] = None
        row[1] = f"{place[1][:-4]}{number:04}"
        cursor = db.execute(
            f"INSERT INTO deployment VALUES ({','.join('?' * len(row))})", row)
        for line in lines:
            if line[1] == place[0]:
                put("line", [None, cursor.lastrowid] + [renamed(it) for it in line[2:]])
    for row in standings:
        change += 1
        row = [renamed(it) for it in row]
        put("standing", row[:5] + [change])
    for row in generations:
        put("generation", [renamed(it) for it in row])
db.commit()
print(db.execute("SELECT COUNT(DISTINCT environment) FROM deployment").fetchone()[0])
"#;

/// It, and the program that is asked.
pub struct Known {
    cutover: PathBuf,
    folder: PathBuf,
}

impl Known {
    /// Makes it below `folder`.
    pub fn install(cutover: &Path, folder: &Path, count: usize) -> Result<Known> {
        let folder = folder.join("known");
        fs::create_dir_all(folder.join("content"))?;
        fs::write(folder.join("content/README"), "Nothing.\n")?;
        fs::write(folder.join("cutover.yml"), CONFIGURATION)?;
        let known = Known { cutover: cutover.to_owned(), folder };
        known.cutover(&["deploy", "production", "1.0.0", "--yes"])?;
        known.cutover(&["stop", "production"])?;
        known.cutover(&["daemon", "stop"])?;
        let database = known.root().join("state.db");
        let output = Command::new("python3")
            .args(["-c", MULTIPLY])
            .arg(&database)
            .arg(count.to_string())
            .output()
            .context("`python3` could not be started")?;
        let said = String::from_utf8_lossy(&output.stderr);
        ensure!(output.status.success(), "the journal could not be copied: {said}");
        let known_now = String::from_utf8_lossy(&output.stdout).trim().to_owned();
        ensure!(known_now == count.to_string(), "it knows {known_now} environments");
        let first = known.root().join("projects/first");
        for number in 1..count {
            let other = known.root().join(format!("projects/shop-{number}"));
            let copied = Command::new("cp").arg("-a").arg(&first).arg(&other).status()?;
            ensure!(copied.success(), "{} could not be copied", first.display());
        }
        Ok(known)
    }

    /// From the command to a controller that answers; it is ended again.
    pub fn start_ms(&self) -> Result<f64> {
        let began = Instant::now();
        self.cutover(&["daemon", "start"])?;
        let took = began.elapsed().as_secs_f64() * 1000.0;
        self.cutover(&["daemon", "stop"])?;
        Ok(took)
    }

    fn root(&self) -> PathBuf {
        self.folder.join("state")
    }

    fn cutover(&self, words: &[&str]) -> Result<Output> {
        let output = Command::new(&self.cutover)
            .arg("--root")
            .arg(self.root())
            .args(words)
            .current_dir(&self.folder)
            .output()?;
        let said = String::from_utf8_lossy(&output.stderr);
        ensure!(output.status.success(), "{words:?} ended with {}: {said}", output.status);
        Ok(output)
    }
}

impl Drop for Known {
    fn drop(&mut self) {
        // What cannot be ended was not started.
        let _ = self.cutover(&["down", "--yes"]);
    }
}
