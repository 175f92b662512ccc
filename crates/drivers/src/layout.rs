//! Where everything lies under the state directory.

use model::{
    backup::BackupName,
    id::{DeploymentId, Generation, InstanceId, ReleaseId},
    instance::Instance,
    name::{EnvironmentId, Name},
};
use proxy::{address::UNIX, links};
use std::path::{Path, PathBuf};

/// All paths under one `--root`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Layout {
    root: PathBuf,
}

impl Layout {
    /// Of the state directory at `root`.
    pub fn new(root: &Path) -> Layout {
        Layout { root: root.to_owned() }
    }

    /// The state directory.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// The controller's database.
    pub fn database(&self) -> PathBuf {
        self.root.join("state.db")
    }

    /// Space that is given up so that the journal can be written on a full disk.
    pub fn reserve(&self) -> PathBuf {
        self.root.join("reserve.bin")
    }

    /// The controller's socket.
    pub fn daemon_socket(&self) -> PathBuf {
        self.root.join("daemon.sock")
    }

    /// The controller's log.
    pub fn daemon_log(&self) -> PathBuf {
        self.root.join("daemon.log")
    }

    /// That units of the host's systemd run our roles, where they do.
    pub fn units(&self) -> PathBuf {
        self.root.join("units.json")
    }

    /// Route files.
    pub fn routes(&self) -> PathBuf {
        self.root.join("routes")
    }

    /// What the environment's traffic goes by.
    pub fn live_routes(&self, environment: &EnvironmentId) -> PathBuf {
        self.routes().join(format!("{}.json", environment.stem()))
    }

    /// A generation that is staged, or is fallen back to.
    pub fn staged_routes(&self, environment: &EnvironmentId, generation: Generation) -> PathBuf {
        self.routes().join(format!("{}.{generation}.json", environment.stem()))
    }

    /// The proxy's and its holder's directory.
    pub fn proxy(&self) -> PathBuf {
        self.root.join("proxy")
    }

    /// What the holder holds.
    pub fn holder_spec(&self) -> PathBuf {
        self.proxy().join("holder.json")
    }

    /// The directories of all instances.
    pub fn instances(&self) -> PathBuf {
        self.root.join("run")
    }

    /// One instance's directory.
    pub fn instance(&self, instance: &InstanceId) -> PathBuf {
        self.instances().join(&instance.0)
    }

    /// What the instance was told to run.
    pub fn instance_spec(&self, instance: &InstanceId) -> PathBuf {
        self.instance(instance).join("spec.json")
    }

    /// The directory in which the instance makes its socket: its own user's.
    pub fn socket_directory(&self, instance: &InstanceId) -> PathBuf {
        links::socket_directory(&self.root, &instance.0)
    }

    /// Where the instance listens, if it does at a socket.
    pub fn socket(&self, instance: &InstanceId) -> PathBuf {
        links::socket_path(&self.root, &instance.0)
    }

    /// The directories of the links by which nginx goes straight to instances.
    pub fn links(&self) -> PathBuf {
        self.root.join(links::DIRECTORY)
    }

    /// Where the instance answers: `127.0.0.1:PORT` or `unix:PATH`; none: nowhere.
    pub fn address(&self, instance: &Instance) -> Option<String> {
        let at_socket = || format!("{UNIX}{}", self.socket(&instance.id).display());
        instance.address().or_else(|| instance.socket.then(at_socket))
    }

    /// How PM2 runs the instance, where it does.
    pub fn instance_pm2(&self, instance: &InstanceId) -> PathBuf {
        self.instance(instance).join("pm2.json")
    }

    /// That systemd runs the instance, where it does.
    pub fn instance_systemd(&self, instance: &InstanceId) -> PathBuf {
        self.instance(instance).join("systemd.json")
    }

    /// `PM2_HOME`, where the user names none.
    pub fn pm2_home(&self) -> PathBuf {
        self.root.join("pm2")
    }

    /// What PM2 and Node load on our behalf; instances of other users read it.
    pub fn pm2_scripts(&self) -> PathBuf {
        self.root.join("pm2-scripts")
    }

    /// A directory like this one, whose `run/` holds one-off processes instead of instances.
    pub fn one_off(&self) -> Layout {
        Layout { root: self.root.join("one-off") }
    }

    /// What was asked for of a one-off process; of the layout that [`Layout::one_off`] gives.
    pub fn one_off_record(&self, id: &InstanceId) -> PathBuf {
        self.instance(id).join("one-off.json")
    }

    /// What a one-off process writes: to stdout, to stderr, and both with times.
    pub fn one_off_logs(&self, environment: &EnvironmentId, id: &InstanceId) -> [PathBuf; 3] {
        let directory = self.logs_directory(environment).join("runs");
        ["out", "error", "combined"].map(|it| directory.join(format!("{id}-{it}.log")))
    }

    /// The directories of all projects.
    pub fn projects(&self) -> PathBuf {
        self.root.join("projects")
    }

    /// A project's directory.
    pub fn project(&self, project: &Name) -> PathBuf {
        self.projects().join(project.as_str())
    }

    /// The bare mirror of a project's repository.
    pub fn mirror(&self, project: &Name) -> PathBuf {
        self.project(project).join("mirror.git")
    }

    /// Locked while the mirror is changed.
    pub fn mirror_lock(&self, project: &Name) -> PathBuf {
        self.project(project).join("mirror.lock")
    }

    /// An environment's directory.
    pub fn environment(&self, environment: &EnvironmentId) -> PathBuf {
        self.project(&environment.project).join(environment.environment.as_str())
    }

    /// The directories of all releases.
    pub fn releases(&self, environment: &EnvironmentId) -> PathBuf {
        self.environment(environment).join("releases")
    }

    /// One release's content.
    pub fn release(&self, environment: &EnvironmentId, version: &str) -> PathBuf {
        self.releases(environment).join(version)
    }

    /// Points at the release that serves.
    pub fn current(&self, environment: &EnvironmentId) -> PathBuf {
        self.environment(environment).join("current")
    }

    /// Points at the release to go back to.
    pub fn previous(&self, environment: &EnvironmentId) -> PathBuf {
        self.environment(environment).join("previous")
    }

    /// What the machine's other programs read.
    pub fn manifest(&self, environment: &EnvironmentId) -> PathBuf {
        self.environment(environment).join("manifest.json")
    }

    /// The directory of the environment's logs.
    pub fn logs_directory(&self, environment: &EnvironmentId) -> PathBuf {
        self.environment(environment).join("logs")
    }

    /// What its instances write: to stdout, to stderr, and both with times and instances.
    pub fn logs(&self, environment: &EnvironmentId) -> (PathBuf, PathBuf, PathBuf) {
        let log = |stream: &str| {
            let name = format!("{}-{stream}.log", environment.environment);
            self.logs_directory(environment).join(name)
        };
        (log("out"), log("error"), log("combined"))
    }

    /// The directory of one log a deployment.
    pub fn deployment_logs(&self, environment: &EnvironmentId) -> PathBuf {
        self.logs_directory(environment).join("deployments")
    }

    /// The directory of releases' records.
    pub fn records(&self, environment: &EnvironmentId) -> PathBuf {
        self.environment(environment).join("records")
    }

    /// One release's record.
    pub fn record(&self, environment: &EnvironmentId, release: &ReleaseId) -> PathBuf {
        self.records(environment).join(format!("{release}.json"))
    }

    /// What each kept release consists of: `VERSION.json` and `VERSION.list`.
    pub fn contents(&self, environment: &EnvironmentId) -> PathBuf {
        self.environment(environment).join("contents")
    }

    /// Plans and prepared releases that are kept for later.
    pub fn saved(&self, environment: &EnvironmentId) -> PathBuf {
        self.environment(environment).join("plans")
    }

    /// The directories of all backups.
    pub fn backups(&self, environment: &EnvironmentId) -> PathBuf {
        self.environment(environment).join("backups")
    }

    /// One backup.
    pub fn backup(&self, environment: &EnvironmentId, backup: &BackupName) -> PathBuf {
        self.backups(environment).join(backup.as_str())
    }

    /// What is not a backup yet.
    pub fn unfinished_backup(&self, environment: &EnvironmentId, backup: &BackupName) -> PathBuf {
        self.backups(environment).join(format!(".{backup}.unfinished"))
    }

    /// Locked while backups are made, restored or removed.
    pub fn backups_lock(&self, environment: &EnvironmentId) -> PathBuf {
        self.backups(environment).join(".lock")
    }

    /// Content that is not a release yet.
    pub fn incoming(&self, environment: &EnvironmentId) -> PathBuf {
        self.environment(environment).join("incoming")
    }

    /// The home of an environment's build while it runs.
    pub fn build_home(&self, environment: &EnvironmentId) -> PathBuf {
        self.environment(environment).join(".build-home")
    }

    /// Dependencies that builds of a project installed, by key.
    pub fn dependencies(&self, project: &Name) -> PathBuf {
        self.project(project).join(".dependencies")
    }

    /// What was sent for a deployment.
    pub fn upload(&self, environment: &EnvironmentId, deployment: &DeploymentId) -> PathBuf {
        self.incoming(environment).join(&deployment.0)
    }
}
