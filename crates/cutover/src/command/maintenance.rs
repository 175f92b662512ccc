//! `maintenance on|off`

use crate::{cli::grammar::maintenance::MaintenanceAct, halt::Halt, session::Session, target};
use drivers::file;
use model::failure::{Blame, Failure};
use proxy::{
    client::ask_async,
    control::{Answer, Ask},
    maintenance::{PAGE_BYTES_MAX, maintenance_directory, maintenance_path, maintenance_text},
};
use std::{
    fs::File,
    io::Read,
    path::{Path, PathBuf},
    time::Duration,
};

/// For the proxy to take it.
const ANSWER_WAIT: Duration = Duration::from_secs(5);

/// Does it.
///
/// # Errors
///
/// Where it was not done.
pub async fn run(session: &Session, act: MaintenanceAct) -> Result<u8, Halt> {
    let words = match &act {
        MaintenanceAct::On { words, .. } | MaintenanceAct::Off { words } => words,
    };
    let target = target::known(session).await?.find(words)?;
    let (id, typed) = (&target.id, &target.typed);
    let path = maintenance_path(&session.root, &id.stem());
    let said = match act {
        MaintenanceAct::On { allow, page, .. } => {
            on(session, &path, &allow, page.as_deref())?;
            format!("{id} is in maintenance · cutover maintenance off {typed}")
        }
        MaintenanceAct::Off { .. } => {
            if !path.exists() {
                session.ui.done(&format!("{id} is not in maintenance"));
                return Ok(0);
            }
            file::remove(&path).map_err(|it| Halt::of(1, file::failure("remove", &path, &it)))?;
            format!("{id} serves its clients again")
        }
    };
    match ask_async(&session.root, &Ask::Edges, ANSWER_WAIT).await {
        Ok(Answer::Edges { .. }) => session.ui.done(&said),
        Ok(Answer::Refused { message, .. }) => {
            let failure = Failure::new(Blame::Platform, format!("tell the proxy: {message}"));
            return Err(Halt::of(5, failure));
        }
        Ok(_) | Err(_) => {
            session.ui.done(&said);
            session.ui.note("the proxy does not run; it will do so when it starts");
        }
    }
    Ok(0)
}

/// The file is what counts: a proxy that starts later reads it.
fn on(session: &Session, path: &Path, allow: &[String], page: Option<&Path>) -> Result<(), Halt> {
    let wrong = |why: String| Halt::of(1, Failure::new(Blame::Request, why));
    let page = page.map(read).transpose().map_err(wrong)?;
    let text = maintenance_text(allow, page)
        .map_err(|why| wrong(format!("begin the maintenance: {why}")))?;
    let directory: PathBuf = maintenance_directory(&session.root);
    file::make_directory(&session.layout().proxy(), file::MODE_PRIVATE_DIRECTORY)
        .and_then(|()| file::make_directory(&directory, file::MODE_PRIVATE_DIRECTORY))
        .and_then(|()| file::write(path, &text, file::MODE_PRIVATE))
        .map_err(|it| Halt::of(1, file::failure("write", path, &it)))
}

/// No more than a page may have.
fn read(path: &Path) -> Result<String, String> {
    let failed = |error| format!("read {}: {error}", path.display());
    let mut text = String::new();
    let bytes_max = PAGE_BYTES_MAX as u64 + 1;
    File::open(path).and_then(|it| it.take(bytes_max).read_to_string(&mut text)).map_err(failed)?;
    Ok(text)
}
