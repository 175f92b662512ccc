//! What never becomes part of a release: the repository's own files, and files of secrets.

/// Whether a file or directory of this name stays behind, wherever it lies.
pub(super) fn is_left_out(name: &[u8]) -> bool {
    let is_environment_file =
        name == b".env" || name.starts_with(b".env.") && name != b".env.example";
    name == b".git" || is_environment_file
}

/// Whether something on the way to it, or itself, stays behind.
pub fn is_below_left_out(path: &[u8]) -> bool {
    path.split(|byte| *byte == b'/').any(is_left_out)
}
