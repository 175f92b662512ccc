//! What differs between two releases.

use crate::ui::paint::Paint;
use drivers::releases::compare::FileDifference;
use model::{
    name::EnvironmentId,
    plan::ReleaseLabel,
    release::difference::{Difference, Names, Setting},
};
use serde::Serialize;

/// Paths of each kind that are listed; `--json` lists all.
const PATHS_SHOWN: usize = 50;

/// What differs.
#[derive(Debug, Serialize)]
pub struct Diff {
    /// Of which.
    pub environment: EnvironmentId,
    /// The first.
    pub from: ReleaseLabel,
    /// The second.
    pub to: ReleaseLabel,
    /// Every file is the same.
    pub same_content: bool,
    /// Those that are not.
    pub files: FileDifference,
    /// All but the content.
    pub configuration: Difference,
}

/// A line a difference, led by `+`, `-` or `~`.
pub fn text(diff: &Diff, paint: &Paint) -> String {
    let (from, to) = (&diff.from, &diff.to);
    let head = if from.version == to.version {
        format!("{}: {} ({}) → {}", diff.environment, from.version, from.id, to.id)
    } else {
        format!("{}: {} → {}", diff.environment, from.version, to.version)
    };
    let mut lines = vec![paint.bold(&head)];
    let files = &diff.files;
    lines.push(match (diff.same_content, files) {
        (true, _) => "  files          the same".to_owned(),
        (false, files) => format!(
            "  files          {} added, {} removed, {} changed",
            files.added.len(),
            files.removed.len(),
            files.changed.len()
        ),
    });
    for (sign, paths) in [('+', &files.added), ('-', &files.removed), ('~', &files.changed)] {
        lines.extend(paths.iter().take(PATHS_SHOWN).map(|it| marked(sign, it, paint)));
        if paths.len() > PATHS_SHOWN {
            lines.push(format!("    … and {} more", paths.len() - PATHS_SHOWN));
        }
    }
    lines.extend(configuration(&diff.configuration, paint));
    lines.join("\n")
}

/// Variables by name, then all other configuration.
pub fn configuration(difference: &Difference, paint: &Paint) -> Vec<String> {
    let mut lines = vec![];
    for (sign, services) in [('+', &difference.services_added), ('-', &difference.services_removed)]
    {
        lines.extend(services.iter().map(|it| marked(sign, &format!("service {it}"), paint)));
    }
    let same = |it: bool| if it { "the same" } else { "" };
    let said = same(difference.variables.is_empty());
    lines.push(format!("  variables      {said}").trim_end().to_owned());
    for (service, names) in &difference.variables {
        lines.extend(variables(service, names, paint));
    }
    let said = same(difference.settings.is_empty());
    lines.push(format!("  configuration  {said}").trim_end().to_owned());
    lines.extend(difference.settings.iter().map(|it| marked('~', &setting(it), paint)));
    lines
}

fn variables(service: &str, names: &Names, paint: &Paint) -> Vec<String> {
    let all = [('+', &names.added), ('-', &names.removed), ('~', &names.changed)];
    let of_sign = |(sign, names): (char, &Vec<String>)| {
        names.iter().map(|it| marked(sign, &format!("{it} ({service})"), paint)).collect()
    };
    all.into_iter().flat_map::<Vec<String>, _>(of_sign).collect()
}

/// `web.routes: ["/"] → ["/","/api"]`.
pub fn setting(setting: &Setting) -> String {
    match (&setting.from, &setting.to) {
        (Some(from), Some(to)) => format!("{}: {from} → {to}", setting.key),
        _ => setting.key.clone(),
    }
}

fn marked(sign: char, text: &str, paint: &Paint) -> String {
    let line = format!("    {sign} {text}");
    match sign {
        '+' => paint.good(&line),
        '-' => paint.bad(&line),
        _ => paint.warning(&line),
    }
}
