//! The annotated example: reference, template of `init` and test in one.

/// A configuration in which every key is used and explained.
pub const EXAMPLE: &str = include_str!("example.yml");

/// The example for a project of another name.
pub fn example_for(project: &model::name::Name) -> String {
    EXAMPLE
        .replacen("\n  shop:\n", &format!("\n  {project}:\n"), 1)
        .replace("shop.example", &format!("{project}.example"))
        .replace("shop.git", &format!("{project}.git"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Document, EnvFilesIn, draft};

    #[test]
    fn the_example_has_no_problems_and_can_be_deployed() {
        let (document, problems) = Document::read("cutover.yml", EXAMPLE);
        assert!(problems.is_empty(), "{}", crate::render::human(&problems));
        let document = document.expect("it has no problems");
        for id in document.environments() {
            let resolved = document.resolve(&id, &EnvFilesIn::new("/nonexistent"), false);
            assert!(resolved.is_ok(), "{id}: {resolved:?}");
        }
    }

    #[test]
    fn the_example_says_of_every_key() {
        // They cannot be deployed yet, so nobody should be led to them.
        let unbuilt = ["image", "migrate", "volumes"];
        let keys = draft::service::KEYS.iter().chain(&draft::environment::KEYS);
        for key in keys.filter(|it| !unbuilt.contains(it)) {
            let line = |it: &str| {
                let bare = it.trim_start().trim_start_matches("# ");
                bare.starts_with(&format!("{key}:"))
            };
            assert!(EXAMPLE.lines().any(line), "{key}");
        }
    }

    #[test]
    fn another_name_makes_another_project() {
        let name = "blog".parse().expect("a name");
        let (document, problems) = Document::read("cutover.yml", &example_for(&name));
        assert!(problems.is_empty(), "{}", crate::render::human(&problems));
        let environments = document.expect("it has no problems").environments();
        assert_eq!(environments[0].to_string(), "blog/staging");
    }
}
