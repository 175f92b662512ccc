//! One configuration file, read and judged.

use crate::{
    draft::root::RootDraft,
    judge,
    problem::{Problem, any_error, sort},
    read,
    report::Report,
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

impl Document {
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

    /// Where the embedded proxy listens.
    pub fn listen(&self, is_root: bool) -> Vec<String> {
        match &self.root.listen {
            Some(given) if !given.value.is_empty() => {
                given.value.iter().map(|it| it.value.clone()).collect()
            }
            _ if is_root => vec!["0.0.0.0:80".to_owned()],
            _ => vec!["127.0.0.1:8080".to_owned()],
        }
    }

    /// Everything that is wrong: what was found when it was read, and what `resolve` finds in each
    /// environment but for what is only not built yet.
    pub fn check(&self, env_files: &dyn read::EnvFiles, is_root: bool) -> Vec<Problem> {
        let mut problems = self.problems.clone();
        if !any_error(&problems) {
            for id in self.environments() {
                problems.extend(self.check_environment(&id, env_files, is_root));
            }
        }
        sort(&mut problems);
        problems
    }
}
