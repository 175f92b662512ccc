//! The apps' logs of POST ids against what the clients were told.

use super::summary::Posts;
use std::{
    collections::{HashMap, HashSet},
    fs::File,
    io::{self, BufRead, BufReader},
    path::PathBuf,
};

const NAMED: usize = 20;

/// Completes `posts` from `logs`.  Only ids that start with `prefix` are of this load.
pub(super) fn compare(
    posts: &mut Posts,
    acknowledged: &HashSet<String>,
    logs: &[PathBuf],
    prefix: &str,
) -> io::Result<()> {
    if logs.is_empty() {
        return Ok(());
    }
    let mut noted: HashMap<String, u64> = HashMap::new();
    for log in logs {
        let file = match File::open(log) {
            Ok(file) => file,
            // An app that took no POST has made no log.
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            Err(error) => return Err(error),
        };
        for line in BufReader::new(file).lines() {
            let line = line?;
            if line.starts_with(prefix) {
                *noted.entry(line).or_default() += 1;
            }
        }
    }
    let mut lost: Vec<&String> =
        acknowledged.iter().filter(|id| !noted.contains_key(*id)).collect();
    let mut doubled: Vec<&String> =
        noted.iter().filter(|(_, count)| **count > 1).map(|(id, _)| id).collect();
    lost.sort();
    doubled.sort();
    posts.compared = true;
    posts.logged = noted.values().sum();
    posts.lost = lost.len() as u64;
    posts.doubled = doubled.len() as u64;
    posts.first_lost = lost.into_iter().take(NAMED).cloned().collect();
    posts.first_doubled = doubled.into_iter().take(NAMED).cloned().collect();
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_lost_and_doubled_over_several_logs() {
        let directory = tempfile::tempdir().unwrap();
        let [first, second] = ["first", "second"].map(|name| directory.path().join(name));
        std::fs::write(&first, "run-1\nrun-2\nother-9\nother-9\n").unwrap();
        std::fs::write(&second, "run-2\nrun-4\n").unwrap();
        let acknowledged = ["run-1", "run-2", "run-3"].map(str::to_owned).into();
        let mut posts = Posts::default();
        let logs = [first, second, directory.path().join("missing")];
        compare(&mut posts, &acknowledged, &logs, "run-").unwrap();
        assert!(posts.compared);
        assert_eq!((posts.logged, posts.lost, posts.doubled), (4, 1, 1));
        assert_eq!(
            (&*posts.first_lost, &*posts.first_doubled),
            (&["run-3".to_owned()][..], &["run-2".to_owned()][..])
        );
    }
}
