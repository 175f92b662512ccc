//! Directories that a build's `install` fills, kept for later builds of the project.
//!
//! They are copied, and never linked: builds write into what they installed (generated clients,
//! patches), and by a hard link that write would reach the kept copy and every release made from
//! it.  Where the file system shares blocks between copies, the copy takes none.

use super::{DirectoryReleases, make, record::names, walk};
use crate::{file, machine};
use model::{build::BuildSpec, failure::Failure, name::EnvironmentId};
use std::{
    fs::{self, File, Permissions},
    io,
    os::unix::fs::{MetadataExt, PermissionsExt, symlink},
    path::{Path, PathBuf},
    time::SystemTime,
};

/// Kept for each project.
const KEPT_MAX: usize = 4;
/// Leads the name of what is being written.
const PARTIAL: &str = ".partial-";

/// A lock file, the directory it fills, and whose version counts.  Virtual environments of Python
/// are not among them: their programs name the directory that they were installed in.
const KNOWN: [(&str, &str, &str); 7] = [
    ("package-lock.json", "node_modules", "node"),
    ("npm-shrinkwrap.json", "node_modules", "node"),
    ("yarn.lock", "node_modules", "node"),
    ("pnpm-lock.yaml", "node_modules", "node"),
    ("bun.lock", "node_modules", "bun"),
    ("Gemfile.lock", "vendor/bundle", "ruby"),
    ("composer.lock", "vendor", "php"),
];
/// What else decides what is installed, where it is there.
const BESIDES: [&str; 6] =
    ["package.json", ".npmrc", ".yarnrc.yml", "Gemfile", "composer.json", ".node-version"];

/// What the variables of programs that install begin with.
const INSTALLERS: [&str; 6] = ["NPM_", "YARN_", "PNPM_", "BUN_", "BUNDLE_", "COMPOSER_"];

/// What of a build is kept, and under which name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Dependencies {
    key: String,
    directories: Vec<String>,
}

impl Dependencies {
    /// Of a build that is run in `directory`; none: nothing of it is kept.  Blocks.
    pub(crate) fn of(build: &BuildSpec, directory: &Path) -> Option<Dependencies> {
        let install = build.install.as_ref()?;
        let mut hasher = blake3::Hasher::new();
        let mut part = |bytes: &[u8]| {
            hasher.update(&(bytes.len() as u64).to_le_bytes());
            hasher.update(bytes);
        };
        let (mut suggested, mut runtimes) = (vec![], vec![]);
        for (lock, filled, runtime) in KNOWN {
            let Ok(text) = fs::read(directory.join(lock)) else { continue };
            part(lock.as_bytes());
            part(&text);
            suggested.push(filled.to_owned());
            runtimes.push(runtime);
        }
        // Without a lock file the same command may install something else tomorrow.
        if suggested.is_empty() {
            return None;
        }
        suggested.dedup();
        runtimes.dedup();
        let directories = match &build.dependencies {
            Some(given) => given.clone(),
            None if has_workspaces(directory) => vec![],
            None => suggested,
        };
        for besides in BESIDES {
            part(besides.as_bytes());
            part(&fs::read(directory.join(besides)).unwrap_or_default());
        }
        for runtime in runtimes {
            part(machine::version_of(runtime).unwrap_or_default().as_bytes());
        }
        part(std::env::consts::ARCH.as_bytes());
        for word in install.iter().chain(&directories).chain(&build.directory) {
            part(word.as_bytes());
        }
        for (name, value) in build.env.iter().filter(|(name, _)| is_installers(name)) {
            part(name.as_bytes());
            part(value.as_bytes());
        }
        let key = hasher.finalize().to_hex().to_string();
        (!directories.is_empty()).then_some(Dependencies { key, directories })
    }
}

/// Some variables change what is installed: NODE_ENV leaves out what only the build needs.
fn is_installers(name: &str) -> bool {
    let name = name.to_ascii_uppercase();
    name == "NODE_ENV" || INSTALLERS.iter().any(|it| name.starts_with(it))
}

/// Each package of a workspace may have a directory of its own, which nobody named.
fn has_workspaces(directory: &Path) -> bool {
    let package = fs::read_to_string(directory.join("package.json")).unwrap_or_default();
    package.contains("\"workspaces\"") || directory.join("pnpm-workspace.yaml").exists()
}

impl DirectoryReleases {
    /// Puts what is kept where `install` would put it; false: nothing is kept.  Blocks.
    pub(crate) fn restore(
        &self,
        environment: &EnvironmentId,
        dependencies: &Dependencies,
        into: &Path,
    ) -> Result<bool, Failure> {
        let kept = self.layout.dependencies(&environment.project).join(&dependencies.key);
        if !kept.is_dir() {
            return Ok(false);
        }
        for (number, name) in dependencies.directories.iter().enumerate() {
            let (from, to) = (kept.join(number.to_string()), into.join(name));
            let copied = remove(&to).and_then(|()| match from.is_dir() {
                true => copy(&from, &to),
                // `install` did not make it.
                false => Ok(()),
            });
            if let Err(error) = copied {
                // Another project's build may have removed it meanwhile; it can be installed.
                tracing::warn!(%error, kept = %from.display(), "kept dependencies are not used");
                remove(&to).map_err(|error| file::failure("remove", &to, &error))?;
                return Ok(false);
            }
        }
        // The time of its last use decides what is kept.
        let _ = File::open(&kept).and_then(|it| it.set_modified(SystemTime::now()));
        Ok(true)
    }

    /// Keeps what `install` made.  Blocks.
    pub(crate) fn keep_dependencies(
        &self,
        environment: &EnvironmentId,
        dependencies: &Dependencies,
        from: &Path,
    ) -> Result<(), Failure> {
        let place = self.layout.dependencies(&environment.project);
        make(&place, file::MODE_PRIVATE_DIRECTORY)?;
        let kept = place.join(&dependencies.key);
        if kept.is_dir() {
            return Ok(());
        }
        // An environment builds one thing at a time.
        let partial = place.join(format!("{PARTIAL}{}", environment.environment));
        let written = (|| {
            remove(&partial)?;
            fs::create_dir(&partial)?;
            for (number, name) in dependencies.directories.iter().enumerate() {
                let made = from.join(name);
                if made.is_dir() {
                    copy(&made, &partial.join(number.to_string()))?;
                }
            }
            // Another environment may have kept the same meanwhile: then this one is left.
            let _ = fs::rename(&partial, &kept);
            remove(&partial)
        })();
        written.map_err(|error| file::failure("keep dependencies in", &place, &error))?;
        self.forget_old_dependencies(&place, &dependencies.key)
    }

    fn forget_old_dependencies(&self, place: &Path, newest: &str) -> Result<(), Failure> {
        let mut kept: Vec<(SystemTime, PathBuf)> = vec![];
        for name in names(place)? {
            let path = place.join(&name);
            if name == newest || name.starts_with(PARTIAL) {
                continue;
            }
            let used = fs::metadata(&path).and_then(|it| it.modified());
            kept.push((used.unwrap_or(SystemTime::UNIX_EPOCH), path));
        }
        kept.sort();
        let beyond = (kept.len() + 1).saturating_sub(KEPT_MAX);
        for (_, path) in kept.into_iter().take(beyond) {
            remove(&path).map_err(|error| file::failure("remove", &path, &error))?;
        }
        Ok(())
    }
}

/// Removes whatever is there, following no link.
pub(crate) fn remove(path: &Path) -> io::Result<()> {
    match fs::symlink_metadata(path) {
        Ok(metadata) if metadata.is_dir() => file::remove_tree(path),
        Ok(_) => file::remove(path),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error),
    }
}

/// Files, directories and links with their modes, as ours.
fn copy(from: &Path, to: &Path) -> io::Result<()> {
    if let Some(parent) = to.parent() {
        fs::create_dir_all(parent)?;
    }
    fs::create_dir(to)?;
    let mut modes = vec![(to.to_owned(), fs::metadata(from)?.mode())];
    walk::walk(from, &mut |found| {
        let place = to.join(found.relative);
        if found.metadata.is_dir() {
            fs::create_dir(&place)?;
            modes.push((place, found.metadata.mode()));
        } else if found.metadata.is_symlink() {
            symlink(fs::read_link(found.path)?, &place)?;
        } else if found.metadata.is_file() {
            // It follows no link: what is walked is not changed by anybody any more.
            fs::copy(found.path, &place)?;
        }
        Ok::<_, io::Error>(true)
    })?;
    // A directory that may not be written is filled first.
    for (place, mode) in modes {
        fs::set_permissions(place, Permissions::from_mode(mode & 0o777))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::layout::Layout;
    use model::{build::TIMEOUT, service::Limits};

    fn build(install: &[&str]) -> BuildSpec {
        BuildSpec {
            service: None,
            directory: None,
            clean: vec![],
            clean_dependencies: false,
            install: Some(install.iter().map(ToString::to_string).collect()),
            commands: vec![],
            test: vec![],
            dependencies: None,
            timeout: TIMEOUT,
            limits: Limits::default(),
            user: None,
            env: [].into(),
            secrets: vec![],
        }
    }

    fn write(path: &Path, text: &str) {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    #[test]
    fn the_key_changes_with_all_that_decides_what_is_installed() {
        let place = tempfile::tempdir().unwrap();
        let of = |build: &BuildSpec| Dependencies::of(build, place.path());
        assert_eq!(of(&build(&["npm", "ci"])), None, "no lock file");
        write(&place.path().join("package-lock.json"), "{}");
        let first = of(&build(&["npm", "ci"])).unwrap();
        assert_eq!(first.directories, ["node_modules"]);
        assert_eq!(of(&build(&["npm", "ci"])).unwrap(), first);
        assert_ne!(of(&build(&["npm", "ci", "--omit=dev"])).unwrap().key, first.key);
        let mut with_variable = build(&["npm", "ci"]);
        with_variable.env.insert("NODE_ENV".into(), "production".into());
        assert_ne!(of(&with_variable).unwrap().key, first.key);
        write(&place.path().join("package.json"), r#"{"name":"x"}"#);
        let second = of(&build(&["npm", "ci"])).unwrap();
        assert_ne!(second.key, first.key);
        write(&place.path().join("package-lock.json"), "{ }");
        assert_ne!(of(&build(&["npm", "ci"])).unwrap().key, second.key);
        write(&place.path().join("package.json"), r#"{"workspaces":["a"]}"#);
        assert_eq!(of(&build(&["npm", "ci"])), None, "nobody said which directories");
    }

    #[test]
    fn what_is_kept_is_a_copy_and_the_oldest_goes() {
        let root = tempfile::tempdir().unwrap();
        let releases = DirectoryReleases::new(Layout::new(root.path()));
        let environment: EnvironmentId = "shop/production".parse().unwrap();
        let tree = root.path().join("tree");
        let mut keys = vec![];
        for number in 0..KEPT_MAX + 2 {
            write(&tree.join("package-lock.json"), &number.to_string());
            write(&tree.join("node_modules/a/index.js"), &number.to_string());
            let _ = symlink("a/index.js", tree.join("node_modules/link"));
            let of_it = Dependencies::of(&build(&["npm", "ci"]), &tree).unwrap();
            assert!(!releases.restore(&environment, &of_it, &tree).unwrap());
            releases.keep_dependencies(&environment, &of_it, &tree).unwrap();
            keys.push(of_it);
        }
        let into = root.path().join("into");
        write(&into.join("node_modules/stale"), "");
        assert!(!releases.restore(&environment, &keys[0], &into).unwrap(), "the oldest went");
        let last = keys.last().unwrap();
        assert!(releases.restore(&environment, last, &into).unwrap());
        assert!(!into.join("node_modules/stale").exists());
        let file = into.join("node_modules/a/index.js");
        assert_eq!(fs::read_to_string(into.join("node_modules/link")).unwrap(), "5");
        // A build that writes into what it got changes nothing that is kept.
        fs::write(&file, "mine").unwrap();
        assert!(releases.restore(&environment, last, &into).unwrap());
        assert_eq!(fs::read_to_string(&file).unwrap(), "5");
        let place = Layout::new(root.path()).dependencies(&environment.project);
        assert_eq!(fs::read_dir(place).unwrap().count(), KEPT_MAX);
    }
}
