//! What differs between two configurations, and that no value of a variable is told.

use crate::build::{service, spec, worker};
use model::{release::difference::Difference, service::Strategy};

#[test]
fn variables_differ_by_name() {
    let old = service("web");
    let mut new = old.clone();
    let variable = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    new.env = [variable("SECRET", "swordfish-swordfish"), variable("MODE", "fast")].into();
    let mut other = worker("queue");
    other.env = [variable("MODE", "fast")].into();
    let mut before = other.clone();
    before.env = [variable("OLD", "1")].into();
    let difference = Difference::between(&spec(vec![old, before]), &spec(vec![new, other]));
    assert_eq!(difference.variables_in_short(), "+MODE -OLD ~SECRET");
    let web = &difference.variables["web"];
    assert_eq!((web.added.len(), web.removed.len(), web.changed.len()), (1, 0, 1));
    let told = serde_json::to_string(&difference).unwrap();
    for value in ["hunter2", "swordfish", "fast"] {
        assert!(!told.contains(value), "{told}");
    }
}

#[test]
fn settings_are_told_without_secrets() {
    let old = service("web");
    let mut new = old.clone();
    new.instances = 3;
    new.strategy = Strategy::Recreate;
    new.routes.push("/api".into());
    new.command = vec!["./serve".into(), "--key=hunter2hunter2".into()];
    let mut after = spec(vec![new]);
    after.domains.push("www.shop.example".into());
    let difference = Difference::between(&spec(vec![old]), &after);
    let shown: Vec<String> = difference
        .settings
        .iter()
        .map(|it| format!("{} {} {}", it.key, it.from.as_ref().unwrap(), it.to.as_ref().unwrap()))
        .collect();
    assert_eq!(
        shown,
        [
            r#"domains ["shop.example"] ["shop.example","www.shop.example"]"#,
            r#"web.command ["./serve"] ["./serve","--key=(value of SECRET)"]"#,
            "web.instances 2 3",
            r#"web.routes ["/"] ["/","/api"]"#,
            r#"web.strategy "blue-green" "recreate""#,
        ]
    );
    assert!(difference.variables.is_empty() && !difference.is_empty());
}

#[test]
fn services_come_and_go() {
    let (web, queue) = (service("web"), worker("queue"));
    let difference = Difference::between(&spec(vec![web.clone()]), &spec(vec![queue.clone()]));
    assert_eq!(difference.services_added, ["queue"]);
    assert_eq!(difference.services_removed, ["web"]);
    let same = spec(vec![web, queue]);
    assert!(Difference::between(&same, &same).is_empty());
}
