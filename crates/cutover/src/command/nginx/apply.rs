//! `nginx apply`

use super::halted;
use crate::{halt::Halt, session::Session, ui::figure::counted};
use drivers::nginx::{Nginx, unified};
use serde_json::json;

/// Puts the files in force.
pub fn run(session: &Session, nginx: &Nginx, discard_edits: bool) -> Result<u8, Halt> {
    let applied =
        nginx.apply(discard_edits).map_err(|it| halted(session, it, "cutover nginx apply"))?;
    if session.ui.is_json() {
        session.ui.object(&json!({
            "generation": applied.generation,
            "unchanged": applied.unchanged,
            "old_workers_ending": applied.ending,
        }));
        return Ok(0);
    }
    let what = match applied.unchanged {
        true => "nothing to change: nginx serves by",
        false => "nginx serves by",
    };
    session.ui.done(&format!("{what} generation {}", applied.generation));
    if applied.ending > 0 {
        let workers = counted(applied.ending, "old worker");
        session.ui.note(&format!("{workers} end what they have, and take nothing new"));
    }
    Ok(0)
}

/// Shows the line that nginx's main file needs.
pub fn show_include(session: &Session, nginx: &Nginx) -> Result<u8, Halt> {
    let (path, text) = nginx.main_file()?;
    let line = nginx.include_line();
    if text.lines().any(|it| it.trim() == line) {
        session.ui.note(&format!("{path} has it"));
        return Ok(0);
    }
    let opens = |it: &str| {
        let words: String = it.split('#').next().unwrap_or_default().split_whitespace().collect();
        words == "http{"
    };
    let Some(at) = text.lines().position(opens) else {
        return Err(Halt::usage(format!("show the change to {path}: no line of it is `http {{`"))
            .hint(format!("add this line to the block `http`: {line}")));
    };
    let mut changed: Vec<String> = text.lines().map(str::to_owned).collect();
    changed.insert(at + 1, format!("    {line}"));
    let changed = changed.join("\n") + "\n";
    let shown = path.trim_start_matches('/');
    session.ui.out.print(&unified(shown, Some(&text), Some(&changed)));
    session.ui.note(&format!("nothing was changed: {path} is yours"));
    Ok(0)
}
