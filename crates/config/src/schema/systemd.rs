//! What systemd can be asked for.

use super::{Key, Kind, Shape};

pub(super) static SYSTEMD: Shape = Shape {
    name: "systemd",
    required: &[],
    keys: &[
        Key(
            "watchdog",
            Kind::Time,
            "It is ended, and started again, when it has not sent WATCHDOG=1 for so long.  \
             Default: nothing is expected of it.",
        ),
        Key("cpu", Kind::Text, "At most this part of one processor: `150%` is one and a half."),
        Key(
            "allow",
            Kind::List(&Kind::OneOf(&[
                "devices",
                "home",
                "kernel",
                "namespaces",
                "sockets",
                "system",
                "tmp",
            ])),
            "What of the hardening is left out.  Default: nothing.",
        ),
        Key(
            "properties",
            Kind::Named(&Kind::Text),
            "Further properties of its unit, such as `IOWeight`; none that says what is run, as \
             whom, or what its exit leads to.",
        ),
    ],
};
