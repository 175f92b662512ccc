//! One configuration file, read and judged.

use crate::{
    draft::{
        alias::AliasDraft, environment::EnvironmentDraft, project::ProjectDraft, root::RootDraft,
    },
    judge,
    nearest::nearest,
    problem::{Problem, any_error, sort},
    read,
    report::{self, Report},
    yaml,
};
use model::name::{EnvironmentId, Name};
use std::sync::Arc;

/// A configuration.  It may be looked at while it has problems, and comes to nothing that could be
/// deployed until it has none.
#[derive(Clone, Debug)]
pub struct Document {
    pub(crate) file: String,
    pub(crate) source: Arc<str>,
    pub(crate) root: RootDraft,
    /// That were found when it was read.
    problems: Vec<Problem>,
}

/// A word of the user's own, and the verb and arguments that it stands for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Alias {
    /// The word.
    pub name: String,
    /// At least one.
    pub words: Vec<String>,
}

impl Alias {
    /// What it stands for, as it would be typed.
    pub fn typed(&self) -> String {
        let words = self.words.iter().map(String::as_str);
        // A word with a NUL cannot be typed; the reader has refused it.
        shlex::try_join(words).unwrap_or_else(|_| self.words.join(" "))
    }
}

/// A project as it is declared.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Declared {
    /// Its name.
    pub name: String,
    /// Names of its services.
    pub services: Vec<String>,
    /// Its environments, and the host names of each.
    pub environments: Vec<(String, Vec<String>)>,
}

impl Document {
    /// In the order of the file.
    pub fn projects(&self) -> Vec<Declared> {
        let hosts =
            |it: &EnvironmentDraft| it.domains().iter().map(|it| it.value.clone()).collect();
        let of = |(name, inner): &(Name, ProjectDraft)| Declared {
            name: name.to_string(),
            services: inner.services.iter().map(|it| it.0.to_string()).collect(),
            environments: inner
                .environments
                .iter()
                .map(|(name, it)| (name.to_string(), hosts(it)))
                .collect(),
        };
        self.root.projects.iter().map(of).collect()
    }

    /// In the order of the file.
    pub fn aliases(&self) -> Vec<Alias> {
        let of = |it: &AliasDraft| Alias {
            name: it.name.value.to_string(),
            words: it.words.value.clone(),
        };
        self.root.aliases.iter().map(of).collect()
    }

    /// With problems of aliases that hide a verb, or begin with none of them.
    #[must_use]
    pub fn with_verbs(mut self, verbs: &[String]) -> Document {
        let mut report = Report::new(&self.file, self.source.clone());
        let is_verb = |word: &str| verbs.iter().any(|it| it == word);
        for AliasDraft { name, words } in &self.root.aliases {
            if is_verb(name.value.as_str()) {
                let message = format!("`{}` is a verb, which an alias must not hide", name.value);
                report.error(name.place, name.path.clone(), message).hint("call it otherwise");
            }
            let first = words.value.first().map_or("", String::as_str);
            if !is_verb(first) {
                let alias = self.root.aliases.iter().any(|it| it.name.value.as_str() == first);
                let kind = if alias { "another alias" } else { "no verb" };
                let message = format!("`{}` begins with `{first}`, which is {kind}", name.value);
                let reported = report.error(words.place, words.path.clone(), message);
                let known: Vec<&str> = verbs.iter().map(String::as_str).collect();
                match nearest(first, &known) {
                    Some(near) => reported.hint(format!("did you mean `{near}`?")),
                    None => reported.hint("begin with a verb: `deploy production`"),
                }
            }
        }
        self.problems.extend(report.finish());
        sort(&mut self.problems);
        self
    }

    /// Reads a whole file and reports everything that is wrong with it, in the order of the file.
    /// `file` is only its name, for messages.  None: it is not even YAML.
    pub fn read(file: &str, text: &str) -> (Option<Document>, Vec<Problem>) {
        if text.len() > read::CONFIG_BYTES_MAX {
            return (None, vec![read::too_large(file)]);
        }
        let source: Arc<str> = Arc::from(text.strip_prefix('\u{feff}').unwrap_or(text));
        let mut report = Report::new(file, source.clone());
        let Some(tree) = yaml::parse(&source, &mut report) else {
            if report.len() == 0 {
                let hint = "`cutover init` writes an example";
                report.error(Default::default(), "", "the file is empty").hint(hint);
            }
            return (None, report.finish());
        };
        let root = RootDraft::read(&tree, &mut report);
        judge::judge(&root, &mut report);
        let problems = report.finish();
        let file = file.to_owned();
        (Some(Document { file, source, root, problems: problems.clone() }), problems)
    }

    /// What was found when it was read.
    pub fn problems(&self) -> &[Problem] {
        &self.problems
    }

    /// Every environment of every project, in the order of the file.
    pub fn environments(&self) -> Vec<EnvironmentId> {
        let of = |project: &Name, environment: &Name| EnvironmentId {
            project: project.clone(),
            environment: environment.clone(),
        };
        self.root
            .projects
            .iter()
            .flat_map(|(project, inner)| {
                inner.environments.iter().map(move |(name, _)| of(project, name))
            })
            .collect()
    }

    /// Where the embedded proxy listens; those for TLS begin with [`model::edge::SECURE`].
    pub fn listen(&self, is_root: bool) -> Vec<String> {
        let mut all = match &self.root.listen {
            Some(given) if !given.value.is_empty() => {
                given.value.iter().map(|it| it.value.clone()).collect()
            }
            // Where nginx stands in front, the public port is its.
            _ if is_root && self.root.nginx.is_none() => vec!["0.0.0.0:80".to_owned()],
            _ => vec!["127.0.0.1:8080".to_owned()],
        };
        all.extend(self.listen_secure(is_root));
        all
    }

    /// Everything that is wrong: what was found when it was read, and what `resolve` finds in each
    /// environment but for what is only not built yet.
    pub fn check(&self, env_files: &dyn read::EnvFiles, is_root: bool) -> Vec<Problem> {
        let mut problems = self.problems.clone();
        if !any_error(&problems) {
            let mut found = Vec::new();
            for id in self.environments() {
                found.extend(self.check_environment(&id, env_files, is_root));
            }
            report::excerpt(&mut found, &self.file, &self.source, &[]);
            problems.extend(found);
        }
        sort(&mut problems);
        problems
    }
}
