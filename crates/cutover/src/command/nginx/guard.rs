//! `nginx guard`

use super::EXIT_REFUSED;
use crate::{
    configuration::{Configuration, is_root},
    halt::Halt,
    session::Session,
};
use config::Document;
use drivers::nginx::{Difference, Found, HookInstalled, Nginx, Repository};
use model::failure::{Blame, Failure};
use std::{
    collections::BTreeMap,
    fs, io,
    path::{Path, PathBuf},
};

/// Writes the hook into the repository that holds the configuration.
pub fn install(
    session: &Session,
    configuration: &Configuration,
    output: Option<&Path>,
) -> Result<u8, Halt> {
    let output = output.unwrap_or(Path::new("."));
    if !output.is_dir() {
        return Err(Halt::usage(format!("guard {}: it is no directory", output.display()))
            .hint("write the files there first: `cutover nginx generate -o DIR`"));
    }
    let repository = Repository::around(&configuration.directory())?;
    let installed = repository.install(&configuration.path, output)?;
    let what = match installed {
        HookInstalled::Now => "the hook is installed",
        HookInstalled::Before => "the hook was installed before",
    };
    let top = repository.top.display();
    session.ui.done(&format!("{what}: git refuses hand edits and secrets in {top}"));
    Ok(0)
}

/// Looks at what is to be committed.
pub fn check(session: &Session) -> Result<u8, Halt> {
    let repository = Repository::around(Path::new("."))?;
    let scratch = tempfile::tempdir().map_err(|error| platform("make a directory", &error))?;
    let changed = repository.changed()?;
    repository.export(&changed, scratch.path())?;
    let mut refused = Vec::new();
    for path in &changed {
        refused.extend(Found::of(path, &scratch.path().join(path))?);
    }
    let differences = differences(&repository, scratch.path(), &super::links(session))?;
    for it in &differences {
        session.ui.out.error(super::shown(it).trim_end());
    }
    if refused.is_empty() && differences.is_empty() {
        return Ok(0);
    }
    let mut failure = Failure::new(Blame::Request, "commit");
    for Found { path, why } in &refused {
        failure = failure.evidence(format!("{path} {why}"));
    }
    if !refused.is_empty() {
        failure = failure.hint("take them out: `git rm --cached FILE`");
    }
    for it in &differences {
        failure = failure.evidence(format!("{} is not what the configuration comes to", it.path));
    }
    if !differences.is_empty() {
        failure = failure
            .hint("change the configuration instead, then `cutover nginx generate -o DIR`")
            .hint("commit the configuration and what is generated together");
    }
    Err(Halt::of(EXIT_REFUSED, failure))
}

/// Generated files of the next commit that the configuration of that commit does not come to.
fn differences(
    repository: &Repository,
    scratch: &Path,
    links: &str,
) -> Result<Vec<Difference>, Halt> {
    let (file, directory) = repository.told()?;
    let inside = |path: &String| {
        *path == file || ["base/", "conf.d/"].iter().any(|it| below(&directory, path, it))
    };
    if !repository.touched()?.iter().any(inside) {
        return Ok(Vec::new());
    }
    let paths = repository.below(&directory)?;
    let paths: Vec<String> = paths.into_iter().filter(|it| *it != file && inside(it)).collect();
    repository.export(&paths, scratch)?;
    repository.export(std::slice::from_ref(&file), scratch).map_err(|failure| {
        Halt::of(EXIT_REFUSED, failure).hint(format!("`git add {file}`: it says what is generated"))
    })?;
    let text = read(&scratch.join(&file))?;
    let (document, problems) = Document::read(&file, &text);
    let document = document.ok_or(Halt::Problems(problems))?;
    let fronting = document.fronting(is_root(), links).map_err(Halt::Problems)?;
    let nginx = Nginx { directory: PathBuf::new(), program: vec![], front: fronting.front };
    let at = |path: &str| match directory.as_str() {
        "" => path.to_owned(),
        directory => format!("{directory}/{path}"),
    };
    let wanted: BTreeMap<String, String> =
        nginx.files().into_iter().map(|it| (at(&it.path), it.text)).collect();
    let mut found = Vec::new();
    for path in paths.iter().chain(wanted.keys().filter(|it| !paths.contains(it))) {
        let there = if paths.contains(path) { Some(read(&scratch.join(path))?) } else { None };
        let wanted = wanted.get(path).cloned();
        if there != wanted {
            found.push(Difference { path: path.clone(), host: there, wanted, by_hand: true });
        }
    }
    Ok(found)
}

fn below(directory: &str, path: &str, folder: &str) -> bool {
    let rest = match directory {
        "" => Some(path),
        directory => path.strip_prefix(directory).and_then(|it| it.strip_prefix('/')),
    };
    rest.is_some_and(|it| it.starts_with(folder))
}

fn read(path: &Path) -> Result<String, Halt> {
    fs::read_to_string(path).map_err(|error| platform("read what is to be committed", &error))
}

fn platform(doing: &str, error: &io::Error) -> Halt {
    Halt::of(EXIT_REFUSED, Failure::new(Blame::Platform, format!("{doing}: {error}")))
}
