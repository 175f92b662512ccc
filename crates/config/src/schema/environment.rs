//! Keys of the whole file, of a project and of an environment.

use super::{
    Key, Kind, Shape,
    backup::BACKUP,
    build::{BUILD, REQUIRES, REQUIRES_ABOUT},
    probe::HEALTH,
    service::SERVICE,
};

/// The whole file.
pub(super) static ROOT: Shape = Shape {
    name: "root",
    required: &["projects"],
    keys: &[
        Key("proxy", Kind::Keys(&PROXY), "The embedded proxy."),
        Key("nginx", Kind::Keys(&NGINX), "nginx, where it stands in front of the proxy."),
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
            "Where the embedded proxy listens.  Default: 0.0.0.0:80 as root where there is no \
             `nginx`, else 127.0.0.1:8080.",
        ),
        Key("https", Kind::Keys(&HTTPS), "Where and how it ends TLS.  Default: nowhere."),
        Key("security_headers", Kind::Switch, SECURITY_HEADERS_ABOUT),
        Key("access_log", ACCESS_LOG, "How requests are logged, a line each.  Default: `none`."),
        Key("limits", Kind::Keys(&LIMITS), "What each client may do.  Default: anything."),
        Key(
            "trusted",
            Kind::List(&Kind::Text),
            "Addresses, or ranges, of proxies in front: what they say of the client is passed on.  \
             Default: this machine's where `nginx` is given, else nobody.",
        ),
    ],
};

static LIMITS: Shape = Shape {
    name: "client_limits",
    required: &["rate"],
    keys: &[
        Key("rate", Kind::Text, "Requests in a second, such as `50/s`; `none`: any number."),
        Key("burst", Kind::Number(1, 1_000_000), "Requests at once.  Default: as in two seconds."),
    ],
};

static HTTPS: Shape = Shape {
    name: "https",
    required: &[],
    keys: &[
        Key(
            "listen",
            Kind::List(&Kind::Text),
            "Where it listens for TLS.  Default: 0.0.0.0:443 as root, else 127.0.0.1:8443.",
        ),
        Key(
            "certificates",
            Kind::Named(&Kind::Keys(&CERTIFICATE)),
            "By host; `*.shop.example` stands for every name with one label more.",
        ),
        Key(
            "acme",
            Kind::Keys(&ACME),
            "An authority issues the certificates of hosts that have none above.",
        ),
        Key("redirect", Kind::Switch, REDIRECT_ABOUT),
        Key("hsts", Kind::Time, HSTS_ABOUT),
    ],
};

static ACME: Shape = Shape {
    name: "acme",
    required: &["terms_agreed"],
    keys: &[
        Key("terms_agreed", Kind::Switch, "You have read the authority's terms, and agree."),
        Key("email", Kind::Text, "Where the authority may write to.  Default: nowhere."),
        Key("directory", Kind::Text, "Its directory.  Default: that of Let's Encrypt."),
        Key(
            "root",
            Kind::Path,
            "Certificates in PEM that are trusted to sign the directory's.  Default: the host's.",
        ),
        Key(
            "challenge",
            Kind::OneOf(&["http", "tls-alpn"]),
            "How it is proved whose a host is: by clear HTTP at port 80, or by TLS at port 443.  \
             Default: http.",
        ),
    ],
};

static CERTIFICATE: Shape = Shape {
    name: "certificate",
    required: &["certificate", "key"],
    keys: &[
        Key("certificate", Kind::Path, "The file of the chain in PEM, the host's first."),
        Key("key", Kind::Path, "The file of its key in PEM, closed to others."),
    ],
};

static HTTPS_OVER: Shape = Shape {
    name: "https_over",
    required: &[],
    keys: &[
        Key("redirect", Kind::Switch, REDIRECT_ABOUT),
        Key("hsts", Kind::Time, HSTS_ABOUT),
        Key("acme", Kind::Switch, "`no`: nobody is asked for certificates of its hosts."),
    ],
};

const ACCESS_LOG: Kind = Kind::OneOf(&["text", "json", "none"]);
const REDIRECT_ABOUT: &str =
    "Clear requests for hosts that have a certificate are led to TLS.  Default: yes.";
const HSTS_ABOUT: &str = "How long browsers are told to use TLS only.  Default: nothing is said.";
const SECURITY_HEADERS_ABOUT: &str = "Responses get X-Content-Type-Options, X-Frame-Options and \
     Referrer-Policy where they lack them.  Default: no.";

static NGINX: Shape = Shape {
    name: "nginx",
    required: &[],
    keys: &[
        Key(
            "to",
            Kind::OneOf(&["proxy", "sockets", "services"]),
            "What its server blocks lead to: the proxy; straight to instances with `listen: \
             socket`, and the proxy for all else; or services at addresses that stay.  Default: \
             proxy.",
        ),
        Key(
            "listen",
            Kind::List(&Kind::Text),
            "Where it listens for clear HTTP.  Default: 0.0.0.0:80.",
        ),
        Key("standby", Kind::Text, "Asked where the proxy does not answer: an address and port."),
        Key("tls", Kind::Keys(&NGINX_TLS), "It ends TLS, and leads clear HTTP there."),
        Key(
            "acme",
            Kind::Text,
            "Who answers a certificate authority's challenges: a directory, or an address and \
             port.",
        ),
        Key(
            "default",
            Kind::Switch,
            "It answers hosts that nobody names with 404.  `no` where another server block does.  \
             Default: yes.",
        ),
        Key("body_max", Kind::Size, "Of a request's body.  Default: any size."),
        Key(
            "directory",
            Kind::Path,
            "Where our files are kept for it.  Default: /etc/nginx/cutover.",
        ),
        Key("program", Kind::Argv, "nginx and its arguments.  Default: nginx."),
    ],
};

static NGINX_TLS: Shape = Shape {
    name: "nginx_tls",
    required: &["certificate", "key"],
    keys: &[
        Key("listen", Kind::List(&Kind::Text), "Where it listens for TLS.  Default: 0.0.0.0:443."),
        Key("certificate", Kind::Path, "The chain's file; `{domain}` stands for the host."),
        Key("key", Kind::Path, "The key's file; `{domain}` stands for the host."),
    ],
};

static PROJECT: Shape = Shape {
    name: "project",
    required: &[],
    keys: &[
        Key("source", Kind::Keys(&SOURCE), "Where a release's content comes from."),
        Key("build", Kind::Keys(&BUILD), "How its content is built on the host."),
        Key("requires", REQUIRES, REQUIRES_ABOUT),
        Key(
            "shared",
            Kind::Keys(&SHARED),
            "Files and directories that all releases of an environment have in common.",
        ),
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

static SHARED: Shape = Shape {
    name: "shared",
    required: &[],
    keys: &[
        Key(
            "files",
            Kind::List(&Kind::Text),
            "Paths in a release that are links to files in `shared/`.",
        ),
        Key(
            "directories",
            Kind::List(&Kind::Text),
            "Paths in a release that are links to directories in `shared/`.",
        ),
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
        Key("build", Kind::Keys(&BUILD), "Laid over the project's build, key by key."),
        Key("requires", REQUIRES, REQUIRES_ABOUT),
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
        Key("shared", Kind::Keys(&SHARED), "Instead of what the project shares."),
        Key(
            "confirm",
            Kind::Switch,
            "Whether it is confirmed by typing `deploy`.  Default: in `production`, at a terminal.",
        ),
        Key(
            "windows",
            Kind::List(&Kind::Text),
            "When it is deployed to: `mon-fri 09:00-17:00`.  Default: at any time.",
        ),
        Key("not_at_peak", Kind::List(&Kind::Text), "When it is not deployed to, as `windows`."),
        Key("timezone", Kind::Text, "Of `windows` and `not_at_peak`.  Default: UTC."),
        Key(
            "require_staging",
            Kind::Text,
            "Content must have been accepted there before: `true` for `staging`, or another name.",
        ),
        Key("https", Kind::Keys(&HTTPS_OVER), "Laid over `proxy.https`, key by key."),
        Key("security_headers", Kind::Switch, "Instead of what `proxy` says."),
        Key("access_log", ACCESS_LOG, "Instead of what `proxy` says."),
        Key("limits", Kind::Keys(&LIMITS), "Instead of what `proxy` says."),
        Key("backup", Kind::Keys(&BACKUP), "Databases and files that are backed up, and how."),
        Key("hooks", Kind::Keys(&HOOKS), "Programs that are run before and after steps."),
    ],
};

static HOOKS: Shape = Shape {
    name: "hooks",
    required: &[],
    keys: &[
        Key("before", Kind::Keys(&BEFORE), "By step: run once before the first of its kind."),
        Key(
            "after",
            Kind::Keys(&AFTER),
            "By step: once after the last of its kind; or by outcome.",
        ),
    ],
};

const HOOK_LIST: Kind = Kind::List(&Kind::Keys(&HOOK));

static HOOK: Shape = Shape {
    name: "hook",
    required: &[],
    keys: &[
        Key("command", Kind::Argv, "Program and arguments, run in the release's directory."),
        Key("shell", Kind::Text, "A script for `/bin/sh -eu`; nothing is filled into it."),
        Key("timeout", Kind::Time, "Then it is ended, and has failed.  Default: 60s."),
        Key("service", Kind::Text, "As whose user, with whose variables.  Default: the first."),
    ],
};

static BEFORE: Shape = Shape { name: "hooks before", required: &[], keys: &STEPS };

static AFTER: Shape = Shape { name: "hooks after", required: &[], keys: &after() };

/// Steps that a hook may come before; it may come after all of them too.
const STEPS: [Key; 18] = [
    Key("routes", HOOK_LIST, "Routes are written."),
    Key("hold", HOOK_LIST, "Requests wait."),
    Key("start", HOOK_LIST, "Instances are started."),
    Key("health", HOOK_LIST, "They are asked for health."),
    Key("smoke", HOOK_LIST, "Smoke tests."),
    Key("check", HOOK_LIST, "Further checks."),
    Key("switch", HOOK_LIST, "The traffic is moved."),
    Key("verify", HOOK_LIST, "The public route is asked."),
    Key("recheck", HOOK_LIST, "Checks after the switch."),
    Key("bake", HOOK_LIST, "The new release is watched."),
    Key("confirm", HOOK_LIST, "The probation is ended."),
    Key("keep", HOOK_LIST, "Instances are kept alive."),
    Key("link", HOOK_LIST, "Links are pointed."),
    Key("drain", HOOK_LIST, "Requests to the old finish."),
    Key("stop", HOOK_LIST, "Instances are stopped."),
    Key("retire", HOOK_LIST, "The old is kept warm."),
    Key("cleanup", HOOK_LIST, "Leftovers are removed."),
    Key("manifest", HOOK_LIST, "The manifest is written."),
];

/// The step that nothing comes before, the others, and outcomes.
const fn after() -> [Key; STEPS.len() + 4] {
    let stage = Key("stage", HOOK_LIST, "The content is put in its place.");
    let mut keys = [stage; STEPS.len() + 4];
    let mut at = 0;
    while at < STEPS.len() {
        keys[at + 1] = STEPS[at];
        at += 1;
    }
    keys[STEPS.len() + 1] = Key("deployed", HOOK_LIST, "A deployment that went well.");
    keys[STEPS.len() + 2] = Key("rolled_back", HOOK_LIST, "Going back, asked for or not.");
    keys[STEPS.len() + 3] = Key("failed", HOOK_LIST, "Any other end.");
    keys
}

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
