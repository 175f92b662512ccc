//! Keys of `backup`.

use super::{Key, Kind, Shape};

pub(super) static BACKUP: Shape = Shape {
    name: "backup",
    required: &[],
    keys: &[
        Key("databases", Kind::Named(&Kind::Keys(&DATABASE)), "Databases by name."),
        Key(
            "files",
            Kind::List(&Kind::Text),
            "Directories and files, absolute or in the environment's directory.",
        ),
        Key(
            "encrypt_to",
            Kind::List(&Kind::Text),
            "Recipients of `age`: `age1…`.  Default: not encrypted.",
        ),
        Key(
            "identity",
            Kind::Text,
            "An absolute file of identities, by which this machine opens what it wrote.",
        ),
        Key("keep", Kind::Number(1, 1000), "So many of the newest are kept.  Default: 5."),
        Key("keep_days", Kind::Number(1, 3650), "None is kept longer.  Default: 7."),
        Key("bytes_max", Kind::Size, "All together; the oldest go first.  Default: not limited."),
        Key(
            "second_place",
            Kind::Either(&[Kind::Text, Kind::Keys(&SECOND_PLACE)]),
            "Each is copied to it: a directory, or another machine by `ssh`.",
        ),
        Key(
            "before_deploy",
            Kind::Switch,
            "One is made before each deployment.  Default: where databases are named.",
        ),
        Key("time_limit", Kind::Time, "For one database or directory.  Default: 1h."),
    ],
};

static DATABASE: Shape = Shape {
    name: "database",
    required: &["kind"],
    keys: &[
        Key("kind", Kind::OneOf(&["postgresql", "mariadb", "mysql", "sqlite"]), "What it is."),
        Key("url_from", Kind::Text, "The variable that holds its URL."),
        Key("path", Kind::Text, "The file, of `sqlite`."),
    ],
};

static SECOND_PLACE: Shape = Shape {
    name: "second place",
    required: &["ssh", "directory"],
    keys: &[
        Key("ssh", Kind::Text, "A host, or `user@host`."),
        Key("port", Kind::Number(1, 65535), "Of its SSH server."),
        Key("directory", Kind::Text, "Absolute."),
        Key("identity", Kind::Text, "An absolute file of a key.  Default: as `ssh` finds one."),
        Key("known_hosts", Kind::Text, "An absolute file of host keys.  Default: `ssh`'s own."),
    ],
};
