//! What a file's name says: its type, whether it may be compressed, and whether its content can
//! ever change.

use std::path::Path;

const TEXT: &str = "; charset=utf-8";
/// By extension: the type, and whether it is text.
const TYPES: [(&str, &str, bool); 46] = [
    ("html", "text/html", true),
    ("htm", "text/html", true),
    ("css", "text/css", true),
    ("js", "text/javascript", true),
    ("mjs", "text/javascript", true),
    ("cjs", "text/javascript", true),
    ("json", "application/json", true),
    ("map", "application/json", true),
    ("webmanifest", "application/manifest+json", true),
    ("xml", "application/xml", true),
    ("atom", "application/atom+xml", true),
    ("rss", "application/rss+xml", true),
    ("txt", "text/plain", true),
    ("md", "text/markdown", true),
    ("csv", "text/csv", true),
    ("vtt", "text/vtt", true),
    ("ics", "text/calendar", true),
    ("svg", "image/svg+xml", true),
    ("wasm", "application/wasm", false),
    ("png", "image/png", false),
    ("jpg", "image/jpeg", false),
    ("jpeg", "image/jpeg", false),
    ("gif", "image/gif", false),
    ("webp", "image/webp", false),
    ("avif", "image/avif", false),
    ("ico", "image/x-icon", false),
    ("bmp", "image/bmp", false),
    ("woff", "font/woff", false),
    ("woff2", "font/woff2", false),
    ("ttf", "font/ttf", false),
    ("otf", "font/otf", false),
    ("mp3", "audio/mpeg", false),
    ("m4a", "audio/mp4", false),
    ("ogg", "audio/ogg", false),
    ("opus", "audio/ogg", false),
    ("wav", "audio/wav", false),
    ("flac", "audio/flac", false),
    ("mp4", "video/mp4", false),
    ("m4v", "video/mp4", false),
    ("webm", "video/webm", false),
    ("mov", "video/quicktime", false),
    ("pdf", "application/pdf", false),
    ("zip", "application/zip", false),
    ("gz", "application/gzip", false),
    ("zst", "application/zstd", false),
    ("epub", "application/epub+zip", false),
];
const UNKNOWN: &str = "application/octet-stream";
/// Bytes of a hash in a name, at least and at most.
const HASH_BYTES: std::ops::RangeInclusive<usize> = 8..=64;
/// Of the hashes that are no hexadecimal numbers.
const SHORT_HASH_BYTES: usize = 8;
/// Directories in which build tools put what they name by its content.
const BUILT: [&str; 5] = ["assets", "immutable", "chunks", "_astro", "_next"];

/// The type, with its character set if it is text.
pub(super) fn content_type(path: &Path) -> String {
    let extension = extension(path);
    let known = TYPES.iter().find(|it| it.0 == extension);
    known.map_or_else(
        || UNKNOWN.to_owned(),
        |(_, name, text)| format!("{name}{}", if *text { TEXT } else { "" }),
    )
}

/// Whether a file beside it may hold the same, compressed: what it is answered with depends on who
/// asks.
pub(super) fn may_be_compressed(path: &Path) -> bool {
    let extension = extension(path);
    TYPES.iter().any(|it| it.0 == extension && (it.2 || extension == "wasm"))
        || matches!(extension.as_str(), "ttf" | "otf" | "ico" | "bmp")
}

/// Whether it is a page: what a client asks for by itself, and not for another file's sake.
pub(super) fn is_page(path: &Path) -> bool {
    matches!(extension(path).as_str(), "html" | "htm" | "")
}

/// Whether the name has a hash of the content: another content would have another name.
///
/// The last part of the name before its extensions, after a `.` or `-`, is one if it is a
/// hexadecimal number of 8 to 64 digits, lower case, with a digit and a letter; or 8 capital
/// letters and digits with both.  In a directory as build tools make it (`assets`, `immutable`,
/// `chunks`, `_astro`, `_next`) also any 8 letters, digits, `-` and `_` with a capital letter or a
/// digit.
pub(super) fn is_immutable(path: &Path) -> bool {
    let Some(name) = path.file_name().and_then(|it| it.to_str()) else { return false };
    if is_page(path) {
        return false;
    }
    let name = name.strip_suffix(".map").unwrap_or(name);
    let Some((stem, _)) = name.rsplit_once('.') else { return false };
    let last = stem.rsplit(['.', '-']).next().unwrap_or_default();
    let is_built = || {
        let parents = path.parent().into_iter().flat_map(Path::components);
        parents.into_iter().any(|it| BUILT.iter().any(|of| it.as_os_str() == *of))
    };
    is_hexadecimal(last) || is_capital(last) || (is_built() && ends_short(stem))
}

fn is_hexadecimal(text: &str) -> bool {
    HASH_BYTES.contains(&text.len())
        && text.bytes().all(|it| matches!(it, b'0'..=b'9' | b'a'..=b'f'))
        && text.bytes().any(|it| it.is_ascii_digit())
        && text.bytes().any(|it| it.is_ascii_alphabetic())
}

fn is_capital(text: &str) -> bool {
    text.len() == SHORT_HASH_BYTES
        && text.bytes().all(|it| it.is_ascii_uppercase() || it.is_ascii_digit())
        && text.bytes().any(|it| it.is_ascii_digit())
        && text.bytes().any(|it| it.is_ascii_alphabetic())
}

fn ends_short(stem: &str) -> bool {
    let Some(at) = stem.len().checked_sub(SHORT_HASH_BYTES + 1) else { return false };
    let (Some(before), Some(hash)) = (stem.as_bytes().get(at), stem.get(at + 1..)) else {
        return false;
    };
    let fits = |it: u8| it.is_ascii_alphanumeric() || it == b'-' || it == b'_';
    matches!(before, b'.' | b'-')
        && hash.bytes().all(fits)
        && hash.bytes().any(|it| it.is_ascii_uppercase() || it.is_ascii_digit())
}

fn extension(path: &Path) -> String {
    let extension = path.extension().unwrap_or_default();
    extension.to_string_lossy().to_ascii_lowercase()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_with_a_hash_are_told_from_others() {
        for (path, expected) in [
            ("main.3f2a1b9c.js", true),
            ("main.3f2a1b9c.js.map", true),
            ("js/chunk-vendors.0a1b2c3d4e5f.css", true),
            ("app-5VQ2KZ3X.js", true),
            ("assets/index-DiwrgTda.js", true),
            ("assets/index-BX-k9_aQ.css", true),
            ("_app/immutable/entry/start.Dk3_fa0P.js", true),
            ("_next/static/chunks/117-fe5a0c1d2e3f4a5b.js", true),
            ("index.html", false),
            ("page.3f2a1b9c.html", false),
            ("app.js", false),
            ("jquery-3.7.1.min.js", false),
            ("report-20241121.pdf", false),
            ("photo-IMG20241121.jpg", false),
            ("theme-darkmode.css", false),
            ("theme-DarkMode.css", false),
            ("assets/logo-original.png", false),
            ("assets/logo.png", false),
            ("3f2a1b9c", false),
            ("feedface.js", false),
        ] {
            assert_eq!(is_immutable(Path::new(path)), expected, "{path}");
        }
    }

    #[test]
    fn types_are_told_by_the_extension() {
        for (path, expected) in [
            ("index.html", "text/html; charset=utf-8"),
            ("A.JS", "text/javascript; charset=utf-8"),
            ("x.woff2", "font/woff2"),
            ("x.unheard", "application/octet-stream"),
            ("LICENSE", "application/octet-stream"),
        ] {
            assert_eq!(content_type(Path::new(path)), expected, "{path}");
        }
        assert!(may_be_compressed(Path::new("x.wasm")) && !may_be_compressed(Path::new("x.png")));
    }
}
