//! `env list`, `env get`, `env diff`

use super::Asked;
use crate::{
    halt::Halt,
    secret,
    session::Session,
    source::Content,
    ui::variables::{self as printed, Variable},
};
use drivers::releases::DirectoryReleases;
use engine::port::releases::Releases;
use model::{release::difference::Difference, service::ServiceSpec};

/// What every instance is given, and what it is.
const INJECTED: [(&str, &str); 15] = [
    ("PORT", "the instance's port, or the path of its socket, where it has one"),
    ("HOST", "127.0.0.1, but not with a socket"),
    ("PATH", "where programs are"),
    ("HOME", "of the service's user"),
    ("LANG", "C.UTF-8"),
    ("CUTOVER_PROJECT", "the project"),
    ("CUTOVER_ENVIRONMENT", "the environment"),
    ("CUTOVER_SERVICE", "the service"),
    ("CUTOVER_INSTANCE", "the instance's id"),
    ("CUTOVER_RELEASE", "the release's id"),
    ("CUTOVER_VERSION", "the release's version"),
    ("CUTOVER_COMMIT", "the release's commit"),
    ("CUTOVER_SLOT", "blue or green"),
    ("CUTOVER_DEPLOYED_AT", "when the release was made"),
    ("CUTOVER_TOKEN", "by which its processes are found"),
];

/// Everything that instances are given, and where it comes from.
pub fn all(session: &Session, asked: &Asked<'_>) -> Result<u8, Halt> {
    let mut found = vec![];
    for service in services(asked)? {
        found.extend(INJECTED.iter().filter(|it| !service.env.contains_key(it.0)).map(
            |(name, what)| Variable {
                service: service.name.to_string(),
                name: (*name).to_owned(),
                from: format!("injected: {what}"),
                is_set: true,
            },
        ));
        found.extend(declared(asked, service));
    }
    let id = &asked.target.id;
    if session.ui.is_json() {
        session.ui.object(&printed::objects(id, &found));
    } else {
        session.ui.line(&printed::table(&found));
    }
    Ok(0)
}

/// One of them; its value only where that is asked for.
pub async fn one(session: &Session, asked: &Asked<'_>, name: &str) -> Result<u8, Halt> {
    let mut found: Vec<Variable> = vec![];
    for service in services(asked)? {
        found.extend(declared(asked, service).into_iter().filter(|it| it.name == name));
    }
    if found.is_empty() {
        return Err(Halt::usage(format!(
            "find {}: {} is not given it",
            name.escape_debug(),
            asked.target.id
        ))
        .hint(format!("`cutover env {}` lists what is", asked.target.typed)));
    }
    if !asked.args.reveal {
        session.ui.line(&printed::table(&found));
        return Ok(0);
    }
    let filled = filled(session, asked).await?;
    let mut values: Vec<&String> = services(asked)?
        .into_iter()
        .filter_map(|it| filled.spec.services.iter().find(|full| full.name == it.name))
        .filter_map(|it| it.env.get(name))
        .collect();
    values.dedup();
    match values[..] {
        [value] => session.ui.line(value),
        _ => {
            return Err(Halt::usage(format!("print {name}: services are given different values"))
                .hint("`--service SERVICE` chooses one"));
        }
    }
    Ok(0)
}

/// What `deploy --env-only` would change, by name.
pub async fn diff(session: &Session, asked: &Asked<'_>) -> Result<u8, Halt> {
    let releases = DirectoryReleases::new(session.layout());
    let id = &asked.target.id;
    let status = crate::controller::Controller::new(&session.root).status().await?;
    let environment = status.environments.into_iter().find(|it| it.id == *id);
    let Some(label) = environment.and_then(|it| it.serving.into_iter().next()) else {
        return Err(Halt::usage(format!("compare the variables of {id}: nothing serves")).hint(
            format!("`cutover deploy {} VERSION` makes the first release", asked.target.typed),
        ));
    };
    let serving = releases.read(id, &label.id).await?;
    let filled = filled(session, asked).await?;
    let difference = Difference::between(&serving.spec, &filled.spec);
    if session.ui.is_json() {
        session.ui.object(&difference.variables);
    } else {
        session.ui.line(&printed::difference(&label.version, &difference, &asked.target.typed));
    }
    Ok(0)
}

/// With the values of secrets.
async fn filled(session: &Session, asked: &Asked<'_>) -> Result<config::Resolved, Halt> {
    // No content is looked at: it is what serves.
    let content = Content::Kept { version: String::new() };
    let identity = asked.args.identity.as_deref();
    let resolved = asked.resolved.clone();
    secret::fill(session, &asked.configuration, resolved, &content, identity).await
}

fn services<'a>(asked: &'a Asked<'_>) -> Result<Vec<&'a ServiceSpec>, Halt> {
    let all = &asked.resolved.spec.services;
    let Some(wanted) = &asked.args.service else { return Ok(all.iter().collect()) };
    let found: Vec<_> = all.iter().filter(|it| it.name.as_str() == wanted).collect();
    if found.is_empty() {
        let names: Vec<String> = all.iter().map(|it| it.name.to_string()).collect();
        return Err(Halt::usage(format!("find service `{}`", wanted.escape_debug()))
            .hint(format!("{} has: {}", asked.target.id, names.join(", "))));
    }
    Ok(found)
}

/// Env files, secrets, configuration.
fn declared(asked: &Asked<'_>, service: &ServiceSpec) -> Vec<Variable> {
    let origins = asked.resolved.secret_origins.iter().filter(|it| it.service == service.name);
    let origins: Vec<_> = origins.collect();
    let mut names: Vec<&String> = service.env.keys().collect();
    names.extend(origins.iter().map(|it| &it.name));
    names.sort();
    names.dedup();
    let variable = |name: &String| {
        let origin = origins.iter().find(|it| it.name == *name);
        Variable {
            service: service.name.to_string(),
            name: name.clone(),
            from: match origin {
                Some(it) if it.from.starts_with("env file ") => format!("{}:{}", it.from, it.line),
                Some(it) => format!("secret, {} ({}:{})", it.from, it.file, it.line),
                None => format!("config {}", asked.configuration.path.display()),
            },
            is_set: service.env.get(name).is_none_or(|it| !it.is_empty()),
        }
    };
    names.into_iter().map(variable).collect()
}
