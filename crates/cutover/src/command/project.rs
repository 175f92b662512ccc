//! `project`

use crate::{
    cli::grammar::project::ProjectAct,
    configuration::{self, Configuration},
    halt::Halt,
    session::Session,
};
use config::{
    edit::{self, EditError},
    init,
    read::{read_config, read_facts},
};
use drivers::file;
use model::{
    failure::{Blame, Failure},
    name::Name,
};
use serde_json::json;
use std::{
    fs,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
};

/// Lists projects, or changes the text of the configuration.
///
/// # Errors
///
/// Where it cannot be changed without changing more than was asked.
pub fn run(session: &Session, act: &ProjectAct) -> Result<u8, Halt> {
    let configuration = configuration::expect(session)?;
    match act {
        ProjectAct::List => list(session, &configuration),
        ProjectAct::Add { name, source, domains } => {
            add(session, &configuration, name, source, domains)
        }
        ProjectAct::Remove { name } => remove(session, &configuration, name),
    }
    .map(|()| 0)
}

fn list(session: &Session, configuration: &Configuration) -> Result<(), Halt> {
    let projects = configuration.document.projects();
    if session.ui.is_json() {
        let all: Vec<_> = projects
            .iter()
            .map(|it| {
                let environments: Vec<_> = it
                    .environments
                    .iter()
                    .map(|(name, domains)| json!({ "name": name, "domains": domains }))
                    .collect();
                json!({ "name": it.name, "services": it.services, "environments": environments })
            })
            .collect();
        session.ui.object(&all);
        return Ok(());
    }
    for project in projects {
        session.ui.line(&format!("{}: {}", project.name, project.services.join(", ")));
        for (name, domains) in &project.environments {
            session.ui.line(&format!("  {name}: {}", domains.join(", ")));
        }
    }
    Ok(())
}

fn add(
    session: &Session,
    configuration: &Configuration,
    name: &str,
    source: &Path,
    domains: &[String],
) -> Result<(), Halt> {
    let name = named(name)?;
    let directory = configuration.directory().join(source);
    if !directory.is_dir() {
        let shown = directory.display();
        return Err(Halt::usage(format!("add `{name}`: there is no directory {shown}"))
            .hint("name its directory with `--source DIR`, relative to the configuration"));
    }
    let shown = source.display().to_string();
    let written = init::project(&read_facts(&directory), &name, &shown, domains);
    let written = written.map_err(|why| {
        Halt::usage(format!("add `{name}`: {}: {why}", directory.display()))
            .hint("write its lines by hand: `cutover schema` says what may stand there")
    })?;
    change(configuration, |file, text| edit::add(file, text, &name, &written.text))?;
    session.ui.done(&format!("{name} is added to {}", configuration.path.display()));
    for guess in written.guesses.iter().filter(|_| !session.ui.is_json()) {
        session.ui.line(&format!("  {guess}"));
    }
    session.ui.note(&format!("next: read it, then `cutover check`, then `cutover deploy {name}`"));
    Ok(())
}

fn remove(session: &Session, configuration: &Configuration, name: &str) -> Result<(), Halt> {
    let name = named(name)?;
    let projects = configuration.document.projects();
    let project = projects.iter().find(|it| it.name == name.as_str());
    change(configuration, |file, text| edit::remove(file, text, &name))?;
    session.ui.done(&format!("{name} is taken out of {}", configuration.path.display()));
    for (environment, _) in project.iter().flat_map(|it| &it.environments) {
        let place = session.layout().environment(&id(&name, environment));
        if place.exists() {
            session.ui.note(&format!(
                "what runs of {name}/{environment} goes on: `cutover down {name}/{environment}` \
                 ends it"
            ));
        }
    }
    Ok(())
}

fn id(project: &Name, environment: &str) -> model::name::EnvironmentId {
    let environment = environment.parse().expect("it was declared, so it is a name");
    model::name::EnvironmentId { project: project.clone(), environment }
}

fn named(text: &str) -> Result<Name, Halt> {
    text.parse().map_err(|why| Halt::usage(format!("take `{text}` for a project: {why}")))
}

/// Reads the text, changes it, and puts the whole in its place at once.
fn change(
    configuration: &Configuration,
    edit: impl FnOnce(&str, &str) -> Result<String, EditError>,
) -> Result<(), Halt> {
    let shown = configuration.path.display().to_string();
    let text = read_config(&configuration.path).map_err(|it| Halt::Problems(vec![it]))?;
    let changed = edit(&shown, &text).map_err(|why| match why {
        EditError::Wrong(problems) | EditError::WouldBeWrong(problems) => Halt::Problems(problems),
        EditError::Missing(_) => Halt::usage(format!("change {shown}: {why}"))
            .hint("`cutover project list` names those that there are"),
        EditError::Last(_) => {
            Halt::usage(format!("change {shown}: {why}")).hint("remove the file instead")
        }
        EditError::Taken(_) | EditError::Braces | EditError::Depended(_) => {
            Halt::usage(format!("change {shown}: {why}, so nothing was changed"))
                .hint("change the file by hand, then `cutover check`")
        }
    })?;
    let failed = |error: std::io::Error| {
        Halt::of(1, Failure::new(Blame::Platform, format!("write {shown}: {error}")))
    };
    // A link stays one: what it leads to is replaced.
    let path: PathBuf = fs::canonicalize(&configuration.path).map_err(failed)?;
    let mode = fs::metadata(&path).map_err(failed)?.permissions().mode() & 0o7777;
    file::write(&path, changed.as_bytes(), mode).map_err(failed)
}
