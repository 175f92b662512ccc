//! A project is added or taken out, and everything else stays to the byte.
#![allow(clippy::unwrap_used, reason = "a test fails where it cannot go on")]

use config::edit::{EditError, add, remove};
use model::name::Name;

const TWO: &str = "\
# Ours.
proxy: { listen: [\"127.0.0.1:8080\"] }   # for now

projects:
    # The shop,
    # since 2019.
    shop:
        services: { web: { command: [web], routes: [/], health: none } }   # quick
        environments:
            # Live.
            production: { domains: [shop.example] }

    # The blog.
    blog:
        services:
            web:
                command: >-
                    web
                    --quiet
                routes: [/]
                health: none
        environments: { production: { domains: [blog.example] } }

# The end.
";

const LINES: &str = "  news:
    # New.
    services: { web: { command: [web], routes: [/], health: none } }
    environments: { production: { domains: [n.example] } }
";

fn name(text: &str) -> Name {
    text.parse().unwrap()
}

#[test]
fn what_is_added_stands_last_and_is_indented_as_the_others() {
    let added = add("c.yml", TWO, &name("news"), LINES).unwrap();
    let lines = "    news:\n      # New.\n      services: { web: { command: [web], routes: [/], \
                 health: none } }\n      environments: { production: { domains: [n.example] } }\n";
    let expected = TWO.replace("\n# The end.", &format!("{lines}\n# The end."));
    assert_eq!(added, expected);
    assert_eq!(remove("c.yml", &added, &name("news")).unwrap(), TWO);
}

#[test]
fn what_is_taken_out_takes_its_comment_and_nothing_else() {
    let shop = TWO.find("    # The shop").unwrap();
    let blog = TWO.find("\n    # The blog").unwrap();
    let expected = format!("{}{}", &TWO[..shop], &TWO[blog..]);
    assert_eq!(remove("c.yml", TWO, &name("shop")).unwrap(), expected);
    let without_end = TWO.find("    # The blog").unwrap();
    let expected = format!("{}\n# The end.\n", &TWO[..without_end]);
    assert_eq!(remove("c.yml", TWO, &name("blog")).unwrap(), expected);
}

#[test]
fn line_ends_and_a_missing_last_one_are_kept() {
    let crlf = TWO.replace('\n', "\r\n");
    let added = add("c.yml", &crlf, &name("news"), LINES).unwrap();
    assert_eq!(added.matches('\n').count(), added.matches("\r\n").count());
    assert_eq!(remove("c.yml", &added, &name("news")).unwrap(), crlf);
    let open = TWO.split("\n\n# The end").next().unwrap();
    let added = add("c.yml", open, &name("news"), LINES).unwrap();
    assert!(added.starts_with(&format!("{open}\n    news:")), "{added}");
}

#[test]
fn what_would_be_wrong_is_not_done() {
    let taken = add("c.yml", TWO, &name("blog"), LINES).unwrap_err();
    assert_eq!(taken, EditError::Taken(name("blog")));
    let claimed = LINES.replace("n.example", "blog.example");
    let error = add("c.yml", TWO, &name("news"), &claimed).unwrap_err();
    let EditError::WouldBeWrong(problems) = error else { panic!("{error}") };
    assert!(problems.iter().any(|it| it.message.contains("blog.example")), "{problems:?}");
    let none = remove("c.yml", TWO, &name("news")).unwrap_err();
    assert_eq!(none, EditError::Missing(name("news")));
    let one = remove("c.yml", TWO, &name("shop")).unwrap();
    assert_eq!(remove("c.yml", &one, &name("blog")), Err(EditError::Last(name("blog"))));
    let wrong = TWO.replace("health: none", "helth: none");
    assert!(matches!(remove("c.yml", &wrong, &name("blog")), Err(EditError::Wrong(_))));
}

#[test]
fn what_lines_cannot_tell_is_left_to_a_person() {
    let inner = "services: { web: { command: [web] } }, environments: { production: }";
    let braces = format!("projects: {{ shop: {{ {inner} }}, blog: {{ {inner} }} }}\n");
    assert_eq!(remove("c.yml", &braces, &name("blog")), Err(EditError::Braces));
    assert_eq!(add("c.yml", &braces, &name("news"), LINES), Err(EditError::Braces));
    let anchored = "projects:\n  shop:\n    services: &all { web: { command: [web] } }\n    \
                    environments: { production: }\n  blog:\n    services: *all\n    \
                    environments: { production: }\n";
    assert_eq!(remove("c.yml", anchored, &name("shop")), Err(EditError::Depended(name("shop"))));
    assert!(remove("c.yml", anchored, &name("blog")).is_ok());
}
