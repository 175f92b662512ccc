//! One service as it was read, and how an environment's values are laid over it.

use crate::{
    address, argv,
    draft::{
        build::BuildDraft,
        check::CheckDraft,
        files, migrate,
        pm2::Pm2Draft,
        probe::HealthDraft,
        readiness, schedule,
        secret::Secrets,
        smoke::SmokeDraft,
        systemd::SystemdDraft,
        trial::{self, VerdictDraft},
        variable::{self, EnvFileDraft, Required, Variables},
    },
    report::{Field, Place, Placed, Report, Table},
    scalar,
    yaml::Value,
};
use model::{
    canary::Canary,
    migrate::MigrateSpec,
    pm2::RuntimeSpec,
    role::QuietSignal,
    schedule::Overlap,
    service::{Millis, Readiness, StopSignal},
};

/// Every key of a service.
pub(crate) const KEYS: [&str; 42] = [
    "command",
    "image",
    "runtime",
    "pm2",
    "systemd",
    "directory",
    "index",
    "fallback",
    "instances",
    "routes",
    "port",
    "health",
    "smoke",
    "checks",
    "strategy",
    "rolling",
    "canary",
    "drain",
    "stop_signal",
    "quiet_signal",
    "grace",
    "start_timeout",
    "bake",
    "keep_warm",
    "limits",
    "user",
    "env",
    "env_file",
    "required_env",
    "secrets",
    "build",
    "migrate",
    "volumes",
    "listen",
    "upstream_keepalive",
    "readiness",
    "kind",
    "schedule",
    "timezone",
    "overlap",
    "time_limit",
    "catch_up",
];

/// Copies of one service that one machine can be asked for.
const INSTANCES_MAX: u64 = 256;

const MINUTE: Millis = Millis::seconds(60);
const HOUR: Millis = Millis::seconds(3600);
const DAY: Millis = Millis::seconds(24 * 3600);

/// What runs a service.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Runtime {
    /// A process that we start; the default.
    Process,
    /// None: the proxy serves files.
    Static,
    /// PM2.
    Pm2,
    /// systemd.
    Systemd,
    /// One that may be named, and is refused when it is to be deployed.
    Unbuilt(&'static str),
}

/// How the new takes over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum StrategyDraft {
    BlueGreen,
    Recreate,
    Rolling,
    Canary,
    /// May be named, and is refused when it is to be deployed.
    Unbuilt(&'static str),
}

/// How `strategy: rolling` goes on.
#[derive(Clone, Copy, Debug)]
pub(crate) struct RollingDraft {
    pub(crate) batch: u16,
}

/// What a service is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum KindDraft {
    /// It answers requests.
    Web,
    /// It works without being asked.
    Worker,
    /// It runs by the clock.
    Cron,
}

/// What each instance may use.
#[derive(Clone, Debug, Default)]
pub(crate) struct LimitsDraft {
    pub(crate) memory_bytes: Option<Placed<u64>>,
    pub(crate) processes: Option<Placed<u64>>,
    pub(crate) files: Option<Placed<u64>>,
}

/// One service.
#[derive(Clone, Debug, Default)]
pub(crate) struct ServiceDraft {
    /// Of its name.
    pub(crate) place: Place,
    pub(crate) path: String,
    pub(crate) command: Option<Placed<Vec<String>>>,
    pub(crate) runtime: Option<Placed<Runtime>>,
    pub(crate) pm2: Option<Placed<Pm2Draft>>,
    pub(crate) systemd: Option<Placed<SystemdDraft>>,
    /// The name that its containers share, and the port within them.
    pub(crate) container: Option<Placed<(String, u16)>>,
    /// Of a static service, relative to the release; empty: all of it.
    pub(crate) directory: Option<Placed<String>>,
    /// Of a static service; inner none: there is none.
    pub(crate) index: Option<Placed<Option<String>>>,
    pub(crate) fallback: Option<Placed<String>>,
    pub(crate) instances: Option<Placed<u16>>,
    pub(crate) routes: Option<Placed<Vec<Placed<String>>>>,
    pub(crate) port: Option<Placed<u16>>,
    pub(crate) readiness: Option<Placed<Readiness>>,
    pub(crate) health: Option<Placed<HealthDraft>>,
    pub(crate) smoke: Option<Placed<Vec<Placed<SmokeDraft>>>>,
    pub(crate) checks: Option<Placed<Vec<Placed<CheckDraft>>>>,
    pub(crate) strategy: Option<Placed<StrategyDraft>>,
    pub(crate) rolling: Option<Placed<RollingDraft>>,
    pub(crate) canary: Option<Placed<Canary>>,
    pub(crate) drain: Option<Placed<Millis>>,
    pub(crate) stop_signal: Option<Placed<StopSignal>>,
    pub(crate) quiet_signal: Option<Placed<QuietSignal>>,
    pub(crate) kind: Option<Placed<KindDraft>>,
    pub(crate) schedule: Option<Placed<String>>,
    pub(crate) timezone: Option<Placed<String>>,
    pub(crate) overlap: Option<Placed<Overlap>>,
    pub(crate) time_limit: Option<Placed<Millis>>,
    pub(crate) catch_up: Option<Placed<bool>>,
    pub(crate) grace: Option<Placed<Millis>>,
    pub(crate) start_timeout: Option<Placed<Millis>>,
    pub(crate) bake: Option<Placed<Millis>>,
    /// What is judged at its end.
    pub(crate) verdict: VerdictDraft,
    pub(crate) keep_warm: Option<Placed<Millis>>,
    pub(crate) limits: LimitsDraft,
    pub(crate) user: Option<Placed<String>>,
    pub(crate) env: Variables,
    pub(crate) env_file: Option<Placed<Vec<Placed<EnvFileDraft>>>>,
    pub(crate) required_env: Option<Required>,
    pub(crate) secrets: Secrets,
    pub(crate) upstream_keepalive: Option<Placed<bool>>,
    pub(crate) build: Option<Placed<BuildDraft>>,
    /// Keys that may be given, and are refused when they are to be deployed.
    pub(crate) image: Option<Placed<()>>,
    pub(crate) volumes: Option<Placed<()>>,
    pub(crate) migrate: Option<Placed<MigrateSpec>>,
    /// Whether it is at a socket.
    pub(crate) listen: Option<Placed<bool>>,
    /// Keys that were there but wrong: what depends on them is not judged.
    pub(crate) broken: Vec<&'static str>,
}

impl ServiceDraft {
    /// `place` is that of its name.
    pub(crate) fn read(field: &Field<'_>, report: &mut Report) -> ServiceDraft {
        let mut draft =
            ServiceDraft { place: field.place, path: field.path.clone(), ..Default::default() };
        let elsewhere = [
            ("domains", "to the environment, beside `services`"),
            ("version", "to the environment, beside `services`"),
            ("keep_releases", "to the environment, beside `services`"),
            ("source", "to the project, beside `services`"),
        ];
        let Some(table) = Table::read(field, &KEYS, &elsewhere, report) else {
            draft.broken.extend(["command", "health"]);
            return draft;
        };
        draft.read_process(&table, report);
        draft.read_traffic(&table, report);
        draft.read_times(&table, report);
        draft.read_schedule(&table, report);
        draft.read_environment(&table, report);
        let read = [("command", draft.command.is_some()), ("health", draft.health.is_some())];
        let wrong = |it: &(&str, bool)| !it.1 && table.gives(it.0);
        draft.broken.extend(read.iter().filter(|it| wrong(it)).map(|it| it.0));
        draft
    }

    fn read_process(&mut self, table: &Table<'_>, report: &mut Report) {
        let runtimes = [
            ("process", Runtime::Process),
            ("static", Runtime::Static),
            ("docker", Runtime::Unbuilt("docker")),
            ("compose", Runtime::Unbuilt("compose")),
            ("pm2", Runtime::Pm2),
            ("systemd", Runtime::Systemd),
            ("swarm", Runtime::Unbuilt("swarm")),
            ("kubernetes", Runtime::Unbuilt("kubernetes")),
        ];
        let strategies = [
            ("blue-green", StrategyDraft::BlueGreen),
            ("recreate", StrategyDraft::Recreate),
            ("rolling", StrategyDraft::Rolling),
            ("canary", StrategyDraft::Canary),
            ("reload", StrategyDraft::Unbuilt("reload")),
        ];
        self.command = table.get("command").and_then(|it| argv::command(it, report));
        self.runtime = table.get("runtime").and_then(|it| scalar::choice(it, &runtimes, report));
        self.directory = table.get("directory").and_then(|it| files::directory(it, report));
        self.index = table.get("index").and_then(|it| files::index(it, report));
        self.fallback = table.get("fallback").and_then(|it| files::file(it, report));
        self.pm2 = table.get("pm2").and_then(|it| Pm2Draft::read(it, report));
        self.systemd = table.get("systemd").and_then(|it| SystemdDraft::read(it, report));
        self.strategy =
            table.get("strategy").and_then(|it| scalar::choice(it, &strategies, report));
        self.rolling = table.get("rolling").and_then(|it| RollingDraft::read(it, report));
        self.canary = table.get("canary").and_then(|it| trial::canary(it, report));
        self.instances =
            table.get("instances").and_then(|it| scalar::number(it, 0..=INSTANCES_MAX, report));
        self.stop_signal = table.get("stop_signal").and_then(|it| stop_signal(it, report));
        self.quiet_signal = table.get("quiet_signal").and_then(|it| quiet_signal(it, report));
        let kinds =
            [("web", KindDraft::Web), ("worker", KindDraft::Worker), ("cron", KindDraft::Cron)];
        self.kind = table.get("kind").and_then(|it| scalar::choice(it, &kinds, report));
        self.user = table.get("user").and_then(|it| address::user(it, report));
        if let Some(limits) = table.get("limits") {
            self.limits = LimitsDraft::read(limits, report);
        }
        self.build = table.get("build").and_then(|it| BuildDraft::read(it, report));
        self.image =
            table.get("image").and_then(|it| scalar::word(it, report)).map(|it| it.with(()));
        self.volumes = table.get("volumes").map(|it| it.placed(()));
        self.migrate = table.get("migrate").and_then(|it| migrate::read(it, report));
        self.listen = table.get("listen").and_then(|it| listen(it, report));
    }

    fn read_schedule(&mut self, table: &Table<'_>, report: &mut Report) {
        self.schedule = table.get("schedule").and_then(|it| schedule::pattern(it, report));
        self.timezone = table.get("timezone").and_then(|it| schedule::timezone(it, report));
        self.overlap = table.get("overlap").and_then(|it| schedule::overlap(it, report));
        self.catch_up = table.get("catch_up").and_then(|it| scalar::switch(it, report));
    }

    fn read_traffic(&mut self, table: &Table<'_>, report: &mut Report) {
        self.routes = table.get("routes").and_then(|it| scalar::list(it, report, address::route));
        self.port = table.get("port").and_then(|it| scalar::number(it, 1..=65535, report));
        self.readiness = table.get("readiness").and_then(|it| readiness::read(it, report));
        self.health = table.get("health").and_then(|it| HealthDraft::read(it, report));
        self.smoke = table.get("smoke").and_then(|it| SmokeDraft::sequence(it, report));
        self.checks = table.get("checks").and_then(|it| {
            if matches!(it.node.value, Value::Mapping(_)) {
                let only = CheckDraft::read(it, report)?;
                return Some(it.placed(vec![only]));
            }
            scalar::list(it, report, CheckDraft::read)
        });
        self.upstream_keepalive =
            table.get("upstream_keepalive").and_then(|it| scalar::switch(it, report));
    }

    fn read_times(&mut self, table: &Table<'_>, report: &mut Report) {
        let mut time = |key: &str, least: Millis, most: Millis| {
            table.get(key).and_then(|it| scalar::time(it, least..=most, report))
        };
        self.drain = time("drain", Millis(0), HOUR);
        self.grace = time("grace", Millis(0), HOUR);
        self.time_limit = time("time_limit", Millis(1000), DAY);
        self.start_timeout = time("start_timeout", Millis(100), HOUR);
        self.keep_warm = time("keep_warm", Millis(0), DAY);
        if let Some(field) = table.get("bake") {
            (self.bake, self.verdict) = trial::bake(field, report);
        }
    }

    fn read_environment(&mut self, table: &Table<'_>, report: &mut Report) {
        if let Some(env) = table.get("env") {
            self.env = variable::variables(env, report);
        }
        self.env_file =
            table.get("env_file").and_then(|it| scalar::list(it, report, variable::env_file));
        self.required_env = table.get("required_env").and_then(|it| variable::required(it, report));
        if let Some(secrets) = table.get("secrets") {
            self.secrets = Secrets::read(secrets, report);
        }
    }

    /// This one's values where it has them, else those of the base.  Lists are taken whole;
    /// `env`, `health` and `limits` key by key.
    /// Where it says that it listens at a socket.
    pub(crate) fn at_socket(&self) -> Option<&Placed<bool>> {
        self.listen.as_ref().filter(|it| it.value)
    }

    pub(crate) fn over(&self, base: &ServiceDraft) -> ServiceDraft {
        macro_rules! laid {
            ($($key:ident)*) => {
                ServiceDraft {
                    place: base.place,
                    path: base.path.clone(),
                    limits: self.limits.over(&base.limits),
                    verdict: self.verdict.over(&base.verdict),
                    health: match (&self.health, &base.health) {
                        (Some(own), Some(below)) => Some(own.with(own.value.over(&below.value))),
                        (own, below) => own.clone().or_else(|| below.clone()),
                    },
                    build: match (&self.build, &base.build) {
                        (Some(own), Some(below)) => Some(own.with(own.value.over(&below.value))),
                        (own, below) => own.clone().or_else(|| below.clone()),
                    },
                    env: self.env.over(&base.env),
                    secrets: self.secrets.over(&base.secrets),
                    broken: [self.broken.as_slice(), base.broken.as_slice()].concat(),
                    $($key: self.$key.clone().or_else(|| base.$key.clone()),)*
                }
            };
        }
        laid! {
            command runtime pm2 systemd container directory index fallback instances routes port
            readiness
            smoke checks strategy rolling canary
            drain stop_signal quiet_signal kind schedule timezone overlap time_limit catch_up
            grace start_timeout bake keep_warm user env_file required_env upstream_keepalive image
            volumes migrate listen
        }
    }

    /// Whether the proxy serves files, and nothing runs.
    pub(crate) fn is_static(&self) -> bool {
        self.runtime.as_ref().is_some_and(|it| it.value == Runtime::Static)
    }

    /// What is asked of PM2, where it runs the service.
    pub(crate) fn in_pm2(&self) -> Option<Pm2Draft> {
        let runs = self.runtime.as_ref().is_some_and(|it| it.value == Runtime::Pm2);
        runs.then(|| self.pm2.as_ref().map(|it| it.value.clone()).unwrap_or_default())
    }

    /// What runs it.
    pub(crate) fn runtime(&self) -> RuntimeSpec {
        match self.runtime.as_ref().map(|it| it.value) {
            Some(Runtime::Systemd) => {
                let asked = self.systemd.as_ref().map(|it| it.value.spec());
                RuntimeSpec::Systemd(asked.unwrap_or_default())
            }
            _ => self.in_pm2().map_or(RuntimeSpec::Process, |it| RuntimeSpec::Pm2(it.spec())),
        }
    }

    /// The path prefixes.
    pub(crate) fn routes(&self) -> &[Placed<String>] {
        self.routes.as_ref().map_or(&[], |it| it.value.as_slice())
    }
}

impl RollingDraft {
    fn read(field: &Field<'_>, report: &mut Report) -> Option<Placed<RollingDraft>> {
        let table = Table::read(field, &["batch"], &[], report)?;
        let Some(batch) = table.get("batch") else {
            let message = "`rolling` says nothing";
            report.error(field.place, field.path.clone(), message).hint("add `batch: 2`");
            return None;
        };
        let batch = scalar::number(batch, 1..=INSTANCES_MAX, report)?.value;
        Some(field.placed(RollingDraft { batch }))
    }
}

impl LimitsDraft {
    pub(crate) fn read(field: &Field<'_>, report: &mut Report) -> LimitsDraft {
        let known = ["memory", "processes", "files"];
        let Some(table) = Table::read(field, &known, &[], report) else {
            return LimitsDraft::default();
        };
        let count_max = u64::from(u32::MAX);
        LimitsDraft {
            memory_bytes: table.get("memory").and_then(|it| scalar::size(it, 1 << 20, report)),
            processes: table
                .get("processes")
                .and_then(|it| scalar::number(it, 1..=count_max, report)),
            files: table.get("files").and_then(|it| scalar::number(it, 1..=count_max, report)),
        }
    }

    pub(crate) fn over(&self, base: &LimitsDraft) -> LimitsDraft {
        LimitsDraft {
            memory_bytes: self.memory_bytes.clone().or_else(|| base.memory_bytes.clone()),
            processes: self.processes.clone().or_else(|| base.processes.clone()),
            files: self.files.clone().or_else(|| base.files.clone()),
        }
    }
}

fn stop_signal(field: &Field<'_>, report: &mut Report) -> Option<Placed<StopSignal>> {
    let signals = [
        ("SIGTERM", StopSignal::SigTerm),
        ("SIGINT", StopSignal::SigInt),
        ("SIGQUIT", StopSignal::SigQuit),
        ("SIGHUP", StopSignal::SigHup),
        ("SIGUSR1", StopSignal::SigUsr1),
        ("SIGUSR2", StopSignal::SigUsr2),
    ];
    signal(field, &signals, report)
}

fn quiet_signal(field: &Field<'_>, report: &mut Report) -> Option<Placed<QuietSignal>> {
    signal(field, &QuietSignal::ALL, report)
}

/// With or without `SIG`, in any case.
fn signal<T: Copy>(
    field: &Field<'_>,
    signals: &[(&str, T)],
    report: &mut Report,
) -> Option<Placed<T>> {
    if let Value::Scalar { text, .. } = &field.node.value {
        let upper = text.to_ascii_uppercase();
        let full = if upper.starts_with("SIG") { upper } else { format!("SIG{upper}") };
        if let Some((_, signal)) = signals.iter().find(|(name, _)| *name == full) {
            return Some(field.placed(*signal));
        }
    }
    scalar::choice(field, signals, report)
}

/// `port` is what every service does and needs no word; a socket is not built.
fn listen(field: &Field<'_>, report: &mut Report) -> Option<Placed<bool>> {
    scalar::choice(field, &[("port", false), ("socket", true)], report)
}

/// For probes, whose times have a bound of their own.
pub(crate) const PROBE_TIME_MAX: Millis = Millis(10 * MINUTE.0);
