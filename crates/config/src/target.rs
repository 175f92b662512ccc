//! Which environment is meant: `production`, `shop/production`, `shop production`, or nothing
//! where there is only one.

use crate::{document::Document, nearest::nearest, report::quoted_list};
use model::name::EnvironmentId;

/// Environments that are listed in a message.
const CHOICES_SHOWN_MAX: usize = 12;

/// Why words do not name one environment.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TargetError {
    /// None has such a name.
    #[error("there is no environment `{written}`; there are {choices}")]
    Unknown {
        /// What was written.
        written: String,
        /// What was probably meant, if anything is near.
        near: Option<String>,
        /// Those that there are.
        choices: String,
    },
    /// Several have it.
    #[error("`{written}` may mean {choices}")]
    Ambiguous {
        /// What was written.
        written: String,
        /// Those that fit.
        choices: String,
    },
    /// It was left out and there are several.
    #[error("it was left out, and there are {choices}")]
    LeftOut {
        /// Those that there are.
        choices: String,
    },
    /// The configuration has none.
    #[error("the configuration has no environments")]
    NoneDeclared,
}

impl TargetError {
    /// What to try.
    pub fn hint(&self) -> Option<String> {
        match self {
            TargetError::Unknown { near, .. } => {
                near.as_ref().map(|it| format!("did you mean `{it}`?"))
            }
            TargetError::Ambiguous { .. } => {
                Some("name project and environment: `shop/production`".to_owned())
            }
            TargetError::LeftOut { .. } => Some("name one of them after the verb".to_owned()),
            TargetError::NoneDeclared => None,
        }
    }
}

impl Document {
    /// The environment that all the words together name.
    ///
    /// # Errors
    /// None or several fit; the message lists them.
    pub fn find<T: AsRef<str>>(&self, words: &[T]) -> Result<EnvironmentId, TargetError> {
        let all = self.environments();
        if all.is_empty() {
            return Err(TargetError::NoneDeclared);
        }
        let words: Vec<&str> = words.iter().map(AsRef::as_ref).collect();
        let fits = |it: &EnvironmentId| match words[..] {
            [] => true,
            [word] => match word.split_once('/') {
                Some((project, environment)) => is(it, project, environment),
                None => it.environment.as_str() == word || it.project.as_str() == word,
            },
            [project, environment] => is(it, project, environment),
            _ => false,
        };
        let mut fitting: Vec<EnvironmentId> = all.iter().filter(|it| fits(it)).cloned().collect();
        match fitting.len() {
            1 => Ok(fitting.remove(0)),
            0 => Err(unknown(&words, &all)),
            _ if words.is_empty() => Err(TargetError::LeftOut { choices: listed(&all) }),
            _ => {
                Err(TargetError::Ambiguous { written: words.join(" "), choices: listed(&fitting) })
            }
        }
    }

    /// The environment that the first words name, and how many of them: the rest is the verb's
    /// own, as the version in `deploy shop production 1.2.0`.
    ///
    /// # Errors
    /// None or several fit; the message lists them.
    pub fn find_first<T: AsRef<str>>(
        &self,
        words: &[T],
    ) -> Result<(EnvironmentId, usize), TargetError> {
        let all = self.environments();
        let words: Vec<&str> = words.iter().map(AsRef::as_ref).collect();
        if let [project, environment, ..] = words[..]
            && all.iter().any(|it| is(it, project, environment))
        {
            return self.find(&words[..2]).map(|it| (it, 2));
        }
        let declared = words.first().is_some_and(|word| {
            let named = |it: &EnvironmentId| {
                it.environment.as_str() == *word || it.project.as_str() == *word
            };
            word.contains('/') || all.iter().any(named)
        });
        if declared {
            return self.find(&words[..1]).map(|it| (it, 1));
        }
        // What is not declared may be the verb's own, if nothing needs to be named; what is nearly
        // declared was misspelt.
        let short: Vec<&str> =
            all.iter().flat_map(|it| [it.environment.as_str(), it.project.as_str()]).collect();
        if words.first().is_some_and(|word| nearest(word, &short).is_some()) {
            return Err(unknown(&words[..1], &all));
        }
        match self.find::<&str>(&[]) {
            Ok(only) => Ok((only, 0)),
            Err(error) if words.is_empty() => Err(error),
            Err(_) => Err(unknown(&words[..1], &all)),
        }
    }
}

fn is(id: &EnvironmentId, project: &str, environment: &str) -> bool {
    id.project.as_str() == project && id.environment.as_str() == environment
}

fn unknown(words: &[&str], all: &[EnvironmentId]) -> TargetError {
    let whole: Vec<String> = all.iter().map(ToString::to_string).collect();
    let short: Vec<String> =
        all.iter().flat_map(|it| [it.environment.to_string(), it.project.to_string()]).collect();
    let near = match words {
        [word] if !word.contains('/') => nearest(word, &short),
        _ => nearest(&words.join("/"), &whole),
    };
    TargetError::Unknown {
        written: words.join(" "),
        near: near.map(str::to_owned),
        choices: if all.is_empty() { "none is declared".to_owned() } else { listed(all) },
    }
}

fn listed(ids: &[EnvironmentId]) -> String {
    let texts: Vec<String> = ids.iter().map(ToString::to_string).collect();
    let shown = quoted_list(&texts, CHOICES_SHOWN_MAX);
    match texts.len().saturating_sub(CHOICES_SHOWN_MAX) {
        0 => shown,
        more => format!("{shown} and {more} more"),
    }
}
