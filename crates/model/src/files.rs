//! Static services: a directory of a release, whose files the router itself answers with.

use crate::{
    deployment::Finding,
    failure::{Blame, Failure},
    name::Name,
};
use serde::{Deserialize, Serialize};

/// Earlier releases whose files stay reachable, at most.
pub const EARLIER_MAX: usize = 3;

/// What a static service serves.  Paths are relative, without `.` and `..`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Files {
    /// In the release; empty: all of it.
    pub directory: String,
    /// Answers for a directory; none: nothing does.
    pub index: Option<String>,
    /// Answers for each path that is no file's, in the directory; none: nothing does.
    pub fallback: Option<String>,
}

/// The files behind a route.  Whose they are, the route's only instance says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ServedFiles {
    /// Of the release that serves.
    pub files: Files,
    /// Where files that it does not have any more are looked for, the newest first.
    pub earlier: Vec<Earlier>,
}

/// An earlier release whose pages may still be open somewhere.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Earlier {
    /// Its version.
    pub version: String,
    /// In its content.
    pub directory: String,
}

/// What a static service needs and the release does not bring.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Lack {
    /// The directory.
    Directory(Name, String),
    /// A file: the index, or the fallback.
    File(Name, String),
}

impl Lack {
    /// As preflight has it: what cannot answer is never switched to.
    pub fn finding(&self) -> Finding {
        let (message, hint) = match self {
            Lack::Directory(service, path) => (
                format!("serve `{service}`: the release has no directory `{path}`"),
                "build it before you deploy, or change `directory` in the configuration",
            ),
            Lack::File(service, path) => (
                format!("serve `{service}`: the release has no file `{path}`"),
                "build it before you deploy, or say `index: none`, or leave `fallback` out",
            ),
        };
        let failure = Failure::new(Blame::Release, message).hint(hint);
        Finding { failure, overridable: false }
    }
}

/// `a/b` of `a` and `b`; either may be empty.
pub fn joined(directory: &str, path: &str) -> String {
    match (directory, path) {
        ("", it) | (it, "") => it.to_owned(),
        (directory, path) => format!("{directory}/{path}"),
    }
}
