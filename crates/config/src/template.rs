//! The annotated example: reference, template and test in one.

/// A configuration in which every key is used and explained.
pub const EXAMPLE: &str = include_str!("example.yml");
