//! Releases from a repository.

use crate::world::{World, service, ulid};
use engine::port::releases::Releases;
use model::{
    failure::{Blame, Failure},
    id::ReleaseId,
    release::{Artifact, Release, Source},
};
use std::{fs, path::PathBuf, process::Command};

struct Repository(PathBuf);

impl Repository {
    fn new(world: &World) -> Repository {
        let repository = Repository(world.outside("repository"));
        repository.git(&["init", "--quiet", "--initial-branch=main"]);
        repository.commit("app.py", "one");
        repository
    }

    fn git(&self, arguments: &[&str]) -> String {
        let output = Command::new("git")
            .args(["-c", "user.name=T", "-c", "user.email=t@example.test"])
            .args(arguments)
            .current_dir(&self.0)
            .output()
            .unwrap();
        assert!(output.status.success(), "{arguments:?}: {output:?}");
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    }

    fn commit(&self, file: &str, content: &str) -> String {
        fs::write(self.0.join(file), content).unwrap();
        self.git(&["add", "."]);
        self.git(&["commit", "--quiet", "-m", content]);
        self.git(&["rev-parse", "HEAD"])
    }

    fn source(&self, reference: &str) -> Source {
        Source::Git { url: self.0.to_str().unwrap().to_owned(), reference: reference.to_owned() }
    }
}

async fn inspect(world: &World, source: &Source) -> Result<Artifact, Failure> {
    world.local.releases.inspect(&world.environment, source).await
}

fn content(world: &World, version: &str) -> String {
    let directory = world.layout.release(&world.environment, version);
    fs::read_to_string(directory.join("app.py")).unwrap()
}

#[tokio::test]
async fn branches_tags_and_commits_are_resolved_and_staged() {
    let world = World::new();
    let repository = Repository::new(&world);
    let first = repository.git(&["rev-parse", "HEAD"]);
    repository.git(&["tag", "-a", "v1", "-m", "v1"]);
    let second = repository.commit("app.py", "two");
    for (reference, commit) in [
        ("main", &second),
        ("v1", &first),
        ("refs/tags/v1", &first),
        (first.as_str(), &first),
        (&second[..8], &second),
    ] {
        let artifact = inspect(&world, &repository.source(reference)).await.unwrap();
        assert_eq!(artifact.commit.as_ref(), Some(commit), "{reference}");
    }
    let release = world.staged("2.0.0", service("good"), &repository.source("main")).await;
    assert_eq!(content(&world, "2.0.0"), "two");
    world.local.releases.verify(&release).await.unwrap();
    let third = repository.commit("app.py", "three");
    let artifact = inspect(&world, &repository.source("main")).await.unwrap();
    assert_eq!(artifact.commit, Some(third), "the mirror is brought up to date");
}

#[tokio::test]
async fn what_was_inspected_is_staged_though_the_branch_moved() {
    let world = World::new();
    let repository = Repository::new(&world);
    let releases = &world.local.releases;
    let source = repository.source("main");
    let artifact = inspect(&world, &source).await.unwrap();
    repository.commit("app.py", "two");
    inspect(&world, &source).await.unwrap();
    let release = Release {
        id: ReleaseId(ulid("1")),
        version: "1.0.0".to_owned(),
        artifact,
        spec: world.spec(service("good")),
        left: [].into(),
        migrated: [].into(),
        created_at_ms: 1,
    };
    releases.record(&release).await.unwrap();
    releases.stage(&world.environment, &release.id, "1.0.0", &source).await.unwrap();
    assert_eq!(content(&world, "1.0.0"), "one");
    releases.stage(&world.environment, &release.id, "1.0.0", &source).await.unwrap();
}

#[tokio::test]
async fn hostile_references_and_urls_are_refused() {
    let world = World::new();
    let repository = Repository::new(&world);
    let marker = world.outside("proof").join("ran");
    let run = format!("touch {}", marker.display());
    for reference in [
        "",
        "--upload-pack=x",
        "-main",
        "main..v1",
        "main:app.py",
        "main^{tree}",
        "@{-1}",
        "a b",
        "main\nx",
        "no-such-branch",
        "0000000000000000000000000000000000000000",
        "..",
    ] {
        let failure = inspect(&world, &repository.source(reference)).await.unwrap_err();
        assert_eq!(failure.blame, Blame::Request, "{reference}: {failure:?}");
    }
    for url in [
        "",
        &format!("--upload-pack={run}"),
        &format!("ext::sh -c {run}"),
        "https://user:secret@example.test/x.git",
        "file:///no/such/repository",
        "/no/such\nrepository",
    ] {
        let source = Source::Git { url: url.to_owned(), reference: "main".to_owned() };
        let failure = inspect(&world, &source).await.unwrap_err();
        assert_eq!(failure.blame, Blame::Request, "{url}: {failure:?}");
        assert!(!format!("{failure:?}").contains("secret"), "{failure:?}");
    }
    assert!(!marker.exists());
}

#[tokio::test]
async fn hooks_of_the_repository_are_not_run_and_links_out_are_refused() {
    let world = World::new();
    let repository = Repository::new(&world);
    std::os::unix::fs::symlink("/etc/passwd", repository.0.join("evil")).unwrap();
    repository.commit("app.py", "two");
    let failure = inspect(&world, &repository.source("main")).await.unwrap_err();
    assert!(failure.message.contains("link out"), "{failure:?}");
    let incoming = world.layout.incoming(&world.environment);
    assert_eq!(fs::read_dir(&incoming).unwrap().count(), 0, "nothing is left");
    fs::remove_file(repository.0.join("evil")).unwrap();
    repository.commit("app.py", "three");
    inspect(&world, &repository.source("main")).await.unwrap();
}

#[tokio::test]
async fn a_branch_and_a_tag_of_one_name_must_be_told_apart() {
    let world = World::new();
    let repository = Repository::new(&world);
    repository.git(&["tag", "v1"]);
    repository.commit("app.py", "two");
    repository.git(&["branch", "v1"]);
    let failure = inspect(&world, &repository.source("v1")).await.unwrap_err();
    assert!(failure.hints[0].contains("refs/tags/v1"), "{failure:?}");
    inspect(&world, &repository.source("refs/tags/v1")).await.unwrap();
}
