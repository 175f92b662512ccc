//! What speaks against a deployment.

use crate::build::{artifact, service, spec};
use model::{
    failure::{Blame, Failure},
    preflight::{Seen, findings},
    routes::Claim,
    service::{Limits, ServiceSpec, Strategy},
};

fn roomy() -> Seen {
    Seen { disk_free_bytes: 1 << 40, inodes_free: 1 << 30, ..Seen::default() }
}

#[test]
fn nothing_speaks_against_a_roomy_host() {
    let spec = spec(vec![service("web")]);
    assert_eq!(findings(&spec, Some(&artifact("x")), &roomy()), vec![]);
}

#[test]
fn each_trouble_is_found_and_says_whether_force_helps() {
    let spec = spec(vec![service("web")]);
    let refused = Failure::new(Blame::Platform, "run as `app`: there is no such user");
    let claim = Claim { host: "shop.example".into(), path: "/api".into() };
    for (seen, part, overridable) in [
        (Seen { disk_free_bytes: 1 << 20, ..roomy() }, "room", true),
        (Seen { disk_free_bytes: 10, ..roomy() }, "room", false),
        (Seen { inodes_free: 3, ..roomy() }, "inodes", true),
        (Seen { unwritable: Some("read-only".into()), ..roomy() }, "read-only", false),
        (Seen { unenforceable: vec!["memory".into()], ..roomy() }, "memory", true),
        (Seen { users: vec![refused], ..roomy() }, "no such user", false),
        (Seen { route_taken: Some((claim, "blog/production".into())), ..roomy() }, "blog", false),
        (Seen { ports_taken: vec![(8080, "nginx (7)".into())], ..roomy() }, "nginx", false),
    ] {
        let found = findings(&spec, Some(&artifact("x")), &seen);
        assert_eq!(found.len(), 1, "{seen:?}");
        assert!(found[0].failure.message.contains(part), "{found:?}");
        assert_eq!(found[0].overridable, overridable, "{found:?}");
    }
}

#[test]
fn content_that_is_kept_needs_no_room() {
    let seen = Seen { disk_free_bytes: 0, inodes_free: 0, ..roomy() };
    assert_eq!(findings(&spec(vec![service("web")]), None, &seen), vec![]);
}

#[test]
fn variables_that_nobody_filled_in_are_named_without_their_values() {
    let mut web = service("web");
    for value in ["changeme", "<password>", "your-key-here", " TODO "] {
        web.env.insert("SECRET".into(), value.into());
        let found = findings(&spec(vec![web.clone()]), None, &roomy());
        assert_eq!(found.len(), 1, "{value}");
        let said = &found[0].failure.message;
        assert!(said.contains("SECRET") && !said.contains(value.trim()), "{said}");
    }
    web.env.insert("SECRET".into(), String::new());
    web.env.insert("OPTIONAL".into(), String::new());
    let found = findings(&spec(vec![web]), None, &roomy());
    assert_eq!(found.len(), 1, "an empty variable is fine where it was written down empty");
}

#[test]
fn the_new_must_have_room_beside_the_old_unless_that_gives_way() {
    let limits = Limits { memory_bytes: Some(512 << 20), ..Limits::default() };
    let web = ServiceSpec { limits, ..service("web") };
    let seen = |mib: u64| Seen { memory_available_bytes: Some(mib << 20), ..roomy() };
    let both = spec(vec![web.clone()]);
    assert_eq!(findings(&both, None, &seen(1024)), vec![], "two of them, 512 MiB each");
    let found = findings(&both, None, &seen(1023));
    assert_eq!((found.len(), found[0].overridable), (1, true));
    assert!(found[0].failure.message.contains("1024 MiB, and 1023"), "{found:?}");
    let recreate = ServiceSpec { strategy: Strategy::Recreate, ..web };
    assert_eq!(findings(&spec(vec![recreate]), None, &seen(1)), vec![]);
    assert_eq!(findings(&both, None, &roomy()), vec![], "nobody can tell");
}
