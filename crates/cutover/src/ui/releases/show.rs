//! One release.

use super::{kept, standing};
use crate::ui::figure::{Clock, bytes, counted};
use daemon::{logs::plain, report::releases::ReleaseReport};
use model::{release::Release, service::ServiceSpec};
use serde_json::{Value, json};

/// What it is, how it stands, and what it runs; names of variables, never values.
pub fn text(release: &Release, report: &ReleaseReport, clock: &Clock) -> String {
    let mut lines = vec![format!("{} {}", report.environment, report.version)];
    let mut part = |title: &str, text: String| lines.push(format!("  {title:<10}{text}"));
    part("id", report.id.to_string());
    part("standing", standing(report).to_owned());
    part("kept", kept(report, clock));
    part("staged", clock.date(report.created_at_ms));
    part("by", plain(report.by.as_deref().unwrap_or("not known")));
    part("commit", report.commit.clone().unwrap_or_else(|| "not known".to_owned()));
    part("from", plain(&report.described));
    let (sum, disk) = (bytes(report.bytes), bytes(report.disk_bytes));
    let files = usize::try_from(report.files).unwrap_or(usize::MAX);
    part("content", format!("{}, {sum}, {disk} on the disk", counted(files, "file")));
    part("digest", report.digest.clone());
    part("domains", release.spec.domains.join(" "));
    for service in &release.spec.services {
        lines.extend(service_lines(service, release));
    }
    lines.join("\n")
}

fn service_lines(service: &ServiceSpec, release: &Release) -> Vec<String> {
    let names: Vec<&str> = service.env.keys().map(String::as_str).collect();
    let or_none = |text: String| if text.is_empty() { "none".to_owned() } else { text };
    let strategy = serde_json::to_value(service.strategy).unwrap_or_default();
    let left = release.left.get(&service.name);
    let left = left.map(|it| format!(", left as release {it} runs it")).unwrap_or_default();
    vec![
        format!("  service {}{left}", service.name),
        format!("    routes     {}", or_none(service.routes.join(" "))),
        format!("    instances  {}, {}", service.instances, strategy.as_str().unwrap_or_default()),
        format!("    variables  {}", or_none(names.join(" "))),
    ]
}

/// The same for programs.
pub fn object(release: &Release, report: &ReleaseReport) -> Value {
    let service = |it: &ServiceSpec| {
        json!({
            "name": it.name,
            "routes": it.routes,
            "instances": it.instances,
            "strategy": it.strategy,
            "release": release.owner_of(&it.name),
            "variables": it.env.keys().collect::<Vec<_>>(),
        })
    };
    let services: Vec<Value> = release.spec.services.iter().map(service).collect();
    json!({ "release": report, "domains": release.spec.domains, "services": services })
}
