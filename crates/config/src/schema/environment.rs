//! Keys of the whole file, of a project and of an environment.

use super::{Key, Kind, Shape, probe::HEALTH, service::SERVICE};

/// The whole file.
pub(super) static ROOT: Shape = Shape {
    name: "root",
    required: &["projects"],
    keys: &[
        Key("proxy", Kind::Keys(&PROXY), "The embedded proxy."),
        Key("projects", Kind::Named(&Kind::Keys(&PROJECT)), "Projects by name."),
        Key(
            "aliases",
            Kind::Named(&Kind::Argv),
            "Words of your own that stand for a verb and its arguments.",
        ),
    ],
};

static PROXY: Shape = Shape {
    name: "proxy",
    required: &[],
    keys: &[
        Key(
            "listen",
            Kind::List(&Kind::Text),
            "Where the embedded proxy listens.  Default: 0.0.0.0:80 as root, else 127.0.0.1:8080.",
        ),
        Key("tls", Kind::List(&Kind::Text), "Where it will listen for TLS; not built yet."),
    ],
};

static PROJECT: Shape = Shape {
    name: "project",
    required: &[],
    keys: &[
        Key("source", Kind::Keys(&SOURCE), "Where a release's content comes from."),
        Key(
            "services",
            Kind::Named(&Kind::Keys(&SERVICE)),
            "What runs.  An environment may give any key of a service another value.",
        ),
        Key(
            "environments",
            Kind::Named(&Kind::Either(&[Kind::Keys(&ENVIRONMENT), Kind::Null])),
            "Environments by name: production, staging.",
        ),
        Key(
            "containers",
            Kind::Named(&Kind::Keys(&CONTAINER)),
            "Services as a platform of containers writes them.",
        ),
        Key(
            "domains",
            Kind::Named(&Kind::List(&Kind::Text)),
            "Host names by environment, as a platform of containers writes them.",
        ),
    ],
};

static CONTAINER: Shape = Shape {
    name: "container",
    required: &[],
    keys: &[
        Key("name", Kind::Text, "The container's name."),
        Key("image", Kind::Text, "The image that it runs."),
        Key("port", Kind::Number(1, 65535), "The port within the container."),
        Key("api_locations", Kind::List(&Kind::Path), "Path prefixes that lead here."),
        Key("health", HEALTH, "Asked before traffic moves to it."),
    ],
};

static SOURCE: Shape = Shape {
    name: "source",
    required: &[],
    keys: &[
        Key("directory", Kind::Text, "A directory, relative to this file."),
        Key(
            "git",
            Kind::Either(&[Kind::Text, Kind::Keys(&GIT)]),
            "A repository: its address, or `url` and `ref`.",
        ),
    ],
};

static GIT: Shape = Shape {
    name: "git",
    required: &["url"],
    keys: &[
        Key("url", Kind::Text, "As `git` takes it."),
        Key("ref", Kind::Text, "A branch, tag or commit.  Default: HEAD."),
    ],
};

static ENVIRONMENT: Shape = Shape {
    name: "environment",
    required: &[],
    keys: &[
        Key(
            "domains",
            Kind::List(&Kind::Text),
            "Host names; each belongs to one environment.  \"*\": every host nobody else names.",
        ),
        Key(
            "version",
            Kind::OneOf(&["timestamp", "semver", "git", "any"]),
            "How versions look: `timestamp` (YYYYMMDD-HHMM) is the default.",
        ),
        Key("env", ENV, "Variables for all services of the environment, `build` and `run` apart."),
        Key("env_file", Kind::List(&Kind::Text), ENV_FILE_ABOUT),
        Key("required_env", REQUIRED_ENV, REQUIRED_ENV_ABOUT),
        Key("secrets", SECRETS, SECRETS_ABOUT),
        Key(
            "services",
            Kind::Named(&Kind::Keys(&SERVICE)),
            "Other values for services: lists are taken whole, `env`, `health`, `limits` by key.",
        ),
        Key("source", Kind::Keys(&SOURCE), "Another source than the project's."),
        Key(
            "disk_free",
            Kind::Size,
            "Free space asked for before a deployment.  Default: 1G, or twice the need.",
        ),
        Key(
            "keep_releases",
            Kind::Number(1, 1000),
            "Releases kept besides those that are needed.  Default: 5.",
        ),
    ],
};

/// Values by name; below `build` and `run`, too.
pub(super) const ENV: Kind = Kind::Named(&Kind::Either(&[Kind::Text, Kind::Named(&Kind::Text)]));
pub(super) const ENV_FILE_ABOUT: &str = "Files of NAME=value lines, mode 0600, relative to this \
                                         file; never shown.  `dotenv`: those that are there of \
                                         `.env`, `.env.local`, `.env.ENVIRONMENT`; later wins.";

pub(super) const REQUIRED_ENV: Kind = Kind::List(&Kind::Text);
pub(super) const REQUIRED_ENV_ABOUT: &str = "Names that must be set, not empty and no stand-in; \
                                             `example` takes the names in `.env.example`.";
pub(super) const SECRETS: Kind = Kind::Named(&Kind::Keys(&SECRET));
pub(super) const SECRETS_ABOUT: &str = "Secret variables by name, and where their values are \
                                        found.  They win over all others and are never shown.";

static SECRET: Shape = Shape {
    name: "secret",
    required: &[],
    keys: &[
        Key("command", Kind::Argv, "What this program prints, run where you type."),
        Key("environment", Kind::Text, "What this variable holds where you type."),
        Key("file", Kind::Text, "What this file holds, mode 0600, relative to this file."),
        Key("age", Kind::Text, "An encrypted file of NAME=value lines, relative to this file."),
        Key("key", Kind::Text, "Which of the names in the `age` file.  Default: the same name."),
    ],
};
