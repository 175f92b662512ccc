//! Which file a command means: as the child would find it, and never by a shell.

use std::{
    collections::BTreeMap,
    ffi::OsStr,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
};

/// Where programs are looked for when the child's environment names no PATH.
const DEFAULT_PATH: &str = "/usr/local/bin:/usr/bin:/bin";

/// Relative names with a slash start at `directory`; others are looked for in the child's PATH.
pub(crate) fn find(
    name: &str,
    directory: &Path,
    environment: &BTreeMap<String, String>,
) -> Result<PathBuf, String> {
    if !directory.is_dir() {
        return Err(format!("the directory {} is not there", directory.display()));
    }
    if name.contains('/') {
        return Ok(directory.join(name));
    }
    let path = environment.get("PATH").map_or(DEFAULT_PATH, String::as_str);
    std::env::split_paths(OsStr::new(path))
        .map(|folder| directory.join(folder).join(name))
        .find(|file| is_executable(file))
        .ok_or_else(|| {
            format!("the program {name} is not in PATH ({path}); install it or give its full path")
        })
}

fn is_executable(file: &Path) -> bool {
    std::fs::metadata(file)
        .is_ok_and(|metadata| metadata.is_file() && metadata.permissions().mode() & 0o111 != 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_found_in_the_childs_path_only() {
        let environment =
            BTreeMap::from([("PATH".to_owned(), "/nowhere:/usr/bin:/bin".to_owned())]);
        let found = find("true", Path::new("/"), &environment).unwrap();
        assert!(found.ends_with("bin/true"), "{}", found.display());
        let nowhere = BTreeMap::from([("PATH".to_owned(), "/nowhere".to_owned())]);
        assert!(find("true", Path::new("/"), &nowhere).unwrap_err().contains("not in PATH"));
    }

    #[test]
    fn relative_names_start_at_the_directory() {
        let none = BTreeMap::new();
        assert_eq!(find("bin/app", Path::new("/usr"), &none).unwrap(), Path::new("/usr/bin/app"));
        assert_eq!(find("/opt/app", Path::new("/usr"), &none).unwrap(), Path::new("/opt/app"));
        assert!(find("true", Path::new("/not/there"), &none).unwrap_err().contains("/not/there"));
    }
}
