//! What may be typed.

pub mod backup;
pub mod cert;
pub mod cleanup;
pub mod control;
pub mod demo;
pub mod env;
pub mod exec;
pub mod later;
pub mod looking;
pub mod maintenance;
pub mod migrate;
pub mod nginx;
pub mod own;
pub mod paper;
pub mod project;
pub mod releases;
mod rollback;
pub mod run;
pub mod setup;

use backup::Backup;
use cert::Cert;
use clap::{ArgAction, Args, Parser, Subcommand};
use cleanup::Cleanup;
use control::{Freeze, Insisted, Lift, Lock, Promote, Turn};
use demo::Demo;
use env::Env;
use exec::Exec;
use later::Later;
pub use looking::{Audit, LogStream, Logs, SupportBundle, Top};
use maintenance::Maintenance;
use migrate::Migrate;
use model::name::Name;
use nginx::Nginx;
use own::{Limit, Own};
use paper::{Completion, Man};
use project::Project;
use releases::Releases;
pub use rollback::Rollback;
use run::Run;
use setup::Setup;
use std::path::PathBuf;

const MAIN_HELP: &str = "\
TARGET is ENVIRONMENT, PROJECT/ENVIRONMENT or PROJECT ENVIRONMENT.  It may be
left out where there is only one environment.

Examples:
  cutover init                        write a configuration for this directory
  cutover deploy production 1.3.0     deploy, and go back if it does not work
  cutover rollback production         go back to the release before
  cutover status                      see what serves
  cutover --json deploy production    for programs: one JSON object a line

Exit codes:
  0  deployed, or done                    5    needs attention
  1  usage or configuration               6    another has the lock
  2  preflight failed, nothing touched    7    unreachable
  3  aborted before the switch            130  detached: it goes on without you
  4  rolled back";

/// Zero-downtime releases: deploys beside what runs, switches the traffic, and goes back by itself.
#[derive(Debug, Parser)]
#[command(
    name = "cutover",
    version,
    after_help = MAIN_HELP,
    override_usage = "cutover [OPTIONS] VERB [TARGET] …",
    subcommand_value_name = "VERB",
    subcommand_help_heading = "Verbs",
    disable_help_subcommand = true,
    max_term_width = 100
)]
pub struct Cli {
    #[command(flatten)]
    pub globals: Globals,
    #[command(subcommand)]
    pub verb: Verb,
}

/// Options before the verb.
#[derive(Clone, Debug, Default, Args)]
pub struct Globals {
    /// Read this configuration instead of `cutover.yml` or `projects.yml` here.
    #[arg(short, long, value_name = "FILE")]
    pub file: Option<PathBuf>,
    /// Keep the state in this directory.
    #[arg(long, value_name = "DIR")]
    pub root: Option<PathBuf>,
    /// Print JSON: one object, or one a line while something goes on.
    #[arg(long)]
    pub json: bool,
    /// Print only the last line.
    #[arg(short, long, conflicts_with = "verbose")]
    pub quiet: bool,
    /// Print every step.
    #[arg(short, long, action = ArgAction::Count)]
    pub verbose: u8,
    /// Print no colours.
    #[arg(long)]
    pub no_color: bool,
}

/// What is to be done.
#[derive(Debug, Subcommand)]
pub enum Verb {
    /// Deploy a release and move the traffic to it.
    Deploy(Deploy),
    /// Show what a deployment would do, and do nothing.
    Plan(Plan),
    /// Deploy the content that one environment serves to another; or end the watch of a release.
    Promote(Promote),
    /// Watch a deployment that goes on.
    Attach(Which),
    /// Turn a deployment back.
    Abort(Which),
    /// Go on with a deployment that needs attention.
    Resume(Which),
    /// Go back to an earlier release.
    Rollback(Rollback),
    /// Show who has the lock of an environment and who waits; or keep it by hand.
    Lock(Lock),
    /// Give back a lock that was kept by hand.
    Unlock(Lift),
    /// Let no other release come to an environment; going back is allowed.
    Freeze(Freeze),
    /// Let other releases come again.
    Unfreeze(Lift),
    /// Show what serves, on one screen.
    Status(Status),
    /// List deployments, newest first.
    History(History),
    /// Show who asked for which change, and whether that list was changed.
    Audit(Audit),
    /// Show one deployment: its steps, times and failures.
    Show(Which),
    /// Ask every instance that serves, and the public route, whether they are healthy.
    Health(Health),
    /// List instances.
    Ps(Target),
    /// Show what instances wrote.
    Logs(Logs),
    /// Run a command once, as a service of the release that serves.
    Run(Run),
    /// Ask how a database stands, and bring it forward or back.
    Migrate(Migrate),
    /// Run a command beside a running instance, on a terminal if there is one.
    Exec(Exec),
    /// Show what variables instances are given, and change the env file.
    Env(Env),
    /// Show what instances take, live.
    Top(Top),
    /// Print what the proxy counts, for Prometheus.
    Metrics,
    /// Write one file with all that who helps needs to know, and no secret.
    SupportBundle(SupportBundle),
    /// Replace all instances by new ones of the same release, without downtime.
    #[command(visible_alias = "reload")]
    Restart(Change),
    /// End all instances; clients get 503 until `start`.
    Stop(Change),
    /// Run the instances of the release that was stopped.
    Start(Change),
    /// Run more or fewer instances.
    Scale(Scale),
    /// List, show, compare, verify and remove releases.
    Releases(Releases),
    /// Make, list, show, verify, try, restore and remove backups.
    Backup(Backup),
    /// Free space on a disk that is full.
    Cleanup(Cleanup),
    /// End everything of ours under this state directory, or one environment.
    Down(Down),
    /// Start, stop or look at the controller.
    Daemon(Daemon),
    /// Start, stop or look at the proxy.
    Proxy(Proxy),
    /// Tell an environment's clients to come again, but for those who work on it.
    Maintenance(Maintenance),
    /// Look at the certificates that the proxy presents, and have them read again.
    Cert(Cert),
    /// Have systemd run the controller and the proxy, so that all serves again after a boot.
    Setup(Setup),
    /// Look whether the journal and the units can be used, or make a new journal.
    Doctor(Doctor),
    /// See all of it work in half a minute, in a folder of its own.
    Demo(Demo),
    /// Write a configuration for this directory.
    Init,
    /// Report everything that is wrong with the configuration.
    Check(Check),
    /// List, add and remove projects of the configuration.
    Project(Project),
    /// Write nginx's files, and put them in force.
    Nginx(Nginx),
    /// Print the JSON Schema of the configuration, for editors.
    Schema,
    /// List secrets and where they come from, never their values.
    Secrets(Secrets),
    /// Print a script by which a shell completes verbs and options.
    Completion(Completion),
    /// Print a page of the manual.
    Man(Man),
    /// Put another build in the place of this program, and have everything run it.
    #[command(name = "self")]
    Own(Own),
    /// Print the version.
    Version {
        /// Tell which build each of our processes runs.
        #[arg(long)]
        all: bool,
    },
}

/// `doctor`
#[derive(Debug, Args)]
#[command(after_help = "The journal is state.db under the state directory.  Where it is damaged,
gone or an older copy, the controller does not act, and what serves goes on.")]
pub struct Doctor {
    /// Make a new journal from the route files, run directories and releases; the old one is put
    /// aside, and with it the history and what was stopped.
    #[arg(long)]
    pub rebuild: bool,
}

/// Words that name an environment.
#[derive(Debug, Args)]
#[command(override_usage = "cutover ps [TARGET]")]
pub struct Target {
    /// The environment.
    #[arg(value_name = "TARGET", num_args = 0..=2)]
    pub words: Vec<String>,
}

/// `deploy`
#[derive(Debug, Args)]
#[command(
    override_usage = "cutover deploy [OPTIONS] [TARGET] [VERSION]",
    after_help = "Examples:
  cutover deploy production 1.3.0
  cutover deploy production 1.3.0 --from ./dist --reason \"fixes the cart\"
  cutover deploy staging --from main
  cutover deploy production --env-only
  cutover production deploy"
)]
pub struct Deploy {
    #[command(flatten)]
    pub release: Wanted,
    #[command(flatten)]
    pub turn: Turn,
    #[command(flatten)]
    pub later: Later,
    /// Show what would be done, and do nothing.
    #[arg(long)]
    pub dry_run: bool,
    /// Do not watch: end as soon as it is accepted.
    #[arg(short, long)]
    pub detach: bool,
    /// Do not ask for confirmation.
    #[arg(short, long)]
    pub yes: bool,
}

/// `plan`
#[derive(Debug, Args)]
#[command(
    override_usage = "cutover plan [OPTIONS] [TARGET] [VERSION]",
    after_help = "Examples:
  cutover plan production 1.3.0
  cutover plan production 1.3.0 --save
  cutover --json plan production 1.3.0 --from ./dist"
)]
pub struct Plan {
    #[command(flatten)]
    pub release: Wanted,
    /// Keep it with its content for a day, for `deploy --plan ID`.
    #[arg(long)]
    pub save: bool,
}

/// Which release, and what is overridden for it.
#[derive(Debug, Args)]
pub struct Wanted {
    /// The environment, then the version; either may be left out where it is clear.
    #[arg(value_name = "TARGET VERSION", num_args = 0..=3)]
    pub words: Vec<String>,
    /// Take the content from this directory, archive, branch, tag or commit.
    #[arg(long, value_name = "PATH|REF")]
    pub from: Option<String>,
    /// Deploy the content that serves with the configuration and the variables as they are now.
    #[arg(long, conflicts_with = "from")]
    pub env_only: bool,
    /// Start and switch only this service, and leave the others as they run; may be repeated.
    #[arg(long, value_name = "NAME")]
    pub service: Vec<Name>,
    #[command(flatten)]
    pub insisted: Insisted,
    /// Do not ask for health; readiness is still awaited.
    #[arg(long)]
    pub skip_health_check: bool,
    /// Do not run smoke tests.
    #[arg(long)]
    pub skip_smoke: bool,
    /// Back nothing up before the first change: a rollback cannot bring data back then.
    #[arg(long)]
    pub skip_backup: bool,
    /// Do not migrate databases.
    #[arg(long)]
    pub skip_migrate: bool,
    /// Open `age` secrets with the identities in this file.
    #[arg(long, value_name = "FILE")]
    pub identity: Option<PathBuf>,
}

/// Words that name a deployment.
#[derive(Debug, Args)]
pub struct Which {
    /// The deployment's id or `latest`, or the environment whose latest is meant.
    #[arg(value_name = "ID|TARGET", num_args = 0..=3)]
    pub words: Vec<String>,
}

/// `status`
#[derive(Debug, Args)]
#[command(override_usage = "cutover status [OPTIONS] [TARGET]")]
pub struct Status {
    /// The environment; all, where it is left out.
    #[arg(value_name = "TARGET", num_args = 0..=2)]
    pub words: Vec<String>,
    /// Also list all the last deployments.
    #[arg(long)]
    pub history: bool,
    /// Also list what could be gone back to.
    #[arg(long)]
    pub rollback_options: bool,
}

/// `history`
#[derive(Debug, Args)]
#[command(override_usage = "cutover history [OPTIONS] [TARGET]")]
pub struct History {
    /// The environment.
    #[arg(value_name = "TARGET", num_args = 0..=2)]
    pub words: Vec<String>,
    /// So many deployments.
    #[arg(long, value_name = "COUNT", default_value_t = 20)]
    pub limit: usize,
}

/// `restart`, `stop`, `start`
#[derive(Debug, Args)]
pub struct Change {
    /// The environment.
    #[arg(value_name = "TARGET", num_args = 0..=2)]
    pub words: Vec<String>,
    /// Say why; it is recorded.
    #[arg(long, value_name = "TEXT")]
    pub reason: Option<String>,
    #[command(flatten)]
    pub turn: Turn,
}

/// `scale`
#[derive(Debug, Args)]
#[command(
    override_usage = "cutover scale [OPTIONS] [TARGET] SERVICE=COUNT…",
    after_help = "Example:
  cutover scale production web=4 worker=2"
)]
pub struct Scale {
    /// The environment, then so many instances of each service.
    #[arg(value_name = "TARGET SERVICE=COUNT", num_args = 1.., required = true)]
    pub words: Vec<String>,
    /// Say why; it is recorded.
    #[arg(long, value_name = "TEXT")]
    pub reason: Option<String>,
    #[command(flatten)]
    pub turn: Turn,
}

/// `down`
#[derive(Debug, Args)]
#[command(
    override_usage = "cutover down [OPTIONS] [TARGET]",
    after_help = "Without a target everything ends: instances, proxy and controller.
Releases, logs and the journal are kept.  It asks for confirmation by typing
the word `down`."
)]
pub struct Down {
    /// The environment; everything, where it is left out.
    #[arg(value_name = "TARGET", num_args = 0..=2)]
    pub words: Vec<String>,
    /// Everything under this state directory.
    #[arg(long, conflicts_with = "words")]
    pub all: bool,
    /// Do not ask for confirmation.
    #[arg(short, long)]
    pub yes: bool,
    /// What serves is not recorded as stopped: it serves again once the controller is started.
    #[arg(long, requires = "all")]
    pub until_start: bool,
}

/// `daemon`
#[derive(Debug, Args)]
pub struct Daemon {
    #[command(subcommand)]
    pub act: DaemonAct,
}

/// What is to be done with the controller.
#[derive(Debug, Subcommand)]
pub enum DaemonAct {
    /// Start it, if it does not run; verbs that need it do so by themselves.
    Start {
        /// End the one that runs, and take its place.
        #[arg(long)]
        take_over: bool,
    },
    /// Be the controller, in the foreground.
    Run {
        /// End the one that runs, and take its place.
        #[arg(long)]
        take_over: bool,
    },
    /// Replace it by one of this program, where it runs; a deployment on its way goes on.
    Upgrade,
    /// End it; instances and proxy go on.
    Stop,
    /// Show whether it runs.
    Status,
}

/// `proxy`
#[derive(Debug, Args)]
pub struct Proxy {
    #[command(subcommand)]
    pub act: ProxyAct,
}

/// What is to be done with the proxy.
#[derive(Debug, Subcommand)]
pub enum ProxyAct {
    /// Start it, if it does not run; deployments do so by themselves.
    Start,
    /// End it once what is in flight has finished.  Nothing is served then.
    Stop {
        /// Do not ask for confirmation.
        #[arg(short, long)]
        yes: bool,
    },
    /// Replace its process by a new one of this program; no connection is dropped.
    Restart {
        /// Only where the one that runs was started by a holder that is gone.
        #[arg(long)]
        left_over: bool,
    },
    /// Replace it, and what holds its listeners, by ones of this program; no connection is dropped.
    Upgrade {
        #[command(flatten)]
        limit: Limit,
    },
    /// Show what it serves.
    Status,
}

/// `check`
#[derive(Debug, Args)]
#[command(
    after_help = "Ends with 1 where something is wrong.  docs/configuration.md says of every \
                        key and every warning."
)]
pub struct Check {
    /// End with 1 for warnings too.
    #[arg(long)]
    pub strict: bool,
    /// Print workflow commands, which GitHub shows beside the source.
    #[arg(long)]
    pub github: bool,
}

/// `health`
#[derive(Debug, Args)]
#[command(
    override_usage = "cutover health [TARGET]",
    after_help = "Ends with 0 where everything is healthy, else with 1.

Examples:
  cutover health production
  cutover --json health production"
)]
pub struct Health {
    /// The environment.
    #[arg(value_name = "TARGET", num_args = 0..=2)]
    pub words: Vec<String>,
    /// Print JSON.
    #[arg(long = "json")]
    pub as_json: bool,
}

/// `secrets`
#[derive(Debug, Args)]
pub struct Secrets {
    #[command(subcommand)]
    pub act: SecretsAct,
}

/// What is to be done with secrets.
#[derive(Debug, Subcommand)]
pub enum SecretsAct {
    /// List their names and where their values come from.
    List(Target),
}

#[cfg(test)]
mod tests {
    use super::{Cli, Verb};
    use clap::{CommandFactory, Parser};

    fn parsed(words: &str) -> Result<Cli, clap::Error> {
        Cli::try_parse_from(std::iter::once("cutover").chain(words.split_whitespace()))
    }

    #[test]
    fn the_grammar_is_sound() {
        Cli::command().debug_assert();
    }

    #[test]
    fn the_verbs_are_these_and_no_others() {
        let command = Cli::command();
        let verbs: Vec<&str> = command.get_subcommands().map(clap::Command::get_name).collect();
        let expected = "deploy plan promote attach abort resume rollback lock unlock freeze \
                        unfreeze status history audit show health ps logs run migrate exec env \
                        top metrics support-bundle restart stop start scale releases backup \
                        cleanup down daemon proxy maintenance cert setup doctor demo init check \
                        project nginx schema secrets completion man self version";
        assert_eq!(verbs.join(" "), expected);
    }

    #[test]
    fn global_options_stand_before_the_verb() {
        let cli = parsed("-f x.yml --root /r --json --no-color -v logs production -f -n 3");
        let Cli { globals, verb: Verb::Logs(logs) } = cli.unwrap() else { panic!("not logs") };
        assert_eq!(globals.file.unwrap().to_str(), Some("x.yml"));
        assert!(globals.json && globals.no_color && globals.verbose == 1);
        assert!(logs.follow && logs.lines == 3 && logs.words == ["production"]);
        for words in ["status --json", "deploy --root /r", "-q -v status", "deploy a b c d"] {
            assert!(parsed(words).is_err(), "{words}");
        }
    }

    #[test]
    fn a_turn_is_waited_for_so_long() {
        let of = |words: &str| match parsed(words).unwrap().verb {
            Verb::Deploy(deploy) => deploy.turn,
            Verb::Rollback(rollback) => rollback.turn,
            other => panic!("{other:?}"),
        };
        let seconds = |words: &str| of(words).wait.map(|it| it.as_secs());
        assert_eq!(seconds("deploy production 1.0.0 --wait"), Some(600));
        assert_eq!(seconds("deploy --wait production 1.0.0"), Some(600));
        assert_eq!(seconds("deploy production --wait=90s"), Some(90));
        assert_eq!(seconds("rollback production"), None);
        assert!(of("rollback production --supersede --break-lock").supersede);
        for words in ["deploy --wait=soon", "deploy --wait=25h", "freeze production"] {
            assert!(parsed(words).is_err(), "{words}");
        }
    }

    #[test]
    fn what_is_not_built_is_not_understood() {
        for words in
            ["exec production web", "run production", "deploy --strategy canary", "help", ""]
        {
            assert!(parsed(words).is_err(), "{words}");
        }
    }

    #[test]
    fn a_deployment_takes_target_version_and_overrides() {
        let words = "deploy shop production 1.2.0 --from ./dist --reason x --force --skip-smoke -y";
        let Verb::Deploy(deploy) = parsed(words).unwrap().verb else { panic!("not deploy") };
        assert_eq!(deploy.release.words, ["shop", "production", "1.2.0"]);
        assert_eq!(deploy.release.from.as_deref(), Some("./dist"));
        assert!(deploy.release.insisted.force && deploy.release.skip_smoke && deploy.yes);
        assert!(!deploy.release.skip_health_check && !deploy.detach && !deploy.dry_run);
        let words = "down --all production";
        assert!(parsed(words).is_err(), "{words}");
    }
}
