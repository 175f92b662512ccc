//! Whether systemd runs us as `cutover setup` arranged it.

use crate::session::Session;
use drivers::units::{self, Condition, Part, Shown, Units};
use model::failure::{Blame, Failure};
use serde::Serialize;
use std::{env, fmt};

/// One unit as it is.
#[derive(Debug, Serialize)]
pub struct Found {
    unit: String,
    file: Condition,
    enabled: bool,
    active: bool,
}

impl fmt::Display for Found {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let file = match self.file {
            Condition::Absent => "there is no file of it",
            Condition::Same => "as it was written",
            Condition::Outdated => "of another version of this program: `cutover setup` renews it",
            Condition::Edited => "changed by hand",
            Condition::Foreign => "not ours",
        };
        let enabled = if self.enabled { "started at boot" } else { "not started at boot" };
        let active = if self.active { "active" } else { "not active" };
        write!(formatter, "{}: {file}; {enabled}; {active}", self.unit)
    }
}

/// All units; none where nobody ran `cutover setup`.
///
/// # Errors
///
/// They, or systemd, cannot be asked.
pub fn look(session: &Session) -> Result<Option<Vec<Found>>, Failure> {
    let Some(name) = units::name_of(&session.layout()) else { return Ok(None) };
    let program = env::current_exe()
        .map_err(|it| Failure::new(Blame::Platform, format!("find this program: {it}")))?;
    let units = Units { root: session.root.clone(), program, name };
    let asked = |unit: &str| match units::is_running() {
        true => Shown::of(unit, &["ActiveState", "UnitFileState"]),
        false => Ok(Shown::default()),
    };
    let found = units.look()?.into_iter().map(|(file, condition)| {
        let shown = asked(&file.name)?;
        Ok(Found {
            enabled: shown.get("UnitFileState") == "enabled",
            active: shown.get("ActiveState") == "active",
            unit: file.name,
            file: condition,
        })
    });
    found.collect::<Result<_, Failure>>().map(Some)
}

/// What of it somebody has to look at.
pub fn trouble(found: &Option<Vec<Found>>) -> Option<Failure> {
    let proxy = Part::Proxy.unit("");
    let wrong = |it: &&Found| {
        let file = matches!(it.file, Condition::Absent | Condition::Edited | Condition::Foreign);
        // The proxy has nothing to serve before the first deployment.
        file || !it.enabled || !(it.active || it.unit.ends_with(&proxy))
    };
    let wrong: Vec<&str> =
        found.iter().flatten().filter(wrong).map(|it| it.unit.as_str()).collect();
    if wrong.is_empty() {
        return None;
    }
    let message = format!("rely on the units after a boot: look at {}", wrong.join(", "));
    Some(
        Failure::new(Blame::Platform, message)
            .hint("`cutover setup` writes, enables and starts them; `--force` overwrites a change"),
    )
}
