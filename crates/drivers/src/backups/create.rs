//! Making a backup: every part in one pass, then the whole read back, then one rename.

use super::{
    Wanted,
    bounds::Bounds,
    configuration,
    database::{Database, database},
    files, metadata,
    path::{as_file_name, within},
    seal::Sealing,
    tools, verify,
};
use crate::{file, layout::Layout};
use model::{
    backup::metadata::{Content, Item, METADATA_FORMAT, Metadata},
    failure::{Blame, Failure},
};
use std::{
    fs,
    io::{self, Write},
    path::{Path, PathBuf},
    sync::atomic::AtomicBool,
    thread,
};

/// Where programs that help have their files, within what is not a backup yet.
const WORK: &str = ".work";

/// Makes it, or finds that this deployment has made it already.
pub(super) fn create(
    layout: &Layout,
    wanted: &Wanted<'_>,
    cancelled: &AtomicBool,
    note: &dyn Fn(String),
) -> Result<Metadata, Failure> {
    let (environment, name) = (&wanted.by.spec.id, wanted.name);
    let whole = layout.backup(environment, name);
    if whole.is_dir() {
        let found = metadata::read(&whole, environment, name)?;
        if wanted.deployment.is_some() && found.deployment.as_ref() == wanted.deployment {
            return Ok(found);
        }
        let message = format!("make {name} of {environment}: there is one already");
        return Err(Failure::new(Blame::Platform, message).hint("try again in a second"));
    }
    let unfinished = Unfinished::new(layout.unfinished_backup(environment, name))?;
    let spec = wanted.by.spec.backup.as_ref();
    let bounds = Bounds {
        work: &unfinished.path.join(WORK),
        time_limit: spec.map_or(model::backup::TIME_LIMIT, |it| it.time_limit).duration(),
        cancelled,
    };
    let making = Making { layout, wanted, bounds: &bounds, directory: &unfinished.path, note };
    let made = making.make()?;
    let failed = |error: io::Error| file::failure("finish", &unfinished.path, &error);
    file::remove_tree(bounds.work).map_err(failed)?;
    let made = metadata::write(&unfinished.path, &made)?;
    file::sync_directory(&unfinished.path).map_err(failed)?;
    bounds.wanted()?;
    file::rename(&unfinished.path, &whole).map_err(failed)?;
    Ok(made)
}

struct Making<'m> {
    layout: &'m Layout,
    wanted: &'m Wanted<'m>,
    bounds: &'m Bounds<'m>,
    directory: &'m Path,
    note: &'m dyn Fn(String),
}

impl Making<'_> {
    /// All parts, read back; what is told of them is not written yet.
    fn make(&self) -> Result<Metadata, Failure> {
        let Wanted { by, serving, .. } = self.wanted;
        let environment = &by.spec.id;
        let release = configuration::serving(self.layout, environment, serving.as_ref());
        let tools = thread::spawn(tools::versions);
        let (mut items, mut absent) = (vec![], vec![]);
        if let Some(spec) = &by.spec.backup {
            for wanted in &spec.databases {
                let name = format!("database-{}.dump", wanted.name);
                let found = database(self.layout, &by.spec, wanted)?;
                let content =
                    Content::Database { name: wanted.name.clone(), database: wanted.kind };
                if !found.is_there()? {
                    absent.push(self.absent(&content)?);
                    continue;
                }
                items.push(self.database(&name, content, &*found)?);
            }
            for (at, path) in spec.files.iter().enumerate() {
                let content = Content::Files { path: path.clone() };
                let place = within(self.layout, environment, path)?;
                if fs::symlink_metadata(&place)
                    .is_err_and(|it| it.kind() == io::ErrorKind::NotFound)
                {
                    absent.push(self.absent(&content)?);
                    continue;
                }
                let name = format!("{}.tar", as_file_name(path, at));
                let pack = |to: &mut dyn Write| files::pack(self.bounds, &place, to);
                items.push(self.item(&name, content, "tar".into(), pack)?);
            }
        }
        let pack = |to: &mut dyn Write| {
            configuration::pack(self.layout, environment, release.as_ref(), to)
        };
        items.push(self.item("configuration.tar", Content::Config, "tar".into(), pack)?);
        let (node_version, npm_version) = tools.join().unwrap_or_default();
        let mut made = Metadata {
            format: METADATA_FORMAT,
            name: self.wanted.name.clone(),
            timestamp: timestamp(self.wanted.name.time_ms().unwrap_or_default()),
            git_commit: release.and_then(|it| it.artifact.commit),
            version: serving.as_ref().map(|it| it.version.clone()),
            node_version,
            npm_version,
            environment: environment.clone(),
            release: serving.clone(),
            deployment: self.wanted.deployment.cloned(),
            before: self.wanted.before.clone(),
            note: self.wanted.note.clone(),
            pinned: self.wanted.pinned,
            encrypted_to: self.recipients().to_vec(),
            items,
            absent,
            cutover_version: env!("CARGO_PKG_VERSION").to_owned(),
            opened_after_writing: false,
            seal: String::new(),
        };
        made.opened_after_writing = self.read_back(&made)?;
        Ok(made)
    }

    fn recipients(&self) -> &[String] {
        self.wanted.by.spec.backup.as_ref().map_or(&[], |it| &it.encrypt_to)
    }

    /// What serves should have made it: where something serves, its absence is a mistake.
    fn absent(&self, content: &Content) -> Result<String, Failure> {
        let shown = content.shown();
        if self.wanted.serving.is_some() && !self.wanted.as_it_is {
            let message = format!("back up the {shown}: it is not there");
            return Err(Failure::new(Blame::Request, message)
                .hint("look at what `backup:` names, or take it out there"));
        }
        (self.note)(format!("the {shown} is not there yet, and not in the backup"));
        Ok(shown)
    }

    /// A database's dump is checked while it is written: who encrypts cannot read it back.
    fn database(
        &self,
        name: &str,
        content: Content,
        database: &dyn Database,
    ) -> Result<Item, Failure> {
        let tool = database.tool(self.bounds)?;
        let bounds = self.bounds;
        let dump = |to: &mut dyn Write| {
            let (mut reader, writer) = bounds.written(io::pipe())?;
            thread::scope(|scope| {
                let checking = scope.spawn(move || {
                    let checked = database.check(bounds, &mut reader);
                    // Who writes is not to wait for a reader that has seen enough.
                    drop(reader);
                    checked
                });
                let mut tee = Tee { to, also: Some(writer) };
                let dumped = database.dump(bounds, &mut tee);
                drop(tee);
                let checked = checking.join();
                dumped?;
                checked.unwrap_or_else(|_| Err(Failure::new(Blame::Us, "check a dump")))
            })
        };
        self.item(name, content, tool, dump)
    }

    fn item(
        &self,
        name: &str,
        content: Content,
        tool: String,
        write: impl FnOnce(&mut dyn Write) -> Result<(), Failure>,
    ) -> Result<Item, Failure> {
        let recipients = self.recipients();
        let suffix = if recipients.is_empty() { "zst" } else { "zst.age" };
        let file = format!("{name}.{suffix}");
        let mut sealing = Sealing::new(&self.directory.join(&file), recipients)?;
        write(&mut sealing)?;
        let sealed = sealing.finish()?;
        let (bytes, plain_bytes) = (sealed.bytes, sealed.plain_bytes);
        Ok(Item { file, content, bytes, blake3: sealed.blake3, plain_bytes, tool })
    }

    /// Whether it was opened, or only compared with its hashes.
    fn read_back(&self, made: &Metadata) -> Result<bool, Failure> {
        let keys = match super::keys(&self.wanted.by.spec, None) {
            Ok(keys) => keys,
            Err(failure) => {
                (self.note)(format!("warning: failed to {}", failure.message));
                Default::default()
            }
        };
        let opens = !made.is_encrypted() || !keys.is_empty();
        if !opens {
            (self.note)(
                "it is encrypted, and no identity is here: its hashes are compared, and it is not \
                 opened"
                    .into(),
            );
        }
        for item in &made.items {
            verify::item(self.bounds, self.directory, made, item, opens.then_some(&keys))?;
        }
        Ok(opens)
    }
}

/// RFC 3339, in UTC.
fn timestamp(unix_ms: u64) -> String {
    let stamp =
        i64::try_from(unix_ms).ok().and_then(|it| jiff::Timestamp::from_millisecond(it).ok());
    stamp.map(|it| it.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()).unwrap_or_default()
}

/// Writes to a file, and to who checks what is written, as long as that one listens.
struct Tee<'t> {
    to: &'t mut dyn Write,
    also: Option<io::PipeWriter>,
}

impl Write for Tee<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.to.write_all(bytes)?;
        if let Some(also) = &mut self.also
            && also.write_all(bytes).is_err()
        {
            self.also = None;
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.to.flush()
    }
}

/// A directory that is no backup yet, and goes where it does not become one.
struct Unfinished {
    path: PathBuf,
}

impl Unfinished {
    fn new(path: PathBuf) -> Result<Unfinished, Failure> {
        let made = file::remove_tree(&path)
            .and_then(|()| file::make_directory(&path, file::MODE_PRIVATE_DIRECTORY))
            .and_then(|()| file::make_directory(&path.join(WORK), file::MODE_PRIVATE_DIRECTORY));
        let unfinished = Unfinished { path };
        made.map_err(|error| file::failure("make", &unfinished.path, &error))?;
        Ok(unfinished)
    }
}

impl Drop for Unfinished {
    fn drop(&mut self) {
        let _ = file::remove_tree(&self.path);
    }
}
