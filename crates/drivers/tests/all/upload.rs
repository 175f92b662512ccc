//! What is packed arrives as it was, and nothing hostile does.

use crate::world::{World, ulid};
use drivers::releases::send::{pack, tree_digest};
use engine::port::releases::Releases;
use model::{
    failure::{Blame, Failure},
    id::DeploymentId,
    release::{Artifact, Source},
};
use std::{
    fs,
    os::unix::fs::{PermissionsExt, symlink},
    path::Path,
    time::{SystemTime, UNIX_EPOCH},
};
use tar::{Builder, EntryType, Header};

fn receive(world: &World, bytes: &[u8]) -> Result<Artifact, Failure> {
    world.local.releases.receive(&world.environment, &deployment(), bytes)
}

fn deployment() -> DeploymentId {
    DeploymentId(ulid("1"))
}

fn mode(path: &Path) -> u32 {
    fs::symlink_metadata(path).unwrap().permissions().mode() & 0o7777
}

pub fn a_source(world: &World) -> std::path::PathBuf {
    let source = world.outside("source");
    fs::create_dir_all(source.join("bin/deep/er")).unwrap();
    fs::create_dir(source.join("empty dir")).unwrap();
    fs::write(source.join("bin/run"), "#!/bin/true\n").unwrap();
    fs::set_permissions(source.join("bin/run"), fs::Permissions::from_mode(0o4755)).unwrap();
    fs::write(source.join("bin/deep/er/ö ü\n"), vec![7; 300_000]).unwrap();
    let long = "l".repeat(200);
    fs::write(source.join(&long), "long").unwrap();
    fs::set_permissions(source.join(&long), fs::Permissions::from_mode(0o400)).unwrap();
    symlink("bin/run", source.join("link")).unwrap();
    symlink("../../../link", source.join("bin/deep/er/up")).unwrap();
    symlink(format!("{long}{long}"), source.join("dangling")).unwrap();
    source
}

fn now_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    since.as_millis().try_into().unwrap()
}

/// A controller that starts within the same second must know that it came before its time.
#[test]
fn an_upload_is_dated_by_more_than_seconds() {
    let world = World::new();
    let mut bytes = vec![];
    pack(&a_source(&world), None, &mut bytes).unwrap();
    let before_ms = now_ms();
    receive(&world, &bytes).unwrap();
    let arrivals = world.local.releases.arrivals(&world.environment).unwrap();
    let after_ms = now_ms();
    let [arrived] = arrivals.as_slice() else { panic!("{arrivals:?}") };
    let possible = before_ms..=after_ms + 10;
    assert!(possible.contains(&arrived.changed_at_ms), "{arrived:?} not in {possible:?}");
}

#[tokio::test]
async fn what_is_packed_arrives_with_the_same_digest() {
    let world = World::new();
    let source = a_source(&world);
    let mut first = vec![];
    let packed = pack(&source, None, &mut first).unwrap();
    let mut second = vec![];
    pack(&source, None, &mut second).unwrap();
    assert!(first == second, "the same content gives the same bytes");
    let artifact = receive(&world, &first).unwrap();
    assert_eq!(artifact.digest, packed.digest);
    assert_eq!((artifact.bytes, artifact.files), (packed.bytes, packed.files));
    let place = world.layout.upload(&world.environment, &deployment());
    assert_eq!(tree_digest(&place).unwrap(), packed.digest);
    assert_eq!(tree_digest(&source).unwrap(), packed.digest);
    assert_eq!(mode(&place.join("bin/run")), 0o755, "no setuid");
    assert_eq!(mode(&place.join("l".repeat(200))), 0o600, "its owner may write");
    assert_eq!(fs::read(place.join("bin/deep/er/ö ü\n")).unwrap(), vec![7; 300_000]);
    assert_eq!(fs::read_link(place.join("bin/deep/er/up")).unwrap(), Path::new("../../../link"));
    fs::write(source.join("bin/run"), "#!/bin/false\n").unwrap();
    assert_ne!(tree_digest(&source).unwrap(), packed.digest);
    let upload = deployment().0;
    let source = Source::Upload { upload, described: "./dist".to_owned(), commit: None };
    let inspected = world.local.releases.inspect(&world.environment, &source).await.unwrap();
    assert_eq!((inspected.digest, inspected.described), (artifact.digest, "./dist".to_owned()));
    world.local.releases.discard_upload(&world.environment, &deployment()).await.unwrap();
    assert_eq!(fs::read_dir(world.layout.incoming(&world.environment)).unwrap().count(), 0);
    let missing = world.local.releases.inspect(&world.environment, &source).await.unwrap_err();
    assert_eq!(missing.blame, Blame::Request);
}

#[test]
fn secrets_the_repository_and_our_own_state_are_left_out() {
    let world = World::new();
    let source = world.outside("source");
    for file in ["app.js", ".env", ".env.production", ".env.example", "sub/.env", ".environment"] {
        fs::create_dir_all(source.join(file).parent().unwrap()).unwrap();
        fs::write(source.join(file), file).unwrap();
    }
    for file in [".git/config", "state/run/x", "sub/.git/HEAD"] {
        fs::create_dir_all(source.join(file).parent().unwrap()).unwrap();
        fs::write(source.join(file), file).unwrap();
    }
    let _socket = std::os::unix::net::UnixListener::bind(source.join("a.sock")).unwrap();
    let mut bytes = vec![];
    let packed = pack(&source, Some(&source.join("state")), &mut bytes).unwrap();
    assert_eq!(packed.files, 3);
    assert!(packed.left_out.contains(&".env.production".into()), "{:?}", packed.left_out);
    receive(&world, &bytes).unwrap();
    let place = world.layout.upload(&world.environment, &deployment());
    for (file, is_there) in [
        ("app.js", true),
        (".env.example", true),
        (".environment", true),
        (".env", false),
        (".env.production", false),
        ("sub/.env", false),
        (".git", false),
        ("sub/.git", false),
        ("state", false),
        ("a.sock", false),
    ] {
        assert_eq!(place.join(file).exists(), is_there, "{file}");
    }
}

/// An archive of raw entries, as no honest packer writes them.
struct Hostile(Builder<Vec<u8>>);

impl Hostile {
    fn new() -> Hostile {
        Hostile(Builder::new(vec![]))
    }

    fn entry(mut self, kind: EntryType, path: &[u8], link: &[u8], data: &[u8]) -> Hostile {
        let mut header = Header::new_gnu();
        header.as_mut_bytes()[..path.len()].copy_from_slice(path);
        header.as_mut_bytes()[157..157 + link.len()].copy_from_slice(link);
        header.set_entry_type(kind);
        header.set_mode(0o7777);
        header.set_size(data.len() as u64);
        header.set_cksum();
        self.0.append(&header, data).unwrap();
        self
    }

    fn file(self, path: &str) -> Hostile {
        self.entry(EntryType::Regular, path.as_bytes(), b"", b"data")
    }

    fn directory(self, path: &str) -> Hostile {
        self.entry(EntryType::Directory, path.as_bytes(), b"", b"")
    }

    fn link(self, path: &str, target: &str) -> Hostile {
        self.entry(EntryType::Symlink, path.as_bytes(), target.as_bytes(), b"")
    }

    fn bytes(self) -> Vec<u8> {
        self.0.into_inner().unwrap()
    }
}

#[test]
fn nothing_hostile_is_taken() {
    let deep = "d/".repeat(65) + "x";
    let pax = |record: &str| {
        let length = record.len() + "00 \n".len();
        format!("{length} {record}\n").into_bytes()
    };
    let cases: Vec<(&str, Hostile)> = vec![
        ("absolute", Hostile::new().file("/tmp/evil")),
        ("leads out", Hostile::new().file("../evil")),
        ("leads out", Hostile::new().file("a/../../evil")),
        ("there twice", Hostile::new().file("a").file("a")),
        ("there twice", Hostile::new().file("a").file("./a")),
        ("there twice", Hostile::new().directory("a/").directory("a")),
        ("there twice", Hostile::new().directory("a").link("a", "b")),
        ("no directory", Hostile::new().file("a").file("a/b")),
        ("no directory", Hostile::new().directory("d").link("a", "d").file("a/b")),
        ("link out", Hostile::new().link("a", "/etc/passwd").file("x")),
        ("link out", Hostile::new().link("a", "../x").file("x")),
        ("link out", Hostile::new().link("d/e", "../../x").file("x")),
        ("link out", Hostile::new().file("z/f").link("d/e/b", "../../z").link("d/e/a", "b/../..")),
        ("link out", Hostile::new().link("a", "b").link("b", "a").file("x")),
        ("hard link out", Hostile::new().entry(EntryType::Link, b"a", b"/etc/passwd", b"")),
        ("hard link", Hostile::new().entry(EntryType::Link, b"a", b"later", b"").file("later")),
        ("hard link out", Hostile::new().entry(EntryType::Link, b"a", b"../x", b"")),
        ("a device", Hostile::new().entry(EntryType::Char, b"null", b"", b"")),
        ("a FIFO", Hostile::new().entry(EntryType::Fifo, b"fifo", b"", b"")),
        (
            "directories deep",
            Hostile::new().entry(EntryType::GNULongName, b"long", b"", deep.as_bytes()).file("x"),
        ),
        (
            "too long",
            Hostile::new().entry(EntryType::GNULongName, b"long", b"", &[b'x'; 5_000]).file("x"),
        ),
        (
            "too long",
            Hostile::new().entry(EntryType::GNULongName, b"long", b"", &[b'x'; 70_000]).file("x"),
        ),
        (
            "leads out",
            Hostile::new().entry(EntryType::XHeader, b"pax", b"", &pax("path=../evil")).file("x"),
        ),
        (
            "has two sizes",
            Hostile::new().entry(EntryType::XHeader, b"pax", b"", &pax("size=10")).file("x"),
        ),
        (
            "are broken",
            Hostile::new().entry(EntryType::XHeader, b"pax", b"", b"99999 path=x\n").file("x"),
        ),
        ("no files", Hostile::new().directory("only")),
    ];
    for (what, hostile) in cases {
        let world = World::new();
        let before = fs::read_dir(world.layout.root().parent().unwrap()).unwrap().count();
        let failure = receive(&world, &hostile.bytes()).unwrap_err();
        assert_eq!(failure.blame, Blame::Request, "{what}: {failure:?}");
        assert!(failure.message.contains(what), "{what}: {failure:?}");
        let incoming = world.layout.incoming(&world.environment);
        assert_eq!(fs::read_dir(incoming).unwrap().count(), 0, "{what}: nothing is left");
        let after = fs::read_dir(world.layout.root().parent().unwrap()).unwrap().count();
        assert_eq!(before, after, "{what}: nothing is beside it");
    }
}

#[test]
fn what_is_odd_but_harmless_is_taken() {
    let world = World::new();
    let bytes = Hostile::new()
        .file("./implied/parent/file")
        .directory("implied/")
        .entry(EntryType::Link, b"copy", b"implied/parent/file", b"")
        .link("implied/to", "parent/../../copy")
        .bytes();
    receive(&world, &bytes).unwrap();
    let place = world.layout.upload(&world.environment, &deployment());
    assert_eq!(fs::read(place.join("copy")).unwrap(), b"data");
    assert_eq!(mode(&place.join("copy")), 0o777, "no setuid, setgid or sticky bit");
    assert_eq!(mode(&place.join("implied")), 0o777);
    assert_eq!(fs::read(place.join("implied/to")).unwrap(), b"data");
}

#[test]
fn a_stream_that_is_cut_leaves_nothing() {
    let world = World::new();
    let mut bytes = vec![];
    pack(&a_source(&world), None, &mut bytes).unwrap();
    for length in [0, 100, 512, 700, 5_000, bytes.len() / 2] {
        let failure = receive(&world, &bytes[..length]).unwrap_err();
        assert_eq!(failure.blame, Blame::Request, "{length}: {failure:?}");
        let incoming = world.layout.incoming(&world.environment);
        assert_eq!(fs::read_dir(incoming).unwrap().count(), 0, "{length}");
    }
    receive(&world, &bytes).unwrap();
    receive(&world, &bytes).expect("sending again replaces it");
}

#[test]
fn a_link_out_is_refused_before_it_is_sent() {
    let world = World::new();
    let source = world.outside("source");
    fs::write(source.join("app"), "x").unwrap();
    symlink("/usr/bin/python3", source.join("python")).unwrap();
    let failure = pack(&source, None, std::io::sink()).unwrap_err();
    assert_eq!(failure.blame, Blame::Request);
    assert!(failure.message.contains("`python` is a link out"), "{failure:?}");
}
