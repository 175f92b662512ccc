//! Keys of a build.

use super::{Key, Kind, Shape, service::LIMITS};

pub(super) static BUILD: Shape = Shape {
    name: "build",
    required: &[],
    keys: &[
        Key(
            "directory",
            Kind::Text,
            "Where it is run, below the release's directory.  Default: there.",
        ),
        Key(
            "clean",
            Kind::List(&Kind::Text),
            "Paths that are removed first; or `build-cache` (.next), `node-cache` \
             (node_modules/.cache), or `all`: those, and dependencies are installed anew.",
        ),
        Key("install", COMMAND, "Installs dependencies, unless they were kept."),
        Key("commands", COMMANDS, "Run after it, in this order."),
        Key("test", COMMANDS, "Run last: what fails stops the deployment before any change."),
        Key(
            "dependencies",
            Kind::List(&Kind::Text),
            "Directories that `install` fills, kept while lock file, package and runtime are the \
             same.  Default: as the lock file suggests.  `[]`: none.",
        ),
        Key("timeout", Kind::Time, "For all its commands together.  Default: 15m."),
        Key("limits", Kind::Keys(&LIMITS), "What each command may use.  Default: not limited."),
        Key("user", Kind::Text, "The user it runs as.  Default: the service's."),
        Key(
            "secrets",
            Kind::List(&Kind::Text),
            "Names of secret variables that it is given, besides those of `env: { build: … }`.",
        ),
    ],
};

pub(super) const COMMAND: Kind = Kind::Either(&[Kind::Argv, Kind::Keys(&SCRIPT)]);
const COMMANDS: Kind = Kind::List(&COMMAND);

static SCRIPT: Shape = Shape {
    name: "script",
    required: &[],
    keys: &[
        Key("command", Kind::Argv, "Program and arguments."),
        Key("shell", Kind::Text, "A script for `/bin/sh -eu`."),
    ],
};

/// Programs to versions.
pub(super) const REQUIRES: Kind = Kind::Named(&Kind::Text);
pub(super) const REQUIRES_ABOUT: &str =
    "Programs that the host must have, and the versions that will do: `node: \">=18\"`.";
