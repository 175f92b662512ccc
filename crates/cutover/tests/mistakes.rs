//! Mistakes as they are made, and what is said of each: `docs/mistakes.md` is what the program
//! prints.  `CUTOVER_GOLDEN=write` writes it anew, to be read in the diff as a stranger would.
#![allow(clippy::unwrap_used, reason = "a test fails where it cannot go on")]

use std::{
    env,
    fmt::Write,
    fs,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

const BEGINNING: &str = "\
# Mistakes

What is typed, what is said, and the code that the program ends with.  A test runs each of these, so
this is what you will see.  Nothing is changed by any of them.
";

/// A mistake: what happened, the files that are there beside the shop's, and what is typed.
struct Mistake {
    title: &'static str,
    files: &'static [(&'static str, &'static str)],
    typed: &'static str,
    code: i32,
}

const SHOP: &str = "\
projects:
  shop:
    source: { directory: . }
    services:
      web:
        command: [node, server.js]
        routes: [/]
        health: { path: /health }
        smoke: [{ get: / }]
    environments:
      staging: { domains: [staging.shop.example] }
      production: { domains: [shop.example], version: semver }
";

const MISTAKES: [Mistake; 14] = [
    Mistake {
        title: "In the wrong directory",
        files: &[("cutover.yml", "")],
        typed: "deploy production 1.3.0",
        code: 1,
    },
    Mistake {
        title: "A key that is misspelt, and a value that is none",
        files: &[("cutover.yml", "@routes: [/]@rutes: [/]\n        instances: two")],
        typed: "check",
        code: 1,
    },
    Mistake {
        title: "A line that would need a shell",
        files: &[("cutover.yml", "@[node, server.js]@npm ci && node server.js")],
        typed: "check",
        code: 1,
    },
    Mistake {
        title: "Indented with a tab",
        files: &[("cutover.yml", "@        routes@\troutes")],
        typed: "check",
        code: 1,
    },
    Mistake {
        title: "An environment that is misspelt",
        files: &[],
        typed: "deploy prodution 1.3.0",
        code: 1,
    },
    Mistake { title: "An environment that is left out", files: &[], typed: "deploy", code: 1 },
    Mistake {
        title: "A version that is left out",
        files: &[],
        typed: "deploy production",
        code: 1,
    },
    Mistake {
        title: "A version that is no version",
        files: &[],
        typed: "deploy production latest",
        code: 1,
    },
    Mistake {
        title: "A secret that was never filled in, in a file that everybody may read",
        files: &[
            (
                "cutover.yml",
                "@version: semver@version: semver, env_file: .env.production, \
                             required_env: [SESSION_KEY, DATABASE_URL]",
            ),
            (".env.production", "SESSION_KEY=changeme\n"),
        ],
        typed: "deploy production 1.3.0",
        code: 1,
    },
    Mistake {
        title: "A host name that somebody else has",
        files: &[(
            "cutover.yml",
            "@@  blog:\n    services: { web: { command: [bin/blog], routes: \
                                  [/], health: none } }\n    environments: { production: { \
                                  domains: [shop.example] } }\n",
        )],
        typed: "deploy shop/production 1.3.0",
        code: 1,
    },
    Mistake {
        title: "A port that old and new would both want, behind npm",
        files: &[("cutover.yml", "@[node, server.js]@npm start -- --port 3000")],
        typed: "check --strict",
        code: 1,
    },
    Mistake {
        title: "Content that is not there",
        files: &[("cutover.yml", "@directory: .@directory: dist")],
        typed: "deploy production 1.3.0",
        code: 1,
    },
    Mistake { title: "An option in the wrong place", files: &[], typed: "status --json", code: 1 },
    Mistake { title: "To begin where somebody began already", files: &[], typed: "init", code: 1 },
];

#[test]
fn of_each_mistake_it_is_said_whose_move_it_is() {
    let mut page = BEGINNING.to_owned();
    for mistake in &MISTAKES {
        page.push_str(&mistake.told());
    }
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/mistakes.md");
    if env::var_os("CUTOVER_GOLDEN").is_some_and(|it| it == "write") {
        fs::write(&path, &page).unwrap();
        return;
    }
    let there = fs::read_to_string(&path).unwrap_or_default();
    assert_eq!(page, there, "run this with CUTOVER_GOLDEN=write, and read the difference");
}

impl Mistake {
    /// The heading, what is in the file where that matters, and the transcript.
    fn told(&self) -> String {
        let folder = tempfile::tempdir().unwrap();
        let shop = folder.path().join("shop");
        fs::create_dir(&shop).unwrap();
        fs::write(shop.join("cutover.yml"), SHOP).unwrap();
        fs::write(shop.join("server.js"), "").unwrap();
        for (name, text) in self.files {
            let text = changed(text);
            fs::write(shop.join(name), &text).unwrap();
            fs::set_permissions(shop.join(name), fs::Permissions::from_mode(0o644)).unwrap();
            if text.is_empty() {
                fs::remove_file(shop.join(name)).unwrap();
            }
        }
        let before = files(&shop);
        let output = Command::new(env!("CARGO_BIN_EXE_cutover"))
            .arg("--root")
            .arg(folder.path().join("state"))
            .args(self.typed.split(' '))
            .current_dir(&shop)
            .stdin(Stdio::null())
            .output()
            .unwrap();
        let mut said = String::from_utf8(output.stdout).unwrap();
        said.push_str(&String::from_utf8(output.stderr).unwrap());
        assert_eq!(output.status.code(), Some(self.code), "{}: {said}", self.title);
        assert_eq!(files(&shop), before, "{}: something was changed", self.title);
        assert!(!folder.path().join("state").exists(), "{}: state was made", self.title);
        let home = folder.path().canonicalize().unwrap().display().to_string();
        let said = said.replace(&home, "/home/ada");
        let mut out = String::new();
        write!(
            out,
            "\n## {}\n\n```\n$ cutover {}\n{}\n$ echo $?\n{}\n```\n",
            self.title,
            self.typed,
            said.trim_end(),
            self.code
        )
        .unwrap();
        out
    }
}

/// The text itself; `@old@new` is the shop's with that changed, `@@more` with more at its end.
fn changed(text: &str) -> String {
    let Some(change) = text.strip_prefix('@') else { return text.to_owned() };
    let (old, new) = change.split_once('@').unwrap();
    if old.is_empty() {
        return format!("{SHOP}{new}");
    }
    assert!(SHOP.contains(old), "{old}");
    SHOP.replacen(old, new, 1)
}

fn files(folder: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let mut found: Vec<(PathBuf, Vec<u8>)> = fs::read_dir(folder)
        .unwrap()
        .map(|it| it.unwrap().path())
        .map(|it| (it.clone(), fs::read(it).unwrap()))
        .collect();
    found.sort();
    found
}
