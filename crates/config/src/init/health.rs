//! The path by which a program is asked whether it is healthy, as its own code names it.

use super::Facts;

/// In the order of looking.
const PATHS: [&str; 6] =
    ["/api/health", "/health", "/healthz", "/api/healthz", "/api/health/ready", "/up"];

/// The path, and the file that names it.
pub(super) struct HealthPath {
    pub(super) path: String,
    pub(super) from: Option<String>,
}

pub(super) fn path(facts: &Facts) -> HealthPath {
    for path in PATHS {
        if let Some(from) = named(facts, path).or_else(|| placed(facts, path)) {
            return HealthPath { path: path.to_owned(), from: Some(from) };
        }
    }
    match facts.setting("Dockerfile").and_then(in_dockerfile) {
        Some(path) => HealthPath { path, from: Some("Dockerfile: HEALTHCHECK".to_owned()) },
        None => HealthPath { path: "/".to_owned(), from: None },
    }
}

/// Between quotation marks in a program.
fn named(facts: &Facts, path: &str) -> Option<String> {
    let quoted = ["\"", "'", "`"].map(|quote| format!("{quote}{path}{quote}"));
    facts.sources.iter().find_map(|(file, text)| {
        let at = quoted.iter().filter_map(|it| text.find(it.as_str())).min()?;
        Some(format!("{file}:{}", text[..at].matches('\n').count() + 1))
    })
}

/// By the place of a file, where frameworks route by places.
fn placed(facts: &Facts, path: &str) -> Option<String> {
    let roots = ["app", "src/app", "pages", "src/pages"];
    let fits = |file: &str| {
        roots.iter().any(|root| {
            let Some(rest) = file.strip_prefix(&format!("{root}{path}")) else { return false };
            let rest = rest.strip_prefix("/route").or(rest.strip_prefix("/index")).unwrap_or(rest);
            matches!(rest, ".js" | ".ts" | ".tsx" | ".jsx" | ".mjs")
        })
    };
    facts.sources.iter().map(|it| it.0.clone()).find(|it| fits(it))
}

/// `HEALTHCHECK … http://localhost:3000/live`
fn in_dockerfile(text: &str) -> Option<String> {
    let (_, check) = text.split_once("HEALTHCHECK")?;
    let (_, address) = check.split_once("://")?;
    let whole = address.split(|it: char| it.is_whitespace() || "\"'|;)]".contains(it)).next()?;
    let path = &whole[whole.find('/')?..];
    let plain = |it: char| it.is_ascii_alphanumeric() || "/._-".contains(it);
    path.chars().all(plain).then(|| path.to_owned())
}
