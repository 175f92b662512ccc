//! Likely causes, by what was seen.

use model::cause::{
    Answer, End, Listening, of_answer, of_end, of_identity, of_lines, of_listening, of_refusal,
};

#[test]
fn what_it_wrote_last_names_the_cause() {
    let table = [
        ("Error: listen EADDRINUSE: address already in use :::3000", "a port that is taken"),
        ("thread 'main' panicked: Address already in use (os error 98)", "a port that is taken"),
        ("Error: Cannot find module 'express'", "a module is missing"),
        ("ModuleNotFoundError: No module named 'flask'", "a module is missing"),
        ("code: 'ERR_MODULE_NOT_FOUND'", "a module is missing"),
        ("./app: error while loading shared libraries: libpq.so.5", "a system library is missing"),
        ("/lib/libc.so.6: version `GLIBC_2.38' not found", "a system library is missing"),
        ("Exec format error (os error 8)", "another processor"),
        ("open config.yml: no such file or directory", "a file is missing"),
        ("PermissionError: [Errno 13] Permission denied: '/var/x'", "it may not do what it wants"),
        ("Error: EACCES, open '/etc/secret'", "it may not do what it wants"),
        ("connect ECONNREFUSED 127.0.0.1:5432", "something it needs refuses connections"),
        ("FATAL: Cannot allocate memory", "it needs more memory"),
        ("KeyError: 'DATABASE_URL'", "it misses the variable DATABASE_URL"),
        ("Error: STRIPE_KEY is not set", "it misses the variable STRIPE_KEY"),
        ("ERROR missing required environment variable: TOKEN", "it misses the variable TOKEN"),
        ("[FATAL] env var REDIS_URL must be set", "it misses the variable REDIS_URL"),
    ];
    for (line, wanted) in table {
        let lines = ["starting".to_owned(), line.to_owned()];
        let found = of_lines(&lines).unwrap_or_default();
        assert!(found.contains(wanted), "{line}: {found}");
    }
    for line in ["ERROR: all went wrong", "GET / 200", "MAX_SIZE is 3", "the value is undefined"] {
        assert_eq!(of_lines(&[line.to_owned()]), None, "{line}");
    }
}

#[test]
fn how_it_ended_says_more_than_what_it_wrote() {
    let table = [
        ("signal 9 (out of memory)", "", "raise `limits.memory`"),
        ("could not be executed: no such file", "", "check `command`"),
        ("exit code 0", "bye", "must keep running"),
        ("exit code 1", "EADDRINUSE", "a port that is taken"),
    ];
    for (how, line, wanted) in table {
        let lines = [line.to_owned()];
        let found = of_end(End { how, lines: &lines }).unwrap_or_default();
        assert!(found.contains(wanted), "{how}: {found}");
    }
    assert_eq!(of_end(End { how: "exit code 1", lines: &["bye".to_owned()] }), None);
}

#[test]
fn where_it_listens_says_what_to_change() {
    let seen = |found: &[u16]| of_listening(Listening { host: "127.0.0.1", port: 20_001, found });
    assert!(seen(&[20_001]).contains("make it listen on the variable HOST"));
    assert!(seen(&[]).contains("no port"));
    assert!(seen(&[3000, 3001]).contains("listens on 3000, 3001, not on PORT 20001"));
    assert!(of_refusal(true).contains("lives") && of_refusal(false).contains("ended"));
    assert!(of_identity("commit", "abc").contains("CUTOVER_COMMIT"));
}

#[test]
fn an_answer_says_what_to_ask_instead() {
    let table: [(u16, Option<&str>, &str); 14] = [
        (301, Some("https://shop.example/health"), "it insists on https"),
        (301, Some("/health/"), "it wants a slash at the end: ask /health/"),
        (308, Some("http://127.0.0.1:20001/health/?a=1"), "it wants a slash at the end"),
        (302, Some("/health"), "an endless redirect"),
        (302, Some("http://127.0.0.1:20001/health"), "an endless redirect"),
        (302, Some("/login?next=/health"), "it wants a login"),
        (302, Some("/en/health"), "redirects are not followed"),
        (404, None, "see that it serves /health"),
        (401, None, "without a login"),
        (403, None, "without a login"),
        (400, None, "127.0.0.1 as a host name"),
        (405, None, "does not take this method"),
        (429, None, "refuses who asks often"),
        (503, None, "something behind it does not answer"),
    ];
    for (status, location, wanted) in table {
        let origin = "http://127.0.0.1:20001";
        let causes = of_answer(Answer { path: "/health", origin, status, location }).join("\n");
        assert!(causes.contains(wanted), "{status} {location:?}: {causes}");
    }
    let slash = Answer { path: "/health/", origin: "", status: 301, location: Some("/health") };
    assert!(of_answer(slash).join("").contains("no slash at the end"));
    assert!(of_answer(Answer { path: "/", origin: "", status: 200, location: None }).is_empty());
}
