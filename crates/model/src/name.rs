//! Names that become parts of paths, host names and unit names: an allow-list, never quoting.

use serde::{Deserialize, Serialize};
use std::{fmt, str::FromStr};

/// The longest name.
pub const NAME_LENGTH_MAX: usize = 40;

/// A project's, environment's or service's name: `[a-z][a-z0-9-]*[a-z0-9]`, 1 to 40 characters.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Name(String);

/// Why a text is not a [`Name`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{0}` is not a name: use 1 to 40 lower-case letters, digits and `-`, led by a letter and not \
     ended by `-`"
)]
pub struct NotAName(pub String);

impl Name {
    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Name {
    type Err = NotAName;

    fn from_str(text: &str) -> Result<Name, NotAName> {
        let bytes = text.as_bytes();
        let inner = |it: &u8| it.is_ascii_lowercase() || it.is_ascii_digit() || *it == b'-';
        let fits = bytes.first().is_some_and(u8::is_ascii_lowercase)
            && bytes.last() != Some(&b'-')
            && bytes.len() <= NAME_LENGTH_MAX
            && bytes.iter().all(inner);
        if fits { Ok(Name(text.to_owned())) } else { Err(NotAName(text.to_owned())) }
    }
}

impl TryFrom<String> for Name {
    type Error = NotAName;

    fn try_from(text: String) -> Result<Name, NotAName> {
        text.parse()
    }
}

impl From<Name> for String {
    fn from(name: Name) -> String {
        name.0
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A project and one of its environments: `shop/production`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EnvironmentId {
    /// The project.
    pub project: Name,
    /// The environment.
    pub environment: Name,
}

impl EnvironmentId {
    /// `shop.production`: the stem of its route file.  Names hold no dot, so it is unambiguous.
    pub fn stem(&self) -> String {
        format!("{}.{}", self.project, self.environment)
    }
}

impl fmt::Display for EnvironmentId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.project, self.environment)
    }
}

impl FromStr for EnvironmentId {
    type Err = NotAName;

    fn from_str(text: &str) -> Result<EnvironmentId, NotAName> {
        let (project, environment) =
            text.split_once('/').ok_or_else(|| NotAName(text.to_owned()))?;
        Ok(EnvironmentId { project: project.parse()?, environment: environment.parse()? })
    }
}
