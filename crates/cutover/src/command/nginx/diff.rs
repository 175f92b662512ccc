//! `nginx diff`

use super::{EXIT_ATTENTION, EXIT_REFUSED, shown};
use crate::{halt::Halt, session::Session, ui::figure::counted};
use drivers::nginx::Nginx;
use serde_json::json;

/// Shows what differs between this host and the configuration.
pub fn run(session: &Session, nginx: &Nginx) -> Result<u8, Halt> {
    let host = nginx.host()?;
    let differences = nginx.differences(&host);
    let by_hand = differences.iter().filter(|it| it.by_hand).count();
    if session.ui.is_json() {
        let files: Vec<_> = differences
            .iter()
            .map(|it| json!({ "path": it.path, "by_hand": it.by_hand, "diff": shown(it) }))
            .collect();
        session.ui.object(&json!({ "generation": host.generation, "files": files }));
    } else {
        for it in &differences {
            session.ui.out.print(&shown(it));
        }
        let sum = match differences.len() {
            0 => format!("{}: as the configuration has it", counted(host.files.len(), "file")),
            count => format!("{} would change, {by_hand} changed by hand", counted(count, "file")),
        };
        session.ui.note(&sum);
    }
    Ok(match (by_hand, differences.len()) {
        (1.., _) => EXIT_ATTENTION,
        (0, 1..) => EXIT_REFUSED,
        (0, 0) => 0,
    })
}
