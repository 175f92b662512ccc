//! Keys of the questions to an instance.

use super::{Key, Kind, Shape};

/// A mapping, a path alone, or `none`.
pub(super) const HEALTH: Kind =
    Kind::Either(&[Kind::Keys(&HEALTH_KEYS), Kind::Path, Kind::OneOf(&["none"]), Kind::Switch]);

static HEALTH_KEYS: Shape = Shape {
    name: "health",
    required: &[],
    keys: &[
        Key("path", Kind::Path, "Asked with GET."),
        Key("tcp", Kind::Switch, "The port accepts."),
        Key("command", Kind::Argv, "A program that ends with 0."),
        Key("status", STATUS, "The wanted answer.  Default: 200."),
        Key("interval", Kind::Time, "From one asking to the next.  Default: 3s."),
        Key("timeout", Kind::Time, "For one asking.  Default: 5s."),
        Key("successes", Kind::Number(1, 1000), "In a row.  Default: 1."),
        Key("tries", Kind::Number(1, 1000), "Before it is given up.  Default: 5."),
    ],
};

const STATUS: Kind = Kind::Number(100, 599);
const TEXTS: Kind = Kind::Named(&Kind::Text);

/// One request or a sequence of them.
pub(super) const SMOKE: Kind = Kind::List(&Kind::Keys(&SMOKE_KEYS));

static SMOKE_KEYS: Shape = Shape {
    name: "smoke",
    required: &[],
    keys: &[
        Key("get", Kind::Path, "Sends GET to this path."),
        Key("head", Kind::Path, "Sends HEAD to this path."),
        Key("options", Kind::Path, "Sends OPTIONS to this path."),
        Key("post", Kind::Path, "Sends POST to this path."),
        Key("put", Kind::Path, "Sends PUT to this path."),
        Key("patch", Kind::Path, "Sends PATCH to this path."),
        Key("delete", Kind::Path, "Sends DELETE to this path."),
        Key("status", STATUS, "The wanted status.  Default: 200."),
        Key("contains", Kind::Text, "A text that the body holds."),
        Key("matches", Kind::Text, "A regular expression that is found in the body."),
        Key("json", Kind::Named(&Kind::Any), "Dotted paths of a JSON body, and wanted values."),
        Key("headers", TEXTS, "Headers that are sent."),
        Key("expect_headers", TEXTS, "Headers of the answer, and their values."),
        Key("body", Kind::Any, "What is sent: text, or anything else as JSON."),
        Key("form", TEXTS, "What is sent, as a form."),
        Key(
            "capture",
            TEXTS,
            "Parts of the answer for later requests: `json:…`, `header:…`, `cookie:…`.",
        ),
        Key("timeout", Kind::Time, "For the whole answer."),
    ],
};

/// One further question.
pub(super) const CHECK: Kind = Kind::Keys(&CHECK_KEYS);

static CHECK_KEYS: Shape = Shape {
    name: "check",
    required: &[],
    keys: &[
        Key("http", SMOKE, "One request or a sequence of them."),
        Key(
            "tcp",
            Kind::Text,
            "`true`: the instance's own port; else the address of something that it needs.",
        ),
        Key("command", Kind::Argv, "A program that ends with 0."),
        Key("log", Kind::Keys(&LOG_KEYS), "What the instance writes."),
        Key("version", IDENTITY, "The instance says that it is this version."),
        Key("commit", IDENTITY, "The instance says that it is this commit."),
        Key(
            "performance",
            Kind::Either(&[Kind::Path, Kind::Keys(&PERFORMANCE_KEYS)]),
            "How fast it answers, and what it uses meanwhile.",
        ),
        Key("endpoints", Kind::List(&Kind::Path), "Paths that answer."),
        Key(
            "external",
            Kind::Either(&[Kind::Text, Kind::Keys(&EXTERNAL_KEYS)]),
            "What clients see by the public name, after the switch: DNS, TLS, certificate, answer.",
        ),
        Key("name", Kind::Text, "How it is called in messages."),
        Key("after", Kind::Switch, "Also asked after the switch."),
        Key("timeout", Kind::Time, "For the whole question.  Default: 5s."),
    ],
};

static EXTERNAL_KEYS: Shape = Shape {
    name: "external",
    required: &["url"],
    keys: &[
        Key("url", Kind::Text, "As clients write it: `https://shop.example/`."),
        Key("status", STATUS, "The wanted answer.  Default: 200."),
        Key("expires_in", Kind::Time, "A certificate that ends sooner is told.  Default: 14d."),
        Key("trusted", Kind::Text, "Certificates in PEM.  Default: those the host trusts."),
    ],
};

static LOG_KEYS: Shape = Shape {
    name: "log",
    required: &["absent"],
    keys: &[Key("absent", Kind::Text, "A regular expression that must not be found.")],
};

const IDENTITY: Kind = Kind::Either(&[Kind::Switch, Kind::Path, Kind::Keys(&IDENTITY_KEYS)]);

static IDENTITY_KEYS: Shape = Shape {
    name: "identity",
    required: &[],
    keys: &[
        Key("path", Kind::Path, "Asked with GET."),
        Key("field", Kind::Text, "The dotted path of a JSON body where it stands."),
    ],
};

static PERFORMANCE_KEYS: Shape = Shape {
    name: "performance",
    required: &["path"],
    keys: &[
        Key("path", Kind::Path, "Asked with GET."),
        Key("response_ms", Kind::Number(1, 600_000), "The mean answer.  Default: 2000."),
        Key("memory_percent", Kind::Number(1, 100), "Of its limit.  Default: 80."),
        Key("cpu_percent", Kind::Number(1, 100), "Of what it may use.  Default: 70."),
        Key("window", Kind::Time, "How long it is asked.  Default: 5s."),
    ],
};
