//! Where the state lies when nobody says.

use crate::halt::Halt;
use std::{
    env,
    ffi::OsString,
    path::{Path, PathBuf},
};

/// The state directory, absolute: what is given, else the user's usual place.
///
/// # Errors
///
/// Where nothing is given and the user has no home.
pub fn resolve(given: Option<&Path>) -> Result<PathBuf, Halt> {
    let path = match given {
        Some(given) => given.to_owned(),
        None => default(
            rustix::process::geteuid().is_root(),
            env::var_os("XDG_STATE_HOME"),
            env::var_os("HOME"),
        )
        .ok_or_else(|| {
            Halt::usage("find the state directory: HOME is not set")
                .hint("name it with `--root DIR`")
        })?,
    };
    std::path::absolute(&path)
        .map_err(|it| Halt::usage(format!("use `{}` as state directory: {it}", path.display())))
}

fn default(is_root: bool, state: Option<OsString>, home: Option<OsString>) -> Option<PathBuf> {
    if is_root {
        return Some(PathBuf::from("/var/lib/cutover"));
    }
    // The specification of these variables says that a relative path is to be ignored.
    let absolute = |it: OsString| Some(PathBuf::from(it)).filter(|it| it.is_absolute());
    let state = state.and_then(absolute);
    state
        .or_else(|| home.and_then(absolute).map(|it| it.join(".local/state")))
        .map(|it| it.join("cutover"))
}

#[cfg(test)]
mod tests {
    use super::default;
    use std::path::PathBuf;

    #[test]
    fn it_is_where_state_usually_lies() {
        let some = |it: &str| Some(it.into());
        let path = |it: &str| Some(PathBuf::from(it));
        assert_eq!(default(true, some("/s"), some("/h")), path("/var/lib/cutover"));
        assert_eq!(default(false, some("/s"), some("/h")), path("/s/cutover"));
        assert_eq!(default(false, some("s"), some("/h")), path("/h/.local/state/cutover"));
        assert_eq!(default(false, None, some("/h")), path("/h/.local/state/cutover"));
        assert_eq!(default(false, None, None), None);
    }
}
