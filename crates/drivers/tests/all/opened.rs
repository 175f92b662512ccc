//! A directory that is handed over arrives as it would if it were sent, and nothing else does.

use crate::{
    upload::a_source,
    world::{World, ulid},
};
use drivers::releases::{
    opened::{self, Taken, Told},
    send::{pack, tree_digest},
};
use model::{
    failure::{Blame, Failure},
    id::DeploymentId,
    release::Artifact,
};
use std::{
    fs,
    os::unix::fs::{PermissionsExt, symlink},
    path::Path,
    process::Command,
};

fn take(world: &World, source: &Path) -> Result<Taken, Failure> {
    let directory = opened::open(source).unwrap();
    assert!(opened::may_hand_over(&directory));
    let told = Told::default();
    let releases = &world.local.releases;
    releases.take_opened(&world.environment, &deployment(), &directory, &|_| Ok(()), &told)
}

fn taken(world: &World, source: &Path) -> Artifact {
    match take(world, source).unwrap() {
        Taken::Received(received) => received.artifact,
        Taken::SendIt(why) => panic!("it would have to be sent: {why}"),
    }
}

fn deployment() -> DeploymentId {
    DeploymentId(ulid("1"))
}

fn incoming(world: &World) -> usize {
    fs::read_dir(world.layout.incoming(&world.environment)).map_or(0, Iterator::count)
}

#[test]
fn what_is_handed_over_is_what_would_be_sent() {
    let world = World::new();
    let source = a_source(&world);
    fs::write(source.join("empty"), "").unwrap();
    fs::write(source.join("exact"), vec![1; 128 * 1024]).unwrap();
    fs::create_dir(source.join("many")).unwrap();
    for at in 0..300 {
        fs::write(source.join(format!("many/{at}")), vec![7; at * 11]).unwrap();
    }
    let packed = pack(&source, None, std::io::sink()).unwrap();
    let artifact = taken(&world, &source);
    assert_eq!(artifact.digest, packed.digest);
    assert_eq!((artifact.bytes, artifact.files), (packed.bytes, packed.files));
    let place = world.layout.upload(&world.environment, &deployment());
    assert_eq!(tree_digest(&place).unwrap(), packed.digest);
    let mode = |path: &str| fs::metadata(place.join(path)).unwrap().permissions().mode() & 0o7777;
    assert_eq!(mode("bin/run"), 0o755, "no setuid, and no umask");
    assert_eq!(mode("bin"), 0o755);
    let again = taken(&world, &source);
    assert_eq!(again.digest, packed.digest, "taking again replaces it");
}

#[test]
fn secrets_the_repository_our_own_state_and_devices_stay_behind() {
    let world = World::new();
    // The state directory lies in what is deployed.
    let source = world.layout.root().parent().unwrap();
    for file in ["app.js", ".env", ".env.production", ".env.example", "sub/.env", ".git/config"] {
        fs::create_dir_all(source.join(file).parent().unwrap()).unwrap();
        fs::write(source.join(file), file).unwrap();
    }
    let _socket = std::os::unix::net::UnixListener::bind(source.join("a.sock")).unwrap();
    assert!(Command::new("mkfifo").arg(source.join("fifo")).status().unwrap().success());
    let artifact = taken(&world, source);
    let place = world.layout.upload(&world.environment, &deployment());
    let mut names: Vec<String> = fs::read_dir(&place)
        .unwrap()
        .map(|it| it.unwrap().file_name().to_string_lossy().into_owned())
        .collect();
    names.sort();
    assert_eq!(names, [".env.example", "app.js", "sub"]);
    assert_eq!(artifact.files, 2);
}

/// What is done to a good directory.
type Spoils<'a> = &'a dyn Fn(&Path);

#[test]
fn what_is_refused_leaves_nothing() {
    let deep = "d/".repeat(65) + "x";
    let cases: [(&str, Spoils<'_>); 5] = [
        ("`python` is a link out", &|it| symlink("/usr/bin/python3", it.join("python")).unwrap()),
        ("is a link out", &|it| symlink("../x", it.join("up")).unwrap()),
        ("directories deep", &|it| {
            fs::create_dir_all(it.join(&deep).parent().unwrap()).unwrap();
            fs::write(it.join(&deep), "x").unwrap();
        }),
        ("no files", &|it| fs::remove_file(it.join("app")).unwrap()),
        ("room", &|_| ()),
    ];
    for (what, prepare) in cases {
        let world = World::new();
        let source = world.outside("source");
        fs::write(source.join("app"), "x").unwrap();
        prepare(&source);
        let directory = opened::open(&source).unwrap();
        let admit = |_| match what {
            "room" => Err(Failure::new(Blame::Request, "find room")),
            _ => Ok(()),
        };
        let (releases, told) = (&world.local.releases, Told::default());
        let failure = releases
            .take_opened(&world.environment, &deployment(), &directory, &admit, &told)
            .unwrap_err();
        assert_eq!(failure.blame, Blame::Request, "{what}: {failure:?}");
        assert!(failure.message.contains(what), "{what}: {failure:?}");
        assert_eq!(incoming(&world), 0, "{what}: nothing is left");
    }
}

#[test]
fn nobody_is_waited_for_who_went_away() {
    let world = World::new();
    let source = a_source(&world);
    let (directory, told) = (opened::open(&source).unwrap(), Told::default());
    told.give_up();
    let releases = &world.local.releases;
    let failure = releases
        .take_opened(&world.environment, &deployment(), &directory, &|_| Ok(()), &told)
        .unwrap_err();
    assert!(failure.message.contains("went away"), "{failure:?}");
    assert_eq!(incoming(&world), 0);
}

/// Whoever could change the tree while it is read leads nowhere else by it.
#[test]
fn no_link_that_takes_a_directorys_place_is_followed() {
    let world = World::new();
    let source = world.outside("source");
    let secret = world.outside("secret");
    fs::write(secret.join("key"), "the key").unwrap();
    fs::create_dir(source.join("sub")).unwrap();
    fs::write(source.join("sub/key"), "harmless").unwrap();
    let directory = opened::open(&source).unwrap();
    let swap = |_| {
        // After it was looked through, and before anything of it is read.
        fs::rename(source.join("sub"), source.join("was")).unwrap();
        symlink(&secret, source.join("sub")).unwrap();
        Ok(())
    };
    let (releases, told) = (&world.local.releases, Told::default());
    let failure = releases
        .take_opened(&world.environment, &deployment(), &directory, &swap, &told)
        .unwrap_err();
    assert!(failure.message.contains("changed while it was read"), "{failure:?}");
    assert_eq!(incoming(&world), 0);
}

#[test]
fn a_file_that_grows_while_it_is_read_is_refused() {
    let world = World::new();
    let source = world.outside("source");
    fs::write(source.join("log"), "one").unwrap();
    let directory = opened::open(&source).unwrap();
    let grow = |_| {
        fs::write(source.join("log"), "one and two").unwrap();
        Ok(())
    };
    let (releases, told) = (&world.local.releases, Told::default());
    let failure = releases
        .take_opened(&world.environment, &deployment(), &directory, &grow, &told)
        .unwrap_err();
    assert!(failure.message.contains("changed while it was read"), "{failure:?}");
}
