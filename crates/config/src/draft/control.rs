//! Who may deploy when, as it was read.

use super::hook;
use crate::{
    report::{Field, Report, Table},
    scalar,
};
use model::{
    name::Name,
    service::ControlSpec,
    window::{Window, zone},
};

/// What `require_staging: true` names.
const STAGING: &str = "staging";

/// The keys of an environment that say who may deploy when.
pub(crate) fn read(table: &Table<'_>, report: &mut Report) -> ControlSpec {
    let mut control = ControlSpec {
        confirm: table.get("confirm").and_then(|it| confirm(it, report)),
        require: table.get("require_staging").and_then(|it| required(it, report)),
        ..ControlSpec::default()
    };
    control.windows.open = windows(table.get("windows"), report);
    control.windows.peak = windows(table.get("not_at_peak"), report);
    if let Some(found) = table.get("timezone").and_then(|it| scalar::word(it, report)) {
        if zone(&found.value).is_none() {
            let message = format!("there is no time zone `{}`", found.value);
            report
                .error(found.place, found.path.clone(), message)
                .hint("write one such as `Europe/Berlin`, or leave it out for UTC");
        }
        control.windows.zone = found.value;
    }
    if let Some(given) = table.get("hooks") {
        control.hooks = hook::hooks(given, report);
    }
    control
}

fn confirm(field: &Field<'_>, report: &mut Report) -> Option<bool> {
    scalar::switch(field, report).map(|it| it.value)
}

fn windows(field: Option<&Field<'_>>, report: &mut Report) -> Vec<Window> {
    let read = |it: &Field<'_>, report: &mut Report| {
        let text = scalar::word(it, report)?;
        match Window::parse(&text.value) {
            Ok(window) => Some(text.with(window)),
            Err(why) => {
                it.error(report, why).hint("write `mon-fri 09:00-17:00` or `daily 22:00-06:00`");
                None
            }
        }
    };
    let list = field.and_then(|it| scalar::list(it, report, read));
    list.into_iter().flat_map(|it| it.value).map(|it| it.value).collect()
}

/// `true`, or the name of an environment of the same project.
fn required(field: &Field<'_>, report: &mut Report) -> Option<Name> {
    let text = scalar::word(field, report)?.value;
    match text.to_ascii_lowercase().as_str() {
        "false" | "off" | "no" => None,
        "true" | "on" | "yes" => STAGING.parse().ok(),
        _ => {
            let name = text.parse().ok();
            if name.is_none() {
                field.error(report, format!("`{text}` is no environment's name"));
            }
            name
        }
    }
}
