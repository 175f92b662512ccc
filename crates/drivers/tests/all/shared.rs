//! What all releases share, on the disk.

use crate::world::{World, service, ulid};
use engine::port::releases::Releases;
use model::{
    failure::Failure,
    id::{DeploymentId, ReleaseId},
    release::{Release, Source},
    service::EnvironmentSpec,
    shared::{Shared, Trouble},
};
use std::{
    fs,
    os::unix::fs::symlink,
    path::{Path, PathBuf},
};

fn shared(files: &[&str], directories: &[&str]) -> Shared {
    let owned = |all: &[&str]| all.iter().map(|it| (*it).to_owned()).collect();
    Shared { files: owned(files), directories: owned(directories) }
}

/// Sends what `fill` writes, and records a release of it.
async fn sent(
    world: &World,
    version: &str,
    shared: Shared,
    fill: impl FnOnce(&Path),
) -> (Release, Source) {
    let source = world.outside(&format!("source-{version}"));
    fs::write(source.join("app.py"), version).unwrap();
    fill(&source);
    packed(world, version, shared, &source).await
}

async fn packed(
    world: &World,
    version: &str,
    shared: Shared,
    directory: &Path,
) -> (Release, Source) {
    let (releases, environment) = (&world.local.releases, &world.environment);
    let upload = ulid(version);
    let mut packed = vec![];
    let sent = drivers::releases::send::pack(directory, None, &mut packed).unwrap();
    releases.receive(environment, &DeploymentId(upload.clone()), packed.as_slice()).unwrap();
    let source = Source::Upload { upload, described: "a test".to_owned(), commit: None };
    let artifact = releases.inspect(environment, &source).await.unwrap();
    assert_eq!(artifact.digest, sent.digest, "what is shared changes no digest");
    let release = Release {
        id: ReleaseId(ulid(version)),
        version: version.to_owned(),
        artifact,
        spec: EnvironmentSpec { shared, ..world.spec(service("good")) },
        left: [].into(),
        migrated: [].into(),
        created_at_ms: 1_795_267_321_123,
    };
    releases.record(&release).await.unwrap();
    (release, source)
}

async fn staged(
    world: &World,
    version: &str,
    shared: Shared,
    fill: impl FnOnce(&Path),
) -> Result<Release, Failure> {
    let (release, source) = sent(world, version, shared, fill).await;
    let (releases, environment) = (&world.local.releases, &world.environment);
    releases.stage(environment, &release.id, version, &source).await.map(|()| release)
}

async fn troubles(
    world: &World,
    version: &str,
    shared: Shared,
    fill: impl FnOnce(&Path),
) -> Vec<Trouble> {
    let (release, source) = sent(world, version, shared, fill).await;
    world.local.releases.shared_trouble(&release, &source).await.unwrap()
}

fn place(world: &World, version: &str, path: &str) -> PathBuf {
    world.layout.release(&world.environment, version).join(path)
}

fn text(path: &Path) -> String {
    fs::read_to_string(path).unwrap()
}

async fn assert_whole(world: &World, release: &Release) {
    world.local.releases.verify(release).await.unwrap();
    let integrity = world.local.releases.integrity(release).unwrap();
    assert!(integrity.is_whole(), "{integrity:?}");
}

fn all() -> Shared {
    shared(&["data/main.db"], &["uploads", "var/storage"])
}

fn fill_first(source: &Path) {
    fs::create_dir_all(source.join("uploads/deep")).unwrap();
    fs::write(source.join("uploads/deep/photo"), "first").unwrap();
    fs::create_dir(source.join("data")).unwrap();
    fs::write(source.join("data/main.db"), "rows").unwrap();
    fs::write(source.join("data/schema.sql"), "create").unwrap();
}

#[tokio::test]
async fn the_first_release_brings_it_and_no_later_one_changes_it() {
    let world = World::new();
    let first = staged(&world, "1.0.0", all(), fill_first).await.unwrap();
    for (path, target) in [
        ("uploads", "../../shared/uploads"),
        ("data/main.db", "../../../shared/data/main.db"),
        ("var/storage", "../../../shared/var/storage"),
    ] {
        assert_eq!(fs::read_link(place(&world, "1.0.0", path)).unwrap(), Path::new(target));
    }
    assert_eq!(text(&place(&world, "1.0.0", "uploads/deep/photo")), "first");
    assert_eq!(text(&place(&world, "1.0.0", "data/main.db")), "rows");
    assert!(!place(&world, "1.0.0", "data/schema.sql").is_symlink(), "only what is named");
    assert_whole(&world, &first).await;

    // The application writes; the next release brings other things, which are left out.
    fs::write(place(&world, "1.0.0", "uploads/new"), "by a user").unwrap();
    fs::write(place(&world, "1.0.0", "data/main.db"), "more rows").unwrap();
    let second = staged(&world, "2.0.0", all(), |source| {
        fs::create_dir(source.join("uploads")).unwrap();
        fs::write(source.join("uploads/new"), "by the release").unwrap();
        fs::create_dir(source.join("data")).unwrap();
        fs::write(source.join("data/main.db"), "no rows").unwrap();
    });
    let second = second.await.unwrap();
    assert_eq!(text(&place(&world, "2.0.0", "uploads/new")), "by a user");
    assert_eq!(text(&place(&world, "2.0.0", "uploads/deep/photo")), "first");
    assert_eq!(text(&place(&world, "2.0.0", "data/main.db")), "more rows");
    assert_whole(&world, &first).await;
    assert_whole(&world, &second).await;

    // Everything else is minded as ever, and a removed release takes nothing with it.
    fs::write(place(&world, "2.0.0", "app.py"), "altered").unwrap();
    assert!(world.local.releases.verify(&second).await.is_err());
    for version in ["1.0.0", "2.0.0"] {
        world.local.releases.remove(&world.environment, version).await.unwrap();
    }
    let kept = world.layout.environment(&world.environment).join("shared");
    assert_eq!(text(&kept.join("uploads/new")), "by a user");
    assert_eq!(text(&kept.join("data/main.db")), "more rows");
    let contents = fs::read_dir(world.layout.contents(&world.environment)).unwrap();
    assert_eq!(contents.count(), 0, "what the releases brought goes with them");
}

#[tokio::test]
async fn a_release_is_sent_on_as_it_came() {
    let world = World::new();
    let first = staged(&world, "1.0.0", all(), fill_first).await.unwrap();
    fs::write(place(&world, "1.0.0", "uploads/new"), "by a user").unwrap();
    fs::write(place(&world, "1.0.0", "cache"), "by the application").unwrap();
    let directory = place(&world, "1.0.0", "");
    assert!(drivers::releases::send::is_kept(&directory));
    assert!(!drivers::releases::send::is_kept(&world.outside("source-1.0.0")));
    let (second, _) = packed(&world, "2.0.0", all(), &directory).await;
    assert_eq!(second.artifact.digest, first.artifact.digest);
}

#[tokio::test]
async fn what_nobody_brings_is_made_or_asked_for() {
    let world = World::new();
    let wanted = || shared(&["conf/db.sqlite"], &["uploads"]);
    let found = troubles(&world, "0.9.0", wanted(), |_| {}).await;
    let [trouble @ Trouble::Missing { name, place: asked }] = &found[..] else {
        panic!("{found:?}");
    };
    assert_eq!(name, "conf/db.sqlite");
    let finding = trouble.finding();
    assert!(finding.overridable && finding.failure.hints[0].contains(asked), "{finding:?}");
    assert!(!world.layout.environment(&world.environment).join("shared").exists(), "only asked");

    let release = staged(&world, "1.0.0", wanted(), |_| {}).await.unwrap();
    assert!(place(&world, "1.0.0", "uploads").is_dir());
    let database = place(&world, "1.0.0", "conf/db.sqlite");
    assert!(database.is_symlink() && !database.exists(), "the application makes it");
    fs::write(&database, "rows").unwrap();
    assert_eq!(text(Path::new(asked)), "rows");
    assert_whole(&world, &release).await;
    assert_eq!(troubles(&world, "1.1.0", wanted(), |_| {}).await, []);
}

#[tokio::test]
async fn nothing_is_shared_through_a_link_or_as_another_kind() {
    let world = World::new();
    let link = |source: &Path| {
        fs::create_dir_all(source.join("real")).unwrap();
        fs::write(source.join("real/file"), "").unwrap();
        symlink("real", source.join("var")).unwrap();
    };
    let through = || shared(&[], &["var/uploads"]);
    let found = troubles(&world, "0.1.0", through(), link).await;
    assert!(matches!(&found[..], [Trouble::Below { .. }]), "{found:?}");
    let failure = staged(&world, "1.0.0", through(), link).await.unwrap_err();
    assert!(failure.message.contains("which is no directory of the release"), "{failure:?}");
    assert!(!place(&world, "1.0.0", "").exists(), "nothing is in its place");

    let file = |source: &Path| fs::write(source.join("uploads"), "a file").unwrap();
    let found = troubles(&world, "0.2.0", shared(&[], &["uploads"]), file).await;
    assert!(matches!(&found[..], [Trouble::OtherKind { is_directory: true, .. }]), "{found:?}");
    let failure = staged(&world, "2.0.0", shared(&[], &["uploads"]), file).await.unwrap_err();
    assert!(failure.message.contains("it is no directory"), "{failure:?}");

    let outside = staged(&world, "3.0.0", shared(&["../../../escape"], &[]), |_| {});
    let failure = outside.await.unwrap_err();
    assert!(failure.message.contains("has an empty part, `.` or `..`"), "{failure:?}");

    // What an application put in the way of a link leads nowhere either.
    let root = world.layout.environment(&world.environment).join("shared");
    fs::create_dir_all(&root).unwrap();
    symlink("/tmp", root.join("var")).unwrap();
    let found = troubles(&world, "0.4.0", shared(&[], &["var/x"]), |_| {}).await;
    assert!(matches!(&found[..], [Trouble::Below { .. }]), "{found:?}");
    let failure = staged(&world, "4.0.0", shared(&[], &["var/x"]), |_| {}).await.unwrap_err();
    assert!(failure.message.contains("no directory of `shared/`"), "{failure:?}");
}

#[tokio::test]
async fn content_that_is_in_place_keeps_its_links() {
    let world = World::new();
    let release = staged(&world, "1.0.0", shared(&[], &["a"]), |_| {}).await.unwrap();
    let source = Source::Kept { version: "1.0.0".to_owned(), built: false };
    for (wanted, other) in [(&["a"][..], None), (&["a", "b"], Some("b")), (&[], Some("a"))] {
        let spec = EnvironmentSpec { shared: shared(&[], wanted), ..release.spec.clone() };
        let next = Release { spec, ..release.clone() };
        let found = world.local.releases.shared_trouble(&next, &source).await.unwrap();
        let other = other.map(|name: &str| Trouble::OtherLinks {
            version: "1.0.0".to_owned(),
            name: name.to_owned(),
        });
        assert_eq!(found, other.into_iter().collect::<Vec<_>>(), "{wanted:?}");
    }
}

#[tokio::test]
async fn a_staging_that_was_cut_short_is_repeated() {
    let world = World::new();
    let (release, source) = sent(&world, "1.0.0", all(), fill_first).await;
    // As far as the links of some, with half a copy of the next.
    let contents = world.layout.contents(&world.environment);
    let brought = contents.join("1.0.0.shared");
    fs::create_dir_all(brought.join("originals")).unwrap();
    fs::write(brought.join("half"), "half").unwrap();
    let artifact = serde_json::to_vec(&release.artifact).unwrap();
    fs::write(contents.join("1.0.0.json"), artifact).unwrap();
    let Source::Upload { upload, .. } = &source else { panic!("{source:?}") };
    let incoming = world.layout.upload(&world.environment, &DeploymentId(upload.clone()));
    fs::rename(incoming.join("uploads"), brought.join("originals/uploads")).unwrap();
    let releases = &world.local.releases;
    releases.stage(&world.environment, &release.id, "1.0.0", &source).await.unwrap();
    assert_eq!(text(&place(&world, "1.0.0", "uploads/deep/photo")), "first");
    assert_eq!(text(&place(&world, "1.0.0", "data/main.db")), "rows");
    assert_whole(&world, &release).await;
}
