//! The keys of `migrate`.

use super::{Key, Kind, Shape, build::COMMAND};

pub(super) static MIGRATE: Shape = Shape {
    name: "migrate",
    required: &[],
    keys: &[
        Key(
            "tool",
            Kind::OneOf(&["alembic", "prisma", "django", "sqlx", "command"]),
            "Whose words are understood.  Default: `command`.",
        ),
        Key("command", COMMAND, "Brings it forward.  Default: as the tool is used."),
        Key("status", COMMAND, "Ends with 0 where nothing is left to be done, with 1 where it is."),
        Key("undo", COMMAND, "Takes back as many migrations as are put for `{}`, or one."),
        Key("directory", Kind::Text, "Where the files of migrations lie, in the release."),
        Key("timeout", Kind::Time, "Then it is ended, and has failed.  Default: 10m."),
        Key(
            "lock_timeout",
            Kind::Time,
            "How long a statement of PostgreSQL's may wait for a lock.  Default: 5s; 0: no end.",
        ),
    ],
};
