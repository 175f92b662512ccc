//! Keys of a service.

use super::{
    Key, Kind, Shape,
    build::BUILD,
    environment::{ENV, ENV_FILE_ABOUT, REQUIRED_ENV, REQUIRED_ENV_ABOUT, SECRETS, SECRETS_ABOUT},
    migrate::MIGRATE,
    probe::{CHECK, HEALTH, SMOKE},
};

pub(super) static SERVICE: Shape = Shape {
    name: "service",
    required: &[],
    keys: &[
        Key(
            "command",
            Kind::Argv,
            "Program and arguments, run in the release's directory; never given to a shell.  \
             Filled in: {port} {version} {commit} {release} {environment}.",
        ),
        Key("image", Kind::Text, "The image of a container; not built yet."),
        Key(
            "runtime",
            Kind::OneOf(&[
                "process",
                "static",
                "docker",
                "compose",
                "pm2",
                "systemd",
                "swarm",
                "kubernetes",
            ]),
            "What runs it: `process`, the default, `pm2` or `systemd`.  `static`: nothing, the \
             proxy serves files of the release.  Others may be checked, not yet deployed.",
        ),
        Key(
            "directory",
            Kind::Text,
            "Of a static service: the directory of the release that is served.  Default: all of \
             it.",
        ),
        Key(
            "index",
            Kind::Text,
            "Of a static service: what answers for a directory, or `none`.  Default: index.html.",
        ),
        Key(
            "fallback",
            Kind::Text,
            "Of a static service: what answers for paths that are no file's, as in an application \
             of one page.  Default: nothing does, but `404.html` if it is there, with status 404.",
        ),
        Key("pm2", Kind::Keys(&PM2), "What is asked of PM2, with `runtime: pm2`."),
        Key(
            "systemd",
            Kind::Keys(&super::systemd::SYSTEMD),
            "What is asked of systemd, with `runtime: systemd`.",
        ),
        Key(
            "instances",
            Kind::Number(0, 256),
            "Copies that run.  Default: 2 in `production`, else 1.",
        ),
        Key(
            "routes",
            Kind::List(&Kind::Path),
            "Path prefixes that lead here, on whole segments; the longest wins.",
        ),
        Key(
            "port",
            Kind::Number(1, 65535),
            "A fixed port instead of one that is given in PORT; only with `recreate`.",
        ),
        Key("health", HEALTH, "Asked before traffic moves to an instance."),
        Key("smoke", SMOKE, "Requests to each new instance before the switch."),
        Key("checks", Kind::List(&CHECK), "Further questions to each new instance."),
        Key(
            "strategy",
            Kind::OneOf(&["blue-green", "recreate", "rolling", "canary", "reload"]),
            "`blue-green`: new beside old, then one switch.  `rolling`: new beside old, then a \
             switch for each batch.  `canary`: new beside old, then a switch for each share of \
             the requests.  `recreate`: requests are held while the old stops and the \
             new starts.",
        ),
        Key("rolling", Kind::Keys(&ROLLING), "How `strategy: rolling` goes on."),
        Key("canary", Kind::Keys(&CANARY), "How `strategy: canary` goes on."),
        Key("drain", Kind::Time, "How long requests in flight to the old may take.  Default: 30s."),
        Key("stop_signal", Kind::Signal, "Asks an instance to end.  Default: SIGTERM."),
        Key(
            "quiet_signal",
            Kind::Text,
            "Tells a worker of the old release, before the switch, to take no new job.",
        ),
        Key(
            "grace",
            Kind::Time,
            "From the stop signal to the end of all its processes.  Default: 10s.",
        ),
        Key("start_timeout", Kind::Time, "To become ready.  Default: 60s."),
        Key(
            "bake",
            Kind::Either(&[Kind::Keys(&BAKE), Kind::Time]),
            "How long the new is watched under traffic before it is confirmed, and what is judged \
             then.  Default: 10s.",
        ),
        Key("keep_warm", Kind::Time, "How long the old is kept running.  Default: 10m."),
        Key("limits", Kind::Keys(&LIMITS), "What each instance may use.  Default: not limited."),
        Key("user", Kind::Text, "The user it runs as.  Default: the user of the daemon."),
        Key(
            "env",
            ENV,
            "Variables; those for the build apart, under `build`, and the others under `run`.",
        ),
        Key("env_file", Kind::List(&Kind::Text), ENV_FILE_ABOUT),
        Key("required_env", REQUIRED_ENV, REQUIRED_ENV_ABOUT),
        Key("secrets", SECRETS, SECRETS_ABOUT),
        Key("build", Kind::Keys(&BUILD), "A build of its own, after that of all services."),
        Key(
            "migrate",
            Kind::Either(&[
                Kind::OneOf(&["alembic", "prisma", "django", "sqlx"]),
                Kind::Keys(&MIGRATE),
            ]),
            "Brings its database forward, with the new code, before the new release starts.",
        ),
        Key("volumes", Kind::Any, "Not built yet."),
        Key(
            "listen",
            Kind::OneOf(&["port", "socket"]),
            "It listens at a `port`, or at a Unix `socket`: PORT holds a path then.  Default: \
             port.",
        ),
        Key(
            "upstream_keepalive",
            Kind::Switch,
            "Off for servers that answer one connection at a time.",
        ),
        Key(
            "readiness",
            Kind::Either(&[Kind::OneOf(&["port", "notify", "running"]), Kind::Keys(&READINESS)]),
            "How an instance says that it is ready: its `port` accepts, it sends READY=1 to \
             NOTIFY_SOCKET, it is `running` for a second or `alive` for longer, or it writes a \
             line to its `log`.",
        ),
        Key(
            "kind",
            Kind::OneOf(&["web", "worker", "cron"]),
            "What it is for.  Default: `web` with routes, `cron` with a schedule, else `worker`.",
        ),
        Key(
            "schedule",
            Kind::Text,
            "Runs the command by the clock: minute, hour, day, month, weekday.",
        ),
        Key("timezone", Kind::Text, "Of the schedule.  Default: UTC."),
        Key(
            "overlap",
            Kind::OneOf(&["skip", "queue-one"]),
            "What is done when it is due and runs still.  Default: skip.",
        ),
        Key("time_limit", Kind::Time, "A run by the schedule is stopped after it.  Default: 1h."),
        Key(
            "catch_up",
            Kind::Switch,
            "A run that was missed is made up for, once.  Default: false.",
        ),
    ],
};

static READINESS: Shape = Shape {
    name: "readiness",
    required: &[],
    keys: &[
        Key("alive", Kind::Time, "It runs for so long."),
        Key("log", Kind::Text, "A regular expression that a line it writes must match."),
    ],
};

static PM2: Shape = Shape {
    name: "pm2",
    required: &[],
    keys: &[
        Key(
            "ecosystem",
            Kind::Text,
            "The path of an `ecosystem.config.js`, read as literals, never run.  What it says of \
             the app holds where nothing is said here.",
        ),
        Key(
            "app",
            Kind::Text,
            "The app's name in it.  Default: PROJECT-ENVIRONMENT-SERVICE, PROJECT-ENVIRONMENT, the \
             service's, or the only one.",
        ),
        Key("program", Kind::Text, "PM2's program: a name or a whole path.  Default: `pm2`."),
        Key(
            "home",
            Kind::Text,
            "PM2_HOME: a whole path, or one that begins with `~/`.  Default: `pm2` in the state \
             directory.",
        ),
        Key(
            "exec_mode",
            Kind::OneOf(&["fork", "fork_mode", "cluster", "cluster_mode"]),
            "`fork`, the default, or `cluster`, whose port PM2's daemon holds for its workers.",
        ),
        Key(
            "instances",
            Kind::Number(1, 64),
            "Workers of one instance, with `cluster`.  Default: 1.",
        ),
        Key(
            "wait_ready",
            Kind::Switch,
            "It is ready when it sends `ready` to PM2.  Default: false.",
        ),
        Key(
            "listen_timeout",
            Kind::Time,
            "The same as `start_timeout`; a number alone is milliseconds.",
        ),
        Key("kill_timeout", Kind::Time, "The same as `grace`; a number alone is milliseconds."),
        Key("max_memory_restart", Kind::Size, "PM2 restarts a process beyond it."),
        Key(
            "log_date_format",
            Kind::Text,
            "Leads each line of PM2's log files.  Default: the time with its zone.",
        ),
        Key("merge_logs", Kind::Switch, "All workers write into one file.  Default: true."),
    ],
};

static ROLLING: Shape = Shape {
    name: "rolling",
    required: &["batch"],
    keys: &[Key(
        "batch",
        Kind::Number(1, 256),
        "Instances that are started, and switched to, at a time.  Default: 1.",
    )],
};

static CANARY: Shape = Shape {
    name: "canary",
    required: &[],
    keys: &[
        Key(
            "stages",
            Kind::List(&Kind::Text),
            "Shares of the requests, each more than the one before.  Default: 5%, 25%, 50%.",
        ),
        Key("each", Kind::Time, "How long the new is watched at each share.  Default: 2m."),
    ],
};

static BAKE: Shape = Shape {
    name: "bake",
    required: &[],
    keys: &[
        Key("time", Kind::Time, "How long it is watched.  Default: 10s."),
        Key(
            "on_undecided",
            Kind::OneOf(&["confirm", "hold", "rollback"]),
            "With less than 60 requests: keep the new, watch until there were more, or go back.  \
             Default: confirm.",
        ),
        Key(
            "slower_by",
            Kind::Either(&[Kind::Time, Kind::OneOf(&["off"]), Kind::Switch]),
            "The median of its answers may be later by less than this; `off`: latency is not \
             judged.  Default: 20ms.",
        ),
    ],
};

pub(super) static LIMITS: Shape = Shape {
    name: "limits",
    required: &[],
    keys: &[
        Key("memory", Kind::Size, "Memory, with all its descendants."),
        Key("processes", Kind::Number(1, 4_294_967_295), "Processes and threads."),
        Key("files", Kind::Number(1, 4_294_967_295), "Open files."),
    ],
};
