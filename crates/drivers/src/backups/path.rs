//! Paths of the configuration, and names of files in a backup.

use crate::layout::Layout;
use model::{
    failure::{Blame, Failure},
    name::EnvironmentId,
};
use std::path::{Component, Path, PathBuf};

/// The longest name of a file in a backup.
const FILE_BYTES_MAX: usize = 200;

/// Where the configuration's path lies: absolute, or in the environment's directory.
pub(super) fn within(
    layout: &Layout,
    environment: &EnvironmentId,
    path: &str,
) -> Result<PathBuf, Failure> {
    let plain = Path::new(path)
        .components()
        .all(|it| matches!(it, Component::Normal(_) | Component::RootDir));
    if path.is_empty() || !plain || path.contains('\0') {
        let message = format!("find `{}`: it is no plain path", path.escape_debug());
        return Err(Failure::new(Blame::Request, message).hint("write it without `..`"));
    }
    Ok(layout.environment(environment).join(path))
}

/// Whether a part of a backup may be called so: one segment, and none of ours that is hidden.
pub(super) fn is_file_name(name: &str) -> bool {
    let fits = |it: u8| it.is_ascii_alphanumeric() || b"._-".contains(&it);
    (1..=FILE_BYTES_MAX).contains(&name.len())
        && name.bytes().all(fits)
        && !name.starts_with(['.', '-'])
}

/// A path as a part of a file's name.
pub(super) fn as_file_name(path: &str, at: usize) -> String {
    let fits = |it: char| if it.is_ascii_alphanumeric() { it } else { '-' };
    let name: String = path.trim_matches('/').chars().map(fits).take(60).collect();
    format!("files-{at}-{name}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_plain_names_are_files_of_a_backup() {
        for name in ["", ".", "..", "../x", "a/b", ".hidden", "-rf", "a b", "a\n", "metadata\0"] {
            assert!(!is_file_name(name), "{name:?}");
        }
        assert!(is_file_name("database-main.dump.zst.age"));
        assert!(is_file_name(&as_file_name("/srv/Ünicode/../x\n", 0)));
    }

    #[test]
    fn no_path_leads_out() {
        let layout = Layout::new(Path::new("/root"));
        let environment: EnvironmentId = "shop/production".parse().expect("it is one");
        for path in ["", "..", "../x", "shared/../../x", "/srv/../etc", "a\0b"] {
            assert!(within(&layout, &environment, path).is_err(), "{path:?}");
        }
        let found = within(&layout, &environment, "shared/uploads").ok();
        assert_eq!(found, Some("/root/projects/shop/production/shared/uploads".into()));
        let found = within(&layout, &environment, "/srv/uploads").ok();
        assert_eq!(found, Some("/srv/uploads".into()));
    }
}
