//! `support-bundle`

mod gathered;

use crate::{
    cli::grammar::looking::SupportBundle, configuration, controller::Controller, halt::Halt,
    session::Session, ui::figure::now_ms,
};
use config::{EnvFiles, env_file};
use daemon::report;
use flate2::{Compression, write::GzEncoder};
use gathered::Gathered;
use model::{
    failure::{Blame, Failure},
    redact::Redactor,
};
use std::{
    collections::BTreeSet,
    fs::{self, File, OpenOptions},
    io::{self, Write},
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
};

/// Nobody else reads it.
const MODE: u32 = 0o600;
/// Values as short as this would take words out of everything, and hide nothing.
const HIDDEN_CHARACTERS_MIN: usize = 4;

/// Writes one file with all that who helps needs to know, and no secret.  Starts nothing.
///
/// # Errors
///
/// Where the file is there already, or cannot be written.
pub async fn run(session: &Session, args: &SupportBundle) -> Result<u8, Halt> {
    let path = args.output.clone().unwrap_or_else(default_name);
    let file = created(&path).map_err(|error| match error.kind() {
        io::ErrorKind::AlreadyExists => {
            Halt::usage(format!("write {}: it is there already", path.display()))
                .hint("`--output FILE` names another")
        }
        _ => Failure::new(Blame::Platform, format!("write {}: {error}", path.display())).into(),
    })?;
    let redactor = redactor(session);
    let mut gathered = Gathered::new(&redactor, now_ms());
    let status = Controller::new(&session.root).status().await;
    let status = match status {
        Ok(status) => Ok(status),
        // A controller that hangs keeps nobody from looking.
        Err(_) => report::offline(&session.root).await.map_err(|it| it.message),
    };
    gathered.facts();
    gathered.status(&status);
    gathered.configuration(configuration::path(session).as_deref());
    gathered.journal(&session.root, &status);
    gathered.state(&session.root);
    let files = gathered.finish();
    let names = files.len();
    let written = packed(file, &files).and_then(|()| fs::metadata(&path));
    let bytes = written.map(|it| it.len()).map_err(|error| {
        // Half of it helps nobody; the first error is what counts.
        let _ = fs::remove_file(&path);
        Failure::new(Blame::Platform, format!("write {}: {error}", path.display()))
    })?;
    session.ui.done(&format!(
        "{}: {names} files, {bytes} bytes; secrets are masked: look it through before you send it",
        path.display()
    ));
    Ok(0)
}

fn default_name() -> PathBuf {
    let now = jiff::Timestamp::now().strftime("%Y%m%d-%H%M%S").to_string();
    format!("cutover-support-{now}.tar.gz").into()
}

fn created(path: &Path) -> io::Result<File> {
    OpenOptions::new().write(true).create_new(true).mode(MODE).open(path)
}

/// What releases were kept with, and what the env files here hold by now.
fn redactor(session: &Session) -> Redactor {
    let mut all: BTreeSet<(String, String)> = drivers::secrets::known(&session.layout());
    if let Ok(Some(configuration)) = configuration::read(session) {
        let files = configuration.env_files();
        let resolved = configuration.document.environments();
        let resolved = resolved.iter().filter_map(|id| configuration.resolve(id).ok());
        let names: BTreeSet<String> = resolved.flat_map(|it| it.env_files).collect();
        for name in names {
            let Ok(found) = files.read(&name) else { continue };
            let entries = env_file::parse(&name, &found.text).0.into_iter();
            all.extend(entries.map(|it| (it.name, it.value)));
        }
    }
    all.retain(|(_, value)| value.chars().count() >= HIDDEN_CHARACTERS_MIN);
    Redactor::new(all.iter().map(|(name, value)| (name.as_str(), value.as_str())))
}

fn packed(file: File, files: &[(String, Vec<u8>)]) -> io::Result<()> {
    let mut builder = tar::Builder::new(GzEncoder::new(file, Compression::default()));
    for (name, bytes) in files {
        let mut header = tar::Header::new_gnu();
        header.set_mode(MODE);
        header.set_size(bytes.len() as u64);
        header.set_mtime(now_ms() / 1000);
        builder.append_data(&mut header, Path::new("cutover-support").join(name), &bytes[..])?;
    }
    let mut file = builder.into_inner()?.finish()?;
    file.flush()?;
    file.sync_all()
}
