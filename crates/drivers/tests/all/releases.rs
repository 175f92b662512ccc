//! The contract of what keeps releases, on a file system.

use crate::world::{World, ulid};
use engine::port::releases::Releases;
use model::{
    failure::Blame,
    id::{DeploymentId, ReleaseId},
    release::{Release, Source},
};
use serde_json::json;
use std::{
    fs,
    os::unix::fs::{PermissionsExt, symlink},
    path::Path,
};

fn kept(version: &str) -> Source {
    Source::Kept { version: version.to_owned(), built: false }
}

async fn versions(world: &World) -> Vec<String> {
    let all = world.local.releases.list(&world.environment).await.unwrap();
    all.into_iter().map(|it| it.version).collect()
}

#[tokio::test]
async fn a_release_appears_whole_and_is_read_back() {
    let world = World::new();
    let releases = &world.local.releases;
    let release = world.release("1.0.0", "good").await;
    let directory = world.layout.release(&world.environment, "1.0.0");
    assert!(directory.join("app.py").is_file());
    assert_eq!(fs::metadata(&directory).unwrap().permissions().mode() & 0o777, 0o755);
    let record = world.layout.record(&world.environment, &release.id);
    assert_eq!(fs::metadata(record).unwrap().permissions().mode() & 0o777, 0o600);
    assert_eq!(releases.read(&world.environment, &release.id).await.unwrap(), release);
    releases.verify(&release).await.unwrap();
    let upload = ulid("1.0.0");
    let source = Source::Upload { upload, described: String::new(), commit: None };
    releases.stage(&world.environment, &release.id, "1.0.0", &source).await.unwrap();
    assert_eq!(versions(&world).await, ["1.0.0"]);
    let incoming = world.layout.incoming(&world.environment);
    assert_eq!(fs::read_dir(incoming).unwrap().count(), 0);
    let unknown = ReleaseId(ulid("7"));
    assert!(releases.read(&world.environment, &unknown).await.is_err());
}

#[tokio::test]
async fn the_same_version_is_kept_and_other_content_is_refused() {
    let world = World::new();
    let releases = &world.local.releases;
    let first = world.release("1.0.0", "good").await;
    let again = Release { id: ReleaseId(ulid("2")), ..first.clone() };
    releases.record(&again).await.unwrap();
    releases.stage(&world.environment, &again.id, "1.0.0", &kept("1.0.0")).await.unwrap();
    assert_eq!(versions(&world).await.len(), 2, "two releases of one content");

    let source = world.outside("other");
    fs::write(source.join("app.py"), "other").unwrap();
    let mut packed = vec![];
    drivers::releases::send::pack(&source, None, &mut packed).unwrap();
    let deployment = DeploymentId(ulid("3"));
    let artifact = releases.receive(&world.environment, &deployment, packed.as_slice()).unwrap();
    let other = Release { id: ReleaseId(ulid("3")), artifact, ..first.clone() };
    releases.record(&other).await.unwrap();
    let source = Source::Upload { upload: ulid("3"), described: String::new(), commit: None };
    let failure =
        releases.stage(&world.environment, &other.id, "1.0.0", &source).await.unwrap_err();
    assert_eq!(failure.blame, Blame::Request);
    assert!(failure.message.contains("other content"), "{failure:?}");
    releases.verify(&first).await.unwrap();
    assert!(releases.verify(&other).await.is_err());
    assert_eq!(versions(&world).await.len(), 2, "what was never staged is not listed");
}

#[tokio::test]
async fn altered_or_missing_content_is_seen_and_an_applications_caches_are_not_its_content() {
    let world = World::new();
    let releases = &world.local.releases;
    let release = world.release("1.0.0", "good").await;
    let directory = world.layout.release(&world.environment, "1.0.0");
    fs::create_dir(directory.join("__pycache__")).unwrap();
    fs::write(directory.join("__pycache__/x.pyc"), "cache").unwrap();
    releases.verify(&release).await.unwrap();
    let file = directory.join("app.py");
    let good = fs::read(&file).unwrap();
    fs::set_permissions(&file, fs::Permissions::from_mode(0o755)).unwrap();
    let failure = releases.verify(&release).await.unwrap_err();
    assert!(failure.evidence[0].contains("`app.py` has mode 755"), "{failure:?}");
    fs::write(&file, "altered").unwrap();
    let failure = releases.verify(&release).await.unwrap_err();
    assert!(failure.evidence[0].contains("`app.py` has other content"), "{failure:?}");
    fs::remove_file(&file).unwrap();
    let failure = releases.verify(&release).await.unwrap_err();
    assert!(failure.evidence[0].contains("`app.py` is missing"), "{failure:?}");
    fs::write(&file, good).unwrap();
    fs::set_permissions(&file, fs::Permissions::from_mode(0o644)).unwrap();
    releases.verify(&release).await.unwrap();
    fs::rename(&directory, directory.with_extension("away")).unwrap();
    let failure = releases.verify(&release).await.unwrap_err();
    assert!(failure.message.contains("missing"), "{failure:?}");
}

#[tokio::test]
async fn links_are_relative_and_swapped_and_left_as_they_are() {
    let world = World::new();
    let releases = &world.local.releases;
    let environment = &world.environment;
    assert_eq!(releases.links(environment).await.unwrap(), (None, None));
    world.release("1.0.0", "good").await;
    world.release("1.1.0", "good").await;
    releases.link(environment, Some("1.0.0"), None).await.unwrap();
    assert_eq!(releases.links(environment).await.unwrap(), (Some("1.0.0".to_owned()), None));
    releases.link(environment, Some("1.1.0"), Some("1.0.0")).await.unwrap();
    let current = world.layout.current(environment);
    assert_eq!(fs::read_link(&current).unwrap(), Path::new("releases/1.1.0"));
    assert!(current.join("app.py").is_file());
    releases.link(environment, None, Some("1.1.0")).await.unwrap();
    let both = (Some("1.1.0".to_owned()), Some("1.1.0".to_owned()));
    assert_eq!(releases.links(environment).await.unwrap(), both);
    assert!(releases.link(environment, Some("9.9.9"), None).await.is_err());
    assert!(releases.link(environment, Some("../x"), None).await.is_err());
    assert_eq!(releases.links(environment).await.unwrap(), both);
}

#[tokio::test]
async fn a_directory_in_place_of_a_link_is_left_alone() {
    let world = World::new();
    world.release("1.0.0", "good").await;
    let current = world.layout.current(&world.environment);
    fs::create_dir(&current).unwrap();
    fs::write(current.join("theirs"), "x").unwrap();
    let linked = world.local.releases.link(&world.environment, Some("1.0.0"), None).await;
    assert!(linked.unwrap_err().message.contains("no link"));
    assert!(current.join("theirs").is_file());
    assert_eq!(world.local.releases.links(&world.environment).await.unwrap(), (None, None));
}

#[tokio::test]
async fn only_what_was_made_here_is_removed_and_no_link_is_followed() {
    let world = World::new();
    let releases = &world.local.releases;
    let environment = &world.environment;
    let precious = world.outside("precious");
    fs::write(precious.join("file"), "x").unwrap();
    world.release("1.0.0", "good").await;
    world.release("1.1.0", "good").await;
    let directory = world.layout.release(environment, "1.0.0");
    symlink(&precious, directory.join("written-by-the-app")).unwrap();
    releases.link(environment, Some("1.1.0"), Some("1.0.0")).await.unwrap();
    assert!(releases.remove(environment, "1.0.0").await.is_err(), "previous points at it");
    releases.link(environment, None, Some("1.1.0")).await.unwrap();
    releases.remove(environment, "1.0.0").await.unwrap();
    releases.remove(environment, "1.0.0").await.expect("once more is harmless");
    assert!(precious.join("file").is_file());
    assert_eq!(versions(&world).await, ["1.1.0"]);
    let left = fs::read_dir(world.layout.releases(environment)).unwrap().count();
    assert_eq!(left, 1, "no trash is left");
    let foreign = world.layout.release(environment, "by-hand");
    fs::create_dir(&foreign).unwrap();
    assert!(releases.remove(environment, "by-hand").await.is_err());
    assert!(foreign.is_dir());
    let source = kept("by-hand");
    assert!(releases.inspect(environment, &source).await.is_err());
}

#[tokio::test]
async fn the_manifest_is_written_whole() {
    let world = World::new();
    let manifest = json!({ "current_deployment": "1.0.0" });
    for _ in 0..2 {
        world.local.releases.write_manifest(&world.environment, &manifest).await.unwrap();
    }
    let text = fs::read(world.layout.manifest(&world.environment)).unwrap();
    assert_eq!(serde_json::from_slice::<serde_json::Value>(&text).unwrap(), manifest);
}

#[tokio::test]
async fn a_version_becomes_no_path() {
    let world = World::new();
    let releases = &world.local.releases;
    let good = world.release("1.0.0", "good").await;
    for version in ["", ".", "..", "a/b", "-x", ".trash-x", "ü"] {
        let bad = Release { version: version.to_owned(), ..good.clone() };
        assert!(releases.record(&bad).await.is_err(), "{version}");
        assert!(releases.remove(&world.environment, version).await.is_err(), "{version}");
    }
}
