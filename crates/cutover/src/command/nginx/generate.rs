//! `nginx generate`

use super::halted;
use crate::{halt::Halt, session::Session, ui::figure::counted};
use drivers::nginx::Nginx;
use serde_json::json;
use std::path::Path;

/// Writes the files into a directory.
pub fn run(
    session: &Session,
    nginx: &Nginx,
    output: &Path,
    discard_edits: bool,
) -> Result<u8, Halt> {
    let done = nginx
        .generate(output, discard_edits)
        .map_err(|it| halted(session, it, "cutover nginx generate"))?;
    if session.ui.is_json() {
        let (files, written, removed) = (done.files, done.written, done.removed);
        session.ui.object(&json!({ "files": files, "written": written, "removed": removed }));
        return Ok(0);
    }
    session.ui.done(&format!(
        "{} in {}: {} written, {} removed",
        counted(done.files, "file"),
        output.display(),
        done.written,
        done.removed
    ));
    Ok(0)
}
