//! The role's few arguments, read by hand: a parser would cost more memory than the whole role.

use crate::RoleError;
use std::{ffi::OsString, path::PathBuf};

const USAGE: &str = "usage: cutover supervise --root ROOT \
                     (--instance ID [--adopt | --become | --ended] | --holder)";

/// What this process is to be.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Role {
    Instance {
        root: PathBuf,
        instance: String,
        adopt: bool,
    },
    /// Its program takes this process over: somebody else supervises it.
    Become {
        root: PathBuf,
        instance: String,
    },
    /// It has ended, and whoever supervises it tells how.
    Ended {
        root: PathBuf,
        instance: String,
    },
    Holder {
        root: PathBuf,
    },
}

pub(crate) fn parse(arguments: &[OsString]) -> Result<Role, RoleError> {
    let mut root = None;
    let mut instance = None;
    let mut adopt = false;
    let mut becomes = false;
    let mut ended = false;
    let mut holder = false;
    let mut rest = arguments.iter().peekable();
    rest.next_if(|first| *first == "supervise");
    while let Some(argument) = rest.next() {
        match argument.to_str() {
            Some("--root") => root = rest.next().map(PathBuf::from),
            Some("--instance") => instance = rest.next().and_then(|id| id.to_str()),
            Some("--adopt") => adopt = true,
            Some("--become") => becomes = true,
            Some("--ended") => ended = true,
            Some("--holder") => holder = true,
            _ => return Err(RoleError::failed(USAGE)),
        }
    }
    let root = root.ok_or_else(|| RoleError::failed(USAGE))?;
    let root = std::path::absolute(&root)
        .map_err(|error| RoleError::failed(format!("{}: {error}", root.display())))?;
    match (instance, holder) {
        (Some(instance), false) if is_name(instance) && ended && !becomes && !adopt => {
            Ok(Role::Ended { root, instance: instance.to_owned() })
        }
        (Some(instance), false) if is_name(instance) && becomes && !adopt && !ended => {
            Ok(Role::Become { root, instance: instance.to_owned() })
        }
        (Some(instance), false) if is_name(instance) && !becomes && !ended => {
            Ok(Role::Instance { root, instance: instance.to_owned(), adopt })
        }
        (None, true) if !adopt && !becomes && !ended => Ok(Role::Holder { root }),
        _ => Err(RoleError::failed(USAGE)),
    }
}

/// An instance's id is a directory's name, so it may lead nowhere else.
fn is_name(instance: &str) -> bool {
    !instance.is_empty()
        && !instance.starts_with('.')
        && !instance.contains(|character: char| character == '/' || character.is_control())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(words: &[&str]) -> Result<Role, RoleError> {
        parse(&words.iter().map(OsString::from).collect::<Vec<_>>())
    }

    #[test]
    fn both_roles_are_understood_with_and_without_the_verb() {
        let expected =
            Role::Instance { root: "/r".into(), instance: "web-1".to_owned(), adopt: true };
        let words = ["supervise", "--root", "/r", "--instance", "web-1", "--adopt"];
        assert_eq!(parsed(&words).unwrap(), expected);
        assert_eq!(parsed(&words[1..]).unwrap(), expected);
        let becomes = parsed(&["--root", "/r", "--instance", "web-1", "--become"]).unwrap();
        assert_eq!(becomes, Role::Become { root: "/r".into(), instance: "web-1".to_owned() });
        let holder = parsed(&["--holder", "--root", "/r"]).unwrap();
        assert_eq!(holder, Role::Holder { root: "/r".into() });
    }

    #[test]
    fn what_names_no_role_is_refused() {
        for words in [
            &["--root", "/r"][..],
            &["--instance", "web-1"],
            &["--root", "/r", "--instance", "../x"],
            &["--root", "/r", "--instance", ""],
            &["--root", "/r", "--instance", "web-1", "--holder"],
            &["--root", "/r", "--holder", "--adopt"],
            &["--root", "/r", "--holder", "--become"],
            &["--root", "/r", "--instance", "web-1", "--become", "--adopt"],
            &["--root", "/r", "--instance", "web-1", "--become", "--ended"],
            &["--root"],
            &["--root", "/r", "--holder", "--unknown"],
        ] {
            assert_eq!(parsed(words).unwrap_err().code, crate::EXIT_FAILED, "{words:?}");
        }
    }
}
