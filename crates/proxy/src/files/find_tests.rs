use super::*;
use crate::route_file::FilesRoot;
use std::os::unix::fs::symlink;

struct Place {
    folder: Folder,
    directory: tempfile::TempDir,
}

fn write(path: PathBuf, text: &str) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, text).unwrap();
}

/// Two releases of which the second serves.
fn place(fallback: Option<&str>) -> Place {
    let directory = tempfile::tempdir().unwrap();
    let at = directory.path();
    for (path, text) in [
        ("releases/1/dist/index.html", "one"),
        ("releases/1/dist/gone.html", "a page of old"),
        ("releases/1/dist/assets/app.0000000a.js", "old code"),
        ("releases/1/dist/same.js", "old"),
        ("releases/2/secret.txt", "beside the directory"),
        ("releases/2/dist/index.html", "two"),
        ("releases/2/dist/same.js", "new"),
        ("releases/2/dist/same.js.br", "new, in short"),
        ("releases/2/dist/same.js.gz", "new, shorter"),
        ("releases/2/dist/docs/index.html", "docs"),
        ("releases/2/dist/empty/file.txt", "x"),
        ("releases/2/dist/.env", "SECRET=1"),
        ("releases/2/dist/.well-known/a.txt", "known"),
        ("shared/up/photo.png", "photo"),
        ("shared/.hidden", "hidden"),
        ("elsewhere.txt", "nobody's"),
    ] {
        write(at.join(path), text);
    }
    let dist = at.join("releases/2/dist");
    symlink("../../../shared/up", dist.join("up")).unwrap();
    symlink("../../../elsewhere.txt", dist.join("out.txt")).unwrap();
    symlink("/etc", dist.join("etc")).unwrap();
    symlink(".env", dist.join("env.txt")).unwrap();
    symlink("same.js", dist.join("alias.js")).unwrap();
    rustix::fs::mkfifoat(rustix::fs::CWD, dist.join("fifo.txt"), 0o644.into()).unwrap();
    let root = |version: &str| FilesRoot {
        release: at.join("releases").join(version).display().to_string(),
        directory: "dist".to_owned(),
    };
    let files = Files {
        roots: vec![root("2"), root("1")],
        shared: Some(at.join("shared").display().to_string()),
        index: Some("index.html".to_owned()),
        fallback: fallback.map(str::to_owned),
    };
    Place { folder: Folder::new(&files), directory }
}

impl Place {
    fn ask(&self, path: &str) -> String {
        self.ask_for(path, "")
    }

    fn ask_for(&self, path: &str, encodings: &str) -> String {
        let Some(asked) = Asked::read(path, encodings) else { return "refused".to_owned() };
        match self.folder.find(&asked) {
            Found::File(opened) => {
                let text = String::from_utf8(opened.small.unwrap()).unwrap();
                if opened.status == 200 { text } else { format!("{} {text}", opened.status) }
            }
            Found::Directory => "directory".to_owned(),
            Found::Nothing => "nothing".to_owned(),
            Found::Failed(error) => error.to_string(),
        }
    }
}

#[test]
fn files_are_found_in_the_release_that_serves() {
    let place = place(None);
    for (path, expected) in [
        ("/", "two"),
        ("", "two"),
        ("/index.html", "two"),
        ("/same.js", "new"),
        ("/alias.js", "new"),
        ("/docs", "directory"),
        ("/docs/", "docs"),
        ("/empty", "nothing"),
        ("/empty/", "nothing"),
        ("/same.js/", "nothing"),
        ("/same.js/x", "nothing"),
        ("/.well-known/a.txt", "known"),
        ("/up/photo.png", "photo"),
    ] {
        assert_eq!(place.ask(path), expected, "{path}");
    }
}

#[test]
fn what_a_page_of_an_earlier_release_needs_stays_and_the_page_does_not() {
    let place = place(None);
    assert_eq!(place.ask("/assets/app.0000000a.js"), "old code");
    assert_eq!(place.ask("/gone.html"), "nothing");
    fs::remove_dir_all(place.directory.path().join("releases/1")).unwrap();
    assert_eq!(place.ask("/assets/app.0000000a.js"), "nothing");
    assert_eq!(place.ask("/"), "two");
}

#[test]
fn nothing_outside_and_nothing_hidden_is_opened() {
    let place = place(Some("index.html"));
    for path in ["/.env", "/../secret.txt", "/%2e%2e/secret.txt", "/docs/../.env"] {
        assert_eq!(place.ask(path), "refused", "{path}");
    }
    for path in ["/out.txt", "/etc/passwd.txt", "/env.txt", "/fifo.txt", "/secret.txt"] {
        assert_eq!(place.ask(path), "nothing", "{path}");
    }
    assert_eq!(place.ask("/etc/passwd"), "two", "as any page of the application");
}

#[test]
fn an_application_of_one_page_answers_for_its_pages_and_not_for_its_files() {
    let single = place(Some("index.html"));
    assert_eq!(single.ask("/orders/17"), "two");
    assert_eq!(single.ask("/orders/"), "two");
    assert_eq!(single.ask("/missing.js"), "nothing");
    let several = place(None);
    assert_eq!(several.ask("/orders/17"), "nothing");
    write(several.directory.path().join("releases/2/dist/404.html"), "not here");
    assert_eq!(several.ask("/orders/17"), "404 not here");
    assert_eq!(several.ask("/missing.js"), "404 not here");
}

#[test]
fn what_was_compressed_beforehand_goes_to_who_takes_it() {
    let place = place(None);
    assert_eq!(place.ask_for("/same.js", "gzip, br"), "new, in short");
    assert_eq!(place.ask_for("/same.js", "gzip"), "new, shorter");
    assert_eq!(place.ask_for("/same.js", "zstd"), "new");
    assert_eq!(place.ask_for("/", "gzip, br"), "two");
}

#[test]
fn a_release_without_its_files_fails() {
    let place = place(None);
    fs::remove_dir_all(place.directory.path().join("releases/2")).unwrap();
    assert!(place.ask("/").contains("No such file"), "{}", place.ask("/"));
}
