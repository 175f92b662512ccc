//! From a request's path to a path below a directory.

use super::encoding::Encoding;
use std::path::PathBuf;

/// The one directory that begins with a dot and is meant to be seen.
const WELL_KNOWN: &str = ".well-known";

/// What a client asks for, below the route.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Asked {
    /// Relative; it has no `..` and no name that begins with a dot.
    pub(super) path: PathBuf,
    /// It ends with a slash.
    pub(super) is_directory: bool,
    /// In the order in which they are preferred.
    pub(super) encodings: Vec<Encoding>,
}

impl Asked {
    /// None: nobody could have meant a file by it.  `encodings` is the client's `Accept-Encoding`.
    pub(crate) fn read(path: &str, encodings: &str) -> Option<Asked> {
        let decoded = decoded(path)?;
        if decoded.contains(['\0', '\\']) {
            return None;
        }
        let names: Vec<&str> = decoded.split('/').filter(|it| !it.is_empty()).collect();
        if names.iter().any(|it| is_hidden(it)) {
            return None;
        }
        let is_directory = decoded.is_empty() || decoded.ends_with('/');
        let encodings = Encoding::accepted(encodings);
        Some(Asked { path: names.iter().collect(), is_directory, encodings })
    }

    /// Whether it looks like a page of an application rather than a file: its last name has no
    /// dot.
    pub(super) fn is_page(&self) -> bool {
        let name = self.path.file_name().map(|it| it.to_string_lossy());
        self.is_directory || name.is_none_or(|it| !it.contains('.'))
    }
}

/// Whether a name is never served: `..` is one of them.
pub(super) fn is_hidden(name: &str) -> bool {
    name.starts_with('.') && name != WELL_KNOWN
}

fn decoded(path: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(path.len());
    let mut rest = path.as_bytes().iter();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'%' => digit(*rest.next()?)? << 4 | digit(*rest.next()?)?,
            byte => *byte,
        });
    }
    String::from_utf8(bytes).ok()
}

fn digit(byte: u8) -> Option<u8> {
    char::from(byte).to_digit(16).and_then(|it| u8::try_from(it).ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_stay_below_and_out_of_what_is_hidden() {
        let read = |path: &str| Asked::read(path, "").map(|it| (it.path, it.is_directory));
        assert_eq!(read(""), Some((PathBuf::new(), true)));
        assert_eq!(read("/a%20b/c.js"), Some((PathBuf::from("a b/c.js"), false)));
        assert_eq!(read("//a///b/"), Some((PathBuf::from("a/b"), true)));
        assert_eq!(read("/%2fetc/passwd"), Some((PathBuf::from("etc/passwd"), false)));
        assert!(read("/.well-known/security.txt").is_some());
        for hidden in [
            "/..",
            "/a/../b",
            "/%2e%2e/b",
            "/a/%2e%2e%2fb",
            "/.env",
            "/a/.git/config",
            "/a%00b",
            "/a%",
            "/a%4",
            "/a%zz",
            "/a%ff",
            "/..%5c..%5cb",
            "/.",
        ] {
            assert_eq!(read(hidden), None, "{hidden}");
        }
    }
}
