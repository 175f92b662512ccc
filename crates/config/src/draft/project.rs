//! One project as it was read.

use crate::{
    address,
    draft::{container, environment::EnvironmentDraft, service::ServiceDraft, shared},
    nearest::nearest,
    report::{Field, Placed, Report, Table, quoted_list},
    scalar,
    yaml::Value,
};
use model::{name::Name, shared::Shared};

/// One project.
#[derive(Clone, Debug, Default)]
pub(crate) struct ProjectDraft {
    pub(crate) source: Option<SourceDraft>,
    pub(crate) shared: Option<Placed<Shared>>,
    pub(crate) services: Vec<(Name, ServiceDraft)>,
    pub(crate) environments: Vec<(Name, EnvironmentDraft)>,
}

/// Where the content comes from.
#[derive(Clone, Debug)]
pub(crate) enum SourceDraft {
    Directory(String),
    Git { url: String, reference: String },
}

impl ProjectDraft {
    pub(crate) fn read(field: &Field<'_>, report: &mut Report) -> ProjectDraft {
        let mut draft = ProjectDraft::default();
        let known = ["source", "shared", "services", "environments", "containers", "domains"];
        let elsewhere = [
            ("command", "to a service: `services: { web: { command: … } }`"),
            ("routes", "to a service: `services: { web: { routes: … } }`"),
            ("env", "to an environment or a service"),
            ("env_file", "to an environment or a service"),
            ("version", "to an environment"),
        ];
        let Some(table) = Table::read(field, &known, &elsewhere, report) else { return draft };
        draft.shared = table.get("shared").and_then(|it| shared::read(it, report));
        draft.source = table.get("source").and_then(|it| SourceDraft::read(it, report));
        match table.get("services") {
            Some(services) => draft.services = self::services(services, report),
            None if table.gives("services") || table.gives("containers") => {}
            None => missing(field, "services", "services: { web: { command: [program] } }", report),
        }
        match table.get("environments") {
            Some(environments) => {
                let entries = named(environments, "environments", report);
                for (name, inner) in bounded(environments, entries, report) {
                    draft.environments.push((name, EnvironmentDraft::read(&inner, report)));
                }
            }
            None if table.gives("environments") || table.gives("domains") => {}
            None => {
                let example = "environments: { production: { domains: [shop.example] } }";
                missing(field, "environments", example, report);
            }
        }
        if let Some(containers) = table.get("containers") {
            for (name, service) in container::services(containers, report) {
                if draft.services.iter().any(|(it, _)| *it == name) {
                    let message = format!("there is a service `{name}` already");
                    let reported = report.error(service.place, service.path.clone(), message);
                    reported.hint("keep one of the two");
                } else {
                    draft.services.push((name, service));
                }
            }
        }
        if let Some(domains) = table.get("domains") {
            container::domains(domains, &mut draft.environments, report);
        }
        draft.check_overrides(report);
        draft
    }

    /// What an environment lays over must be there.
    fn check_overrides(&self, report: &mut Report) {
        let names: Vec<&str> = self.services.iter().map(|(name, _)| name.as_str()).collect();
        for (name, over) in self.environments.iter().flat_map(|(_, it)| &it.services) {
            if names.contains(&name.as_str()) {
                continue;
            }
            let message = format!("the project has no service `{name}`");
            let reported = report.error(over.place, over.path.clone(), message);
            match nearest(name.as_str(), &names) {
                Some(near) => reported.hint(format!("did you mean `{near}`?")),
                None => reported.hint(format!(
                    "an environment only changes the project's services: {}",
                    quoted_list(&names, 10)
                )),
            }
        }
    }
}

fn missing(field: &Field<'_>, key: &str, example: &str, report: &mut Report) {
    report
        .error(field.place, field.path.clone(), format!("`{}` has no `{key}`", field.name()))
        .hint(format!("add `{example}`"));
}

/// The services of a project, or those that an environment changes.
pub(crate) fn services(field: &Field<'_>, report: &mut Report) -> Vec<(Name, ServiceDraft)> {
    let entries = named(field, "services", report);
    let entries = bounded(field, entries, report);
    entries.iter().map(|(name, it)| (name.clone(), ServiceDraft::read(it, report))).collect()
}

/// Services of one project, and environments of it: every environment has every service.
const NAMED_MAX: usize = 256;

/// Reports more services or environments than one project can have, and drops them.
fn bounded<T>(field: &Field<'_>, mut all: Vec<T>, report: &mut Report) -> Vec<T> {
    if all.len() > NAMED_MAX {
        let name = field.name();
        let message = format!("`{name}` has {} entries, and {NAMED_MAX} at most", all.len());
        report
            .error(field.place, field.path.clone(), message)
            .hint("divide the project into several");
        all.truncate(NAMED_MAX);
    }
    all
}

/// The entries of a mapping whose keys are names; those that are none are reported and left out.
pub(crate) fn named<'t>(
    field: &Field<'t>,
    what: &str,
    report: &mut Report,
) -> Vec<(Name, Field<'t>)> {
    let entries = field.entries(report, &format!("a mapping of names to {what}"));
    if entries.is_empty() && matches!(field.node.value, Value::Mapping(_)) {
        report.error(field.place, field.path.clone(), format!("`{}` is empty", field.name()));
    }
    let mut found = Vec::new();
    for (key, inner) in entries {
        match key.parse::<Name>() {
            Ok(name) => found.push((name, inner)),
            Err(error) => {
                let reported = report.error(inner.place, inner.path.clone(), error.to_string());
                if let Some(fixed) = as_name(&key) {
                    reported.hint(format!("write `{fixed}`"));
                }
            }
        }
    }
    found
}

/// The name that is nearest to a text.
pub(crate) fn as_name(text: &str) -> Option<Name> {
    let lower: String = text
        .to_ascii_lowercase()
        .chars()
        .map(|it| if it.is_ascii_alphanumeric() { it } else { '-' })
        .collect();
    let led = lower.trim_start_matches(|it: char| !it.is_ascii_lowercase());
    // Keys that begin so are the user's own and no names.
    let led = led.trim_start_matches("x-").trim_start_matches(|it: char| !it.is_ascii_lowercase());
    let cut: String = led.chars().take(model::name::NAME_LENGTH_MAX).collect();
    cut.trim_end_matches('-').parse().ok()
}

impl SourceDraft {
    /// `{ directory: PATH }` or `{ git: { url, ref } }`.
    pub(crate) fn read(field: &Field<'_>, report: &mut Report) -> Option<SourceDraft> {
        if let Value::Scalar { text, .. } = &field.node.value {
            let key = if text.contains("://") || text.contains('@') { "git" } else { "directory" };
            let reported = field.wrong(report, "a mapping with `directory` or `git`");
            reported.hint(format!("write `{{ {key}: {text} }}`"));
            return None;
        }
        let table = Table::read(field, &["directory", "git"], &[], report)?;
        match (table.get("directory"), table.get("git")) {
            (Some(directory), None) => {
                directory_path(directory, report).map(|it| SourceDraft::Directory(it.value))
            }
            (None, Some(git)) => SourceDraft::read_git(git, report),
            (Some(_), Some(git)) => {
                let message = "a source is a `directory` or a `git` repository, not both";
                report.error(git.place, git.path.clone(), message).hint("keep one of the two");
                None
            }
            (None, None) => {
                field.error(report, "`source` is empty").hint("write `{ directory: . }`");
                None
            }
        }
    }

    fn read_git(field: &Field<'_>, report: &mut Report) -> Option<SourceDraft> {
        let head = || "HEAD".to_owned();
        if matches!(field.node.value, Value::Scalar { .. }) {
            let url = address::repository(field, report)?.value;
            return Some(SourceDraft::Git { url, reference: head() });
        }
        let table = Table::read(field, &["url", "ref"], &[], report)?;
        let reference = match table.get("ref") {
            Some(given) => address::reference(given, report).map(|it| it.value),
            None => Some(head()),
        };
        let Some(url) = table.get("url") else {
            field.error(report, "`git` has no `url`").hint("add `url: https://…`");
            return None;
        };
        let url = address::repository(url, report)?.value;
        Some(SourceDraft::Git { url, reference: reference? })
    }
}

fn directory_path(field: &Field<'_>, report: &mut Report) -> Option<Placed<String>> {
    let found = scalar::word(field, report)?;
    if found.value.starts_with('-') {
        let message = format!("`{}` would be taken for an option: it begins with `-`", found.value);
        field.error(report, message).hint(format!("write `./{}`", found.value));
        return None;
    }
    Some(found)
}
