//! What all releases share, as it was read.

use crate::{
    report::{Field, Placed, Report, Table},
    scalar,
};
use model::shared::{Shared, problem};

/// Every key of it.
const KEYS: [&str; 2] = ["files", "directories"];

/// Each name is judged where it stands; then all of them together.
pub(crate) fn read(field: &Field<'_>, report: &mut Report) -> Option<Placed<Shared>> {
    let table = Table::read(field, &KEYS, &[], report)?;
    let [files, directories] = KEYS.map(|key| names(&table, key, report));
    let (files, directories) = (files?, directories?);
    let texts = |all: &[Placed<String>]| all.iter().map(|it| it.value.clone()).collect();
    let shared = Shared { files: texts(&files), directories: texts(&directories) };
    let Some((name, why)) = shared.problem() else { return Some(field.placed(shared)) };
    // The later of two that are in each other's way is the one that was added.
    let at = files.iter().chain(&directories).rev().find(|it| it.value == name);
    let (place, path) = at.map_or((field.place, &field.path), |it| (it.place, &it.path));
    let reported = report.error(place, path.clone(), format!("`{}` {why}", name.escape_debug()));
    reported.hint("name each once, and none within another");
    None
}

fn names(table: &Table<'_>, key: &str, report: &mut Report) -> Option<Vec<Placed<String>>> {
    let Some(field) = table.get(key) else {
        return (!table.gives(key)).then(Vec::new);
    };
    let names = scalar::list(field, report, |it, report| {
        let name = scalar::word(it, report)?;
        let Some(why) = problem(&name.value) else { return Some(name) };
        let message = format!("`{}` {why}", name.value.escape_debug());
        let reported = report.error(name.place, name.path.clone(), message);
        reported.hint("write a path in the release: `uploads`, `storage/main.db`");
        None
    })?;
    Some(names.value)
}
