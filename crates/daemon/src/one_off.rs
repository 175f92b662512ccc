//! One-off processes: who waits for which, what they write, and that none stays behind.

use crate::controller::Controller;
use drivers::layout::Layout;
use engine::port::one_off::Seen;
use model::{
    failure::Failure,
    id::InstanceId,
    one_off::{Ended, Life},
};
use serde::{Deserialize, Serialize};
use std::{
    collections::{BTreeMap, BTreeSet},
    fs::File,
    io::{self, Read, Seek, SeekFrom},
    os::unix::fs::MetadataExt,
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

/// How often what nobody waits for is looked at.
const TEND_EVERY: Duration = Duration::from_millis(500);
/// For so long a watcher may take to come, or to come again where a controller went away.
const PATIENCE: Duration = Duration::from_secs(10);
/// Between two looks for output, and for the end.
const LOOK_EVERY: Duration = Duration::from_millis(20);
/// While nothing is written, so often a watcher is told that it goes on.
const ALIVE_EVERY: Duration = Duration::from_secs(1);
/// Output in one piece, at most.
const PIECE_BYTES_MAX: u64 = 256 * 1024;

/// Stops and forgets what nobody needs, for as long as the controller lives.
pub async fn tend(controller: Controller) {
    let patience_ms = u64::try_from(PATIENCE.as_millis()).unwrap_or(u64::MAX);
    let mut last = String::new();
    loop {
        let known = Mutex::new(BTreeSet::new());
        let unwatched_ms = |id: &InstanceId| {
            known.lock().unwrap_or_else(PoisonError::into_inner).insert(id.clone());
            controller.watchers.unwatched_ms(id)
        };
        // What a migration did is kept before nothing of it is.
        let tended = match controller.settle_migrations().await {
            Ok(()) => controller.one_offs.tend(unwatched_ms, patience_ms).await,
            Err(failure) => Err(failure),
        };
        controller
            .watchers
            .drop_others(&known.into_inner().unwrap_or_else(PoisonError::into_inner));
        let now = tended.err().map(|it| it.message).unwrap_or_default();
        if now != last && !now.is_empty() {
            tracing::warn!("one-off processes: failed to {now}");
        }
        last = now;
        tokio::time::sleep(TEND_EVERY).await;
    }
}

/// Who waits for which one-off process.
#[derive(Debug, Default)]
pub struct Watchers {
    all: Mutex<BTreeMap<InstanceId, Watch>>,
}

#[derive(Debug)]
enum Watch {
    /// By so many.
    Watched(u32),
    /// Nobody has come yet.
    Awaited(Instant),
    /// The last one went.
    Left,
}

impl Watchers {
    /// Somebody waits, until what is returned is dropped.
    pub fn watch(self: &Arc<Self>, id: &InstanceId) -> Watching {
        let mut all = self.all.lock().unwrap_or_else(PoisonError::into_inner);
        match all.entry(id.clone()).or_insert(Watch::Left) {
            Watch::Watched(count) => *count += 1,
            other => *other = Watch::Watched(1),
        }
        Watching { watchers: self.clone(), id: id.clone() }
    }

    /// Nothing is known of those that are not there any more and that nobody watches.
    fn drop_others(&self, known: &BTreeSet<InstanceId>) {
        let mut all = self.all.lock().unwrap_or_else(PoisonError::into_inner);
        all.retain(|id, watch| known.contains(id) || matches!(watch, Watch::Watched(_)));
    }

    /// For so long nobody has; none: somebody does.
    pub fn unwatched_ms(&self, id: &InstanceId) -> Option<u64> {
        let mut all = self.all.lock().unwrap_or_else(PoisonError::into_inner);
        match all.entry(id.clone()).or_insert_with(|| Watch::Awaited(Instant::now())) {
            Watch::Watched(_) => None,
            Watch::Awaited(since) => {
                Some(u64::try_from(since.elapsed().as_millis()).unwrap_or(u64::MAX))
            }
            // A connection on this machine breaks only where its other end is gone.
            Watch::Left => Some(u64::MAX),
        }
    }
}

/// Somebody waits for one.
#[derive(Debug)]
pub struct Watching {
    watchers: Arc<Watchers>,
    id: InstanceId,
}

impl Drop for Watching {
    fn drop(&mut self) {
        let mut all = self.watchers.all.lock().unwrap_or_else(PoisonError::into_inner);
        match all.get_mut(&self.id) {
            Some(Watch::Watched(count)) if *count > 1 => *count -= 1,
            Some(watch) => *watch = Watch::Left,
            None => (),
        }
    }
}

/// What is told of one, a line each.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "news", rename_all = "snake_case")]
pub enum News {
    /// It wrote whole lines to stdout.
    Out {
        /// They.
        text: String,
        /// From where on to ask again.
        cursor: Cursor,
    },
    /// It wrote whole lines to stderr.
    Error {
        /// They.
        text: String,
        /// From where on to ask again.
        cursor: Cursor,
    },
    /// It goes on.
    Alive,
    /// It ended; the last line.
    Ended(Ended),
    /// It was forgotten meanwhile, or cannot be looked at; the last line.
    Lost {
        /// Why.
        failure: Failure,
    },
}

/// How far a file of output was read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cursor {
    /// Which file it is, over its rotations; 0: none yet.
    pub inode: u64,
    /// Bytes.
    pub position: u64,
}

/// Tells what one writes and how it ends.
pub struct Teller {
    controller: Controller,
    id: InstanceId,
    out: Tail,
    error: Tail,
    said_at: Instant,
    over: bool,
    _watching: Option<Watching>,
}

impl Teller {
    /// From these places on.  Nobody who only looks at a detached one keeps it.
    pub fn new(controller: Controller, seen: &Seen, out: Cursor, error: Cursor) -> Teller {
        let one_off = &seen.one_off;
        let layout = Layout::new(&controller.root);
        let [out_log, error_log, _] = layout.one_off_logs(&one_off.environment, &one_off.id);
        let watching = (!one_off.detached).then(|| controller.watchers.watch(&one_off.id));
        Teller {
            id: one_off.id.clone(),
            out: Tail::new(out_log, out),
            error: Tail::new(error_log, error),
            said_at: Instant::now(),
            over: false,
            _watching: watching,
            controller,
        }
    }

    /// The next news; none after the last.
    pub async fn next(&mut self) -> Option<News> {
        if self.over {
            return None;
        }
        loop {
            // How it is comes first: what it wrote before its end is then there to be read.
            let seen = self.controller.local.one_offs.look(&self.id).await;
            match self.written() {
                Ok(Some(news)) => {
                    self.said_at = Instant::now();
                    return Some(news);
                }
                Ok(None) => (),
                Err(error) => tracing::warn!(one_off = %self.id, %error, "output is not read"),
            }
            let last = match seen {
                Ok(Some(seen @ Seen { life: Life::Ended(_), .. })) => {
                    // Whoever hears of its end finds it kept; where that fails, whatever takes the
                    // environment's lock next tries again.
                    if let Err(failure) = self.controller.settle_migration(&seen).await {
                        tracing::warn!(one_off = %self.id, "failed to {}", failure.message);
                    }
                    let Life::Ended(ended) = seen.life else { continue };
                    let redactor = self.controller.secrets.redactor();
                    let hide = |it: String| redactor.text(&it).into_owned();
                    News::Ended(Ended { not_executed: ended.not_executed.map(hide), ..ended })
                }
                Ok(Some(_)) if self.said_at.elapsed() >= ALIVE_EVERY => {
                    self.said_at = Instant::now();
                    return Some(News::Alive);
                }
                Ok(Some(_)) => {
                    tokio::time::sleep(LOOK_EVERY).await;
                    continue;
                }
                Ok(None) => News::Lost { failure: forgotten(&self.id) },
                Err(failure) => News::Lost { failure },
            };
            self.over = true;
            return Some(last);
        }
    }

    fn written(&mut self) -> io::Result<Option<News>> {
        let redactor = self.controller.secrets.redactor();
        if let Some((text, cursor)) = self.out.read()? {
            return Ok(Some(News::Out { text: redactor.text(&text).into_owned(), cursor }));
        }
        let written = self.error.read()?;
        Ok(written.map(|(text, cursor)| {
            let text = redactor.text(&text).into_owned();
            News::Error { text, cursor }
        }))
    }
}

fn forgotten(id: &InstanceId) -> Failure {
    let message = format!("tell how {id} ended: it was stopped and forgotten");
    Failure::new(model::failure::Blame::Platform, message)
        .hint("nobody seemed to wait for it; `--detach` lets one go on alone")
}

/// One file of output, over its rotations.
#[derive(Debug)]
struct Tail {
    path: PathBuf,
    cursor: Cursor,
    open: Option<File>,
}

impl Tail {
    fn new(path: PathBuf, cursor: Cursor) -> Tail {
        Tail { path, cursor, open: None }
    }

    /// The next whole lines, and how far they reach.
    fn read(&mut self) -> io::Result<Option<(String, Cursor)>> {
        let Some(file) = &mut self.open else {
            self.reopen()?;
            return if self.open.is_some() { self.read() } else { Ok(None) };
        };
        let mut bytes = vec![];
        file.take(PIECE_BYTES_MAX).read_to_end(&mut bytes)?;
        let whole = bytes.iter().rposition(|it| *it == b'\n').map_or(0, |it| it + 1);
        file.seek(SeekFrom::Current(whole as i64 - bytes.len() as i64))?;
        if whole == 0 {
            // One that was rotated is read to its end first.
            let named = std::fs::metadata(&self.path).map(|it| it.ino());
            if named.is_ok_and(|it| it != self.cursor.inode) {
                self.open = None;
                return self.read();
            }
            return Ok(None);
        }
        bytes.truncate(whole);
        self.cursor.position += whole as u64;
        Ok(Some((String::from_utf8_lossy(&bytes).into_owned(), self.cursor)))
    }

    fn reopen(&mut self) -> io::Result<()> {
        let mut file = match File::open(&self.path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            file => file?,
        };
        let inode = file.metadata()?.ino();
        if inode != self.cursor.inode {
            self.cursor = Cursor { inode, position: 0 };
        }
        file.seek(SeekFrom::Start(self.cursor.position))?;
        self.open = Some(file);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    #[test]
    fn output_is_read_in_whole_lines_over_rotations() {
        let directory = std::env::temp_dir().join(format!("cutover-tail-{}", std::process::id()));
        std::fs::create_dir_all(&directory).unwrap();
        let path = directory.join("out.log");
        let mut tail = Tail::new(path.clone(), Cursor::default());
        assert_eq!(tail.read().unwrap(), None, "nothing is there yet");
        let mut file = File::create(&path).unwrap();
        file.write_all(b"one\ntwo\nthr").unwrap();
        let (text, cursor) = tail.read().unwrap().unwrap();
        assert_eq!((text.as_str(), cursor.position), ("one\ntwo\n", 8));
        assert_eq!(tail.read().unwrap(), None, "half a line waits for its end");
        file.write_all(b"ee\n").unwrap();
        std::fs::rename(&path, directory.join("out.log.1")).unwrap();
        std::fs::write(&path, "four\n").unwrap();
        assert_eq!(tail.read().unwrap().unwrap().0, "three\n");
        assert_eq!(tail.read().unwrap().unwrap().0, "four\n");
        // Another reader goes on where the first one was.
        std::fs::OpenOptions::new().append(true).open(&path).unwrap().write_all(b"five\n").unwrap();
        let mut again = Tail::new(path, tail.cursor);
        assert_eq!(again.read().unwrap().unwrap().0, "five\n");
        std::fs::remove_dir_all(directory).unwrap();
    }

    #[test]
    fn whoever_went_is_not_waited_for_and_whoever_has_not_come_is() {
        let watchers = Arc::new(Watchers::default());
        let id = InstanceId("shop.production.web.run.X".to_owned());
        assert!(watchers.unwatched_ms(&id).is_some_and(|it| it < 60_000));
        let (one, other) = (watchers.watch(&id), watchers.watch(&id));
        drop(one);
        assert_eq!(watchers.unwatched_ms(&id), None);
        drop(other);
        assert_eq!(watchers.unwatched_ms(&id), Some(u64::MAX));
    }
}
