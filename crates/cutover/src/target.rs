//! Which environment is meant: by the configuration or, on a host without one, by what is known
//! there.

use crate::{
    configuration::{self, Configuration},
    controller::Controller,
    halt::Halt,
    session::Session,
};
use config::{Document, TargetError};
use model::name::EnvironmentId;

/// An environment, and how the user calls it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// It.
    pub id: EnvironmentId,
    /// In commands to type next.
    pub typed: String,
}

/// Environments, as they are declared or known.
pub struct Known {
    environments: Vec<EnvironmentId>,
    /// Finds by declared names.
    document: Document,
}

impl Known {
    /// Those of a configuration.
    pub fn declared(document: &Document) -> Known {
        Known { environments: document.environments(), document: document.clone() }
    }

    /// Those that are there, without a configuration.
    ///
    /// # Errors
    ///
    /// Where there are none.
    pub fn present(environments: &[EnvironmentId]) -> Result<Known, Halt> {
        // The rules, and the words of their errors, are the configuration's.
        let (document, _) = Document::read("known environments", &stand_in(environments));
        let document = document.filter(|_| !environments.is_empty()).ok_or_else(|| {
            Halt::usage(
                "find an environment: there is no `cutover.yml` here, and nothing is deployed",
            )
            .hint("go to the project's directory, or name its configuration with `-f FILE`")
            .hint("`cutover --root DIR …` names another state directory")
        })?;
        Ok(Known::declared(&document))
    }

    /// The environment that all words together name.
    ///
    /// # Errors
    ///
    /// None or several fit.
    pub fn find(&self, words: &[String]) -> Result<Target, Halt> {
        let id = self.document.find(words).map_err(|it| refused(&it))?;
        Ok(self.target(id))
    }

    /// The environment that the first words name, and the words that are left.
    ///
    /// # Errors
    ///
    /// None or several fit.
    pub fn find_first<'w>(&self, words: &'w [String]) -> Result<(Target, &'w [String]), Halt> {
        let found = self.document.find_first(words).map_err(|it| refused(&it));
        let (id, count) = found?;
        Ok((self.target(id), &words[count..]))
    }

    fn target(&self, id: EnvironmentId) -> Target {
        let same = |it: &&EnvironmentId| it.environment == id.environment;
        let alone = self.environments.iter().filter(same).count() == 1;
        let typed = if alone { id.environment.to_string() } else { id.to_string() };
        Target { id, typed }
    }
}

fn refused(why: &TargetError) -> Halt {
    let halt = Halt::usage(format!("find the environment: {why}"));
    match why.hint() {
        Some(hint) => halt.hint(hint),
        None => halt,
    }
}

/// The least configuration that declares these environments.
fn stand_in(environments: &[EnvironmentId]) -> String {
    let mut projects = serde_json::Map::new();
    for id in environments {
        let project = projects.entry(id.project.as_str()).or_insert_with(|| {
            serde_json::json!({ "services": { "web": { "command": ["web"] } }, "environments": {} })
        });
        project["environments"][id.environment.as_str()] = serde_json::json!({});
    }
    serde_json::json!({ "projects": projects }).to_string()
}

/// What the words are resolved by: the configuration, else what is known under the state directory.
/// A configuration with problems keeps nobody from going back.
///
/// # Errors
///
/// Where nothing is known.
pub async fn known(session: &Session) -> Result<Known, Halt> {
    let halt = match configuration::read(session) {
        Ok(Some(Configuration { document, .. })) => return Ok(Known::declared(&document)),
        Ok(None) => None,
        Err(halt) => Some(halt),
    };
    let report = Controller::new(&session.root).status().await?;
    let ids: Vec<EnvironmentId> = report.environments.into_iter().map(|it| it.id).collect();
    match (Known::present(&ids), halt) {
        (Ok(known), Some(_)) => {
            session.ui.note("the configuration has problems: going by what is deployed");
            Ok(known)
        }
        (Err(_), Some(halt)) => Err(halt),
        (known, None) => known,
    }
}

#[cfg(test)]
mod tests {
    use super::Known;

    fn known(ids: &[&str]) -> Known {
        let ids: Vec<_> = ids.iter().map(|it| it.parse().unwrap()).collect();
        Known::present(&ids).unwrap()
    }

    fn words(text: &str) -> Vec<String> {
        text.split_whitespace().map(str::to_owned).collect()
    }

    #[test]
    fn a_target_is_found_among_what_is_deployed() {
        let known = known(&["shop/production", "shop/staging", "blog/production"]);
        let found = |text: &str| known.find(&words(text)).map(|it| (it.id.to_string(), it.typed));
        let staging = ("shop/staging".to_owned(), "staging".to_owned());
        for text in ["staging", "shop/staging", "shop staging"] {
            assert_eq!(found(text).unwrap(), staging);
        }
        let production = ("blog/production".to_owned(), "blog/production".to_owned());
        assert_eq!(found("blog").unwrap(), production);
        for text in ["production", "", "nothing", "shop blog"] {
            assert_eq!(found(text).unwrap_err().exit_code(), 1, "{text}");
        }
    }

    #[test]
    fn the_words_after_a_target_are_the_verbs_own() {
        let two = known(&["shop/production", "shop/staging"]);
        let version = words("shop production 1.2.0");
        assert_eq!(two.find_first(&version).unwrap().1, ["1.2.0"]);
        let one = known(&["shop/production"]);
        let version = words("1.2.0");
        let (target, rest) = one.find_first(&version).unwrap();
        assert_eq!((target.typed.as_str(), rest), ("production", &version[..]));
    }

    #[test]
    fn nothing_deployed_is_said_so() {
        assert_eq!(Known::present(&[]).err().unwrap().exit_code(), 1);
    }
}
