//! Projects as tenants of a platform of containers are written: `domains` by environment, and
//! `containers` with their port and the locations they answer.
//!
//! Each container becomes a service of the runtime `docker`, each host name's environment one of
//! ours.

use crate::{
    address,
    draft::{
        environment::EnvironmentDraft,
        probe::HealthDraft,
        project::named,
        service::{Runtime, ServiceDraft},
        variable::EnvFileDraft,
    },
    report::{Field, Placed, Report, Table},
    scalar,
};
use model::name::Name;

/// `containers: { backend: { name, port, api_locations } }`.
pub(crate) fn services(field: &Field<'_>, report: &mut Report) -> Vec<(Name, ServiceDraft)> {
    let entries = named(field, "containers", report);
    entries.iter().map(|(name, it)| (name.clone(), service(it, report))).collect()
}

fn service(field: &Field<'_>, report: &mut Report) -> ServiceDraft {
    let mut draft = ServiceDraft {
        place: field.place,
        path: field.path.clone(),
        runtime: Some(Placed {
            value: Runtime::Unbuilt("docker"),
            place: field.place,
            path: field.path.clone(),
        }),
        ..ServiceDraft::default()
    };
    let known = ["name", "image", "port", "api_locations", "health"];
    let Some(table) = Table::read(field, &known, &[], report) else { return draft };
    let name = table.get("name").and_then(|it| container_name(it, report));
    // Within the container: it takes none of this machine's.
    let port = table.get("port").and_then(|it| scalar::number::<u16>(it, 1..=65535, report));
    draft.container =
        name.zip(port).map(|(name, port)| name.with((name.value.clone(), port.value)));
    let at = field.placed(EnvFileDraft::OfEnvironment);
    draft.env_file = Some(field.placed(vec![at]));
    draft.image = table.get("image").and_then(|it| scalar::word(it, report)).map(|it| it.with(()));
    let locations =
        table.get("api_locations").and_then(|it| scalar::list(it, report, address::route));
    let health_path = if locations.is_some() { "/health" } else { "/" };
    draft.routes = locations.or_else(|| Some(field.placed(vec![field.placed("/".to_owned())])));
    draft.health = match table.get("health") {
        Some(given) => HealthDraft::read(given, report),
        None => Some(field.placed(HealthDraft::path(health_path))),
    };
    draft
}

fn container_name(field: &Field<'_>, report: &mut Report) -> Option<Placed<String>> {
    let found = scalar::word(field, report)?;
    let inner = |it: char| it.is_ascii_alphanumeric() || "_.-".contains(it);
    let led = found.value.starts_with(|it: char| it.is_ascii_alphanumeric());
    if !led || !found.value.chars().all(inner) {
        let message = format!("`{}` is not the name of a container", found.value.escape_debug());
        field.error(report, message).hint("use letters, digits, `_`, `.` and `-`");
        return None;
    }
    Some(found)
}

/// `domains: { production: shop.example, staging: [a.example, b.example] }`.
pub(crate) fn domains(
    field: &Field<'_>,
    environments: &mut Vec<(Name, EnvironmentDraft)>,
    report: &mut Report,
) {
    for (name, inner) in named(field, "host names", report) {
        let hosts = scalar::list(&inner, report, address::domain);
        let at = environments.iter().position(|(it, _)| *it == name);
        let Some(at) = at else {
            let draft = EnvironmentDraft {
                place: inner.place,
                path: inner.path.clone(),
                domains_broken: hosts.is_none(),
                domains: hosts,
                ..EnvironmentDraft::default()
            };
            environments.push((name, draft));
            continue;
        };
        let environment = &mut environments[at].1;
        if environment.domains.is_some() {
            let message = format!("the environment `{name}` has `domains` of its own");
            report.error(inner.place, inner.path.clone(), message).hint("keep one of the two");
        }
        environment.domains = hosts;
    }
}
