//! A build as it was read: commands that make a release of its content, on the host.

use crate::{
    address, argv,
    draft::{service::LimitsDraft, variable},
    report::{Field, Placed, Report, Table},
    scalar,
    yaml::Value,
};
use model::{
    build::{BuildSpec, TIMEOUT},
    name::Name,
    requirement::Requirement,
    service::{Limits, Millis},
};
use std::collections::BTreeMap;

/// Every key of a build.
pub(crate) const KEYS: [&str; 10] = [
    "directory",
    "clean",
    "install",
    "commands",
    "test",
    "dependencies",
    "timeout",
    "limits",
    "user",
    "secrets",
];

/// Commands of one build may take so long.
const TIMEOUT_MAX: Millis = Millis::seconds(6 * 3600);
/// What runs a script: it ends at the first command that fails, and at unset variables.
const SHELL: [&str; 3] = ["/bin/sh", "-eu", "-c"];
/// Programs that do nothing useful without a word more: a list of them is one command, misread.
const NEVER_ALONE: [&str; 10] =
    ["npm", "npx", "pnpm", "node", "python", "python3", "bundle", "cargo", "go", "composer"];
/// Caches that builds leave, by the words for them.
const LEVELS: [(&str, &[&str]); 3] = [
    ("build-cache", &[".next"]),
    ("node-cache", &["node_modules/.cache"]),
    ("all", &[".next", "node_modules/.cache", "node_modules"]),
];

/// One build.
#[derive(Clone, Debug, Default)]
pub(crate) struct BuildDraft {
    directory: Option<Placed<String>>,
    clean: Option<Placed<Vec<Placed<String>>>>,
    install: Option<Placed<Vec<String>>>,
    commands: Option<Placed<Vec<Placed<Vec<String>>>>>,
    test: Option<Placed<Vec<Placed<Vec<String>>>>>,
    dependencies: Option<Placed<Vec<Placed<String>>>>,
    timeout: Option<Placed<Millis>>,
    limits: LimitsDraft,
    user: Option<Placed<String>>,
    pub(crate) secrets: Option<Placed<Vec<Placed<String>>>>,
}

impl BuildDraft {
    pub(crate) fn read(field: &Field<'_>, report: &mut Report) -> Option<Placed<BuildDraft>> {
        let elsewhere = [
            ("env", "below `env: { build: … }` of the environment or of a service"),
            ("requires", "to the project or the environment, beside `build`"),
            ("command", "`commands` is a list of commands"),
            ("cache", "`dependencies` names directories that are kept"),
        ];
        let table = Table::read(field, &KEYS, &elsewhere, report)?;
        let list = |key: &str, report: &mut Report| {
            table.get(key).and_then(|it| scalar::list(it, report, below))
        };
        let draft = BuildDraft {
            directory: table.get("directory").and_then(|it| below(it, report)),
            clean: list("clean", report),
            dependencies: list("dependencies", report),
            install: table.get("install").and_then(|it| command(it, report)),
            commands: table.get("commands").and_then(|it| commands(it, report)),
            test: table.get("test").and_then(|it| commands(it, report)),
            timeout: table
                .get("timeout")
                .and_then(|it| scalar::time(it, Millis(1)..=TIMEOUT_MAX, report)),
            limits: table
                .get("limits")
                .map_or_else(LimitsDraft::default, |it| LimitsDraft::read(it, report)),
            user: table.get("user").and_then(|it| address::user(it, report)),
            secrets: table.get("secrets").and_then(|it| {
                scalar::list(it, report, |it, report| {
                    let name = scalar::word(it, report)?;
                    variable::valid_name(&name.value, name.place, &name.path, report)
                        .then_some(name)
                })
            }),
        };
        Some(field.placed(draft))
    }

    /// This one's values where it has them, else those of the base.  Lists are taken whole.
    pub(crate) fn over(&self, base: &BuildDraft) -> BuildDraft {
        macro_rules! laid {
            ($($key:ident)*) => {
                BuildDraft {
                    limits: self.limits.over(&base.limits),
                    $($key: self.$key.clone().or_else(|| base.$key.clone()),)*
                }
            };
        }
        laid! { directory clean install commands test dependencies timeout user secrets }
    }

    /// With its variables; none where it runs nothing.
    pub(crate) fn filled(
        &self,
        service: Option<&Name>,
        env: BTreeMap<String, String>,
    ) -> Option<BuildSpec> {
        let words = |it: &Option<Placed<Vec<Placed<String>>>>| -> Vec<String> {
            it.iter().flat_map(|it| &it.value).map(|it| it.value.clone()).collect()
        };
        let argvs = |it: &Option<Placed<Vec<Placed<Vec<String>>>>>| -> Vec<Vec<String>> {
            it.iter().flat_map(|it| &it.value).map(|it| it.value.clone()).collect()
        };
        let cleans = words(&self.clean);
        let clean = cleans.iter().flat_map(|it| match LEVELS.iter().find(|(word, _)| word == it) {
            Some((_, paths)) => paths.iter().map(ToString::to_string).collect(),
            None => vec![it.clone()],
        });
        let spec = BuildSpec {
            service: service.cloned(),
            directory: self.directory.as_ref().map(|it| it.value.clone()),
            clean: clean.collect(),
            clean_dependencies: cleans.iter().any(|it| it == "all"),
            install: self.install.as_ref().map(|it| it.value.clone()),
            commands: argvs(&self.commands),
            test: argvs(&self.test),
            dependencies: self.dependencies.is_some().then(|| words(&self.dependencies)),
            timeout: self.timeout.as_ref().map_or(TIMEOUT, |it| it.value),
            limits: Limits {
                memory_bytes: self.limits.memory_bytes.as_ref().map(|it| it.value),
                processes: self.limits.processes.as_ref().map(|it| it.value),
                files: self.limits.files.as_ref().map(|it| it.value),
            },
            user: self.user.as_ref().map(|it| it.value.clone()),
            env,
            secrets: words(&self.secrets),
        };
        let runs = spec.install.is_some() || !spec.commands.is_empty() || !spec.test.is_empty();
        runs.then_some(spec)
    }
}

/// `[program, argument]`, a text that is split, or `{ shell: script }`.
pub(crate) fn command(field: &Field<'_>, report: &mut Report) -> Option<Placed<Vec<String>>> {
    if !matches!(field.node.value, Value::Mapping(_)) {
        return argv::command(field, report);
    }
    let table = Table::read(field, &["command", "shell"], &[], report)?;
    match (table.get("command"), table.get("shell")) {
        (Some(words), None) => argv::command(words, report),
        (None, Some(script)) => {
            let script = scalar::word(script, report)?.value;
            let words = SHELL.iter().map(ToString::to_string).chain([script]).collect();
            Some(field.placed(words))
        }
        _ => {
            field
                .error(report, format!("`{}` has a `command` or a `shell` script", field.name()))
                .hint("write `{ shell: \"one && two\" }`");
            None
        }
    }
}

fn commands(field: &Field<'_>, report: &mut Report) -> Option<Placed<Vec<Placed<Vec<String>>>>> {
    if matches!(field.node.value, Value::Mapping(_)) {
        let only = command(field, report)?;
        return Some(field.placed(vec![only]));
    }
    let found = scalar::list(field, report, command)?;
    let is_alone = |it: &&Placed<Vec<String>>| match it.value.as_slice() {
        [word] => NEVER_ALONE.contains(&word.as_str()),
        _ => false,
    };
    if found.value.len() > 1
        && let Some(alone) = found.value.iter().find(is_alone)
    {
        let message = format!("`{}` is a list of commands, and here one word of one", field.name());
        let hint = "write a list in the list, `[[npm, test]]`, or a text: `npm test`";
        report.error(alone.place, alone.path.clone(), message).hint(hint);
        return None;
    }
    Some(found)
}

/// A path below the release's directory.
pub(crate) fn below(field: &Field<'_>, report: &mut Report) -> Option<Placed<String>> {
    let found = scalar::word(field, report)?;
    let path = found.value.trim_end_matches('/');
    let is_odd = |part: &str| part.is_empty() || part == ".." || part == ".";
    if path.starts_with(['/', '-']) || path.split('/').any(is_odd) {
        let message = format!("`{}` is no path below the release's directory", found.value);
        field
            .error(report, message)
            .hint("write it without a leading `/`, `.` or `..`: `web/.next`");
        return None;
    }
    let path = path.to_owned();
    Some(found.with(path))
}

/// `requires: { node: ">=18" }`.
pub(crate) fn requires(field: &Field<'_>, report: &mut Report) -> BTreeMap<String, String> {
    let mut all = BTreeMap::new();
    for (program, inner) in field.entries(report, "a mapping of programs to versions") {
        let fits = |it: char| it.is_ascii_alphanumeric() || "._+-".contains(it);
        if program.is_empty() || program.starts_with(['-', '.']) || !program.chars().all(fits) {
            let message = format!("`{}` is no program's name", program.escape_debug());
            inner
                .error(report, message)
                .hint("write `node`, and no path: it is looked for in PATH");
            continue;
        }
        let Some(version) = scalar::word(&inner, report) else { continue };
        if Requirement::parse(&version.value).is_none() {
            let message = format!("`{}` says no version", version.value.escape_debug());
            inner.error(report, message).hint("write `\">=18\"`, `\">=18 <23\"` or `\"20\"`");
            continue;
        }
        all.insert(program.to_string(), version.value);
    }
    all
}
