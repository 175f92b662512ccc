use super::*;
use crate::route_file::{Confirms, FORMAT, Probation, Route, RouteTarget};

fn sample() -> RouteFile {
    let target = RouteTarget {
        instance: "web-1".to_owned(),
        address: "127.0.0.1:20001".to_owned(),
        release: "r1".to_owned(),
        version: "1.0.0".to_owned(),
        weight: 1,
        files: None,
    };
    let route = Route {
        path: "/".to_owned(),
        service: "web".to_owned(),
        targets: vec![target],
        upstream_keepalive: true,
        links: None,
    };
    RouteFile {
        format: FORMAT,
        environment: "shop.production".to_owned(),
        generation: 7,
        epoch: 3,
        boot_id: "b".to_owned(),
        hosts: vec!["shop.test".to_owned()],
        routes: vec![route],
        probation: None,
        confirms: None,
        hold: None,
        checksum: String::new(),
    }
}

#[test]
fn what_is_staged_is_read_back() {
    let directory = tempfile::tempdir().unwrap();
    let file = sample().seal();
    let path = file.stage(directory.path()).unwrap();
    assert_eq!(path, generation_path(directory.path(), "shop.production", 7));
    assert_eq!(RouteFile::read(&path).unwrap(), file);
    assert_eq!(generations(directory.path(), "shop.production").unwrap(), [7]);
    assert_eq!(generations(directory.path(), "shop").unwrap(), [0; 0]);
    assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 1, "no temporary file is left");
}

#[test]
fn every_flipped_bit_and_every_cut_is_noticed() {
    let directory = tempfile::tempdir().unwrap();
    let file = sample().seal();
    let path = file.stage(directory.path()).unwrap();
    let good = fs::read(&path).unwrap();
    for at in 0..good.len() {
        let mut flipped = good.clone();
        flipped[at] ^= 1;
        fs::write(&path, &flipped).unwrap();
        // White space between values may change without a change of meaning.
        assert!(RouteFile::read(&path).map_or(true, |read| read == file), "byte {at}");
        fs::write(&path, &good[..at]).unwrap();
        assert!(RouteFile::read(&path).is_err(), "cut at {at}");
    }
}

#[test]
fn what_cannot_be_served_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    type Change = fn(&mut RouteFile);
    let changes: [(&str, Change); 12] = [
        ("format", |file| file.format = 2),
        ("name", |file| file.environment = "..x".to_owned()),
        ("host in capitals", |file| file.hosts = vec!["Shop.test".to_owned()]),
        ("host with port", |file| file.hosts = vec!["shop.test:80".to_owned()]),
        ("path", |file| file.routes[0].path = "x".to_owned()),
        ("path with query", |file| file.routes[0].path = "/x?y".to_owned()),
        ("path twice", |file| file.routes.push(file.routes[0].clone())),
        ("address", |file| file.routes[0].targets[0].address = "localhost:1".to_owned()),
        ("port", |file| file.routes[0].targets[0].address = "127.0.0.1".to_owned()),
        ("fallback", |file| file.probation = Some(Probation { fallback: 7, expires_ms: 1 })),
        ("later fallback", |file| file.probation = Some(Probation { fallback: 8, expires_ms: 1 })),
        ("confirms", |file| {
            file.confirms = Some(Confirms { generation: 7, nonce: String::new() });
        }),
    ];
    for (what, change) in changes {
        let mut file = sample();
        change(&mut file);
        let path = directory.path().join("x.json");
        fs::write(&path, serde_json::to_vec(&file.seal()).unwrap()).unwrap();
        let read = RouteFile::read(&path);
        assert!(matches!(read, Err(RouteFileError::Unfit { .. })), "{what}: {read:?}");
    }
}

#[test]
fn the_form_on_disk_is_fixed() {
    let json = serde_json::to_string(&sample().seal()).unwrap();
    let expected = concat!(
        r#"{"format":1,"environment":"shop.production","generation":7,"epoch":3,"boot_id":"b","#,
        r#""hosts":["shop.test"],"routes":[{"path":"/","service":"web","targets":[{"#,
        r#""instance":"web-1","address":"127.0.0.1:20001","release":"r1","version":"1.0.0","#,
        r#""weight":1}],"upstream_keepalive":true}],"probation":null,"confirms":null,"#,
        r#""hold":null,"checksum":""#,
    );
    assert!(json.starts_with(expected), "{json}");
    assert_eq!(sample().seal().checksum, sample().seal().checksum);
    assert_eq!(sample().seal().checksum.len(), 64);
}

#[test]
fn live_files_are_told_from_generations() {
    for (name, environment) in [
        ("shop.production.json", Some("shop.production")),
        ("shop.production.12.json", None),
        ("shop.production.fellback", None),
        (".shop.production.12.json.77.tmp", None),
        (".shop.json", None),
        ("a-1.b.json", Some("a-1.b")),
    ] {
        assert_eq!(environment_of(name), environment, "{name}");
    }
}

#[test]
fn what_a_dead_writer_left_is_removed_and_nothing_else() {
    let directory = tempfile::tempdir().unwrap();
    let mut child = std::process::Command::new("true").spawn().unwrap();
    child.wait().unwrap();
    let (dead, live) = (child.id(), std::process::id());
    let left = format!(".shop.production.9.json.{dead}.tmp");
    let kept = [
        format!(".shop.production.9.json.{live}.tmp"),
        format!(".shop.staging.9.json.{dead}.tmp"),
        "shop.production.9.json".to_owned(),
    ];
    for name in kept.iter().chain([&left]) {
        fs::write(directory.path().join(name), "{").unwrap();
    }
    remove_abandoned(directory.path(), "shop.production").unwrap();
    assert!(!directory.path().join(left).exists());
    assert!(kept.iter().all(|it| directory.path().join(it).exists()));
}
