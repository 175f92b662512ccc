//! The first lines of a file of ours: whether somebody has changed what follows them.

use model::nginx::NginxFile;

const NOTICE: &str = "# Written by `cutover nginx`.  Change the configuration instead: what is \
                      changed here is found.\n";
const MARK: &str = "# blake3 ";

/// The files, each with the lines that say whose they are.
pub fn sealed(files: Vec<NginxFile>) -> Vec<NginxFile> {
    files.into_iter().map(|it| NginxFile { text: seal(&it.text), path: it.path }).collect()
}

/// The text under its seal.
pub fn seal(text: &str) -> String {
    format!("{NOTICE}{MARK}{}\n{text}", blake3::hash(text.as_bytes()).to_hex())
}

/// Whether it says that it is ours.
pub(super) fn is_marked(text: &str) -> bool {
    text.starts_with(NOTICE)
}

/// Whether it is as it was sealed.
pub(super) fn is_intact(text: &str) -> bool {
    let rest = text.strip_prefix(NOTICE).and_then(|it| it.strip_prefix(MARK));
    let Some((hash, body)) = rest.and_then(|it| it.split_once('\n')) else { return false };
    blake3::hash(body.as_bytes()).to_hex().as_str() == hash
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_of_any_byte_is_seen() {
        let text = seal("server {\n}\n");
        assert!(is_intact(&text));
        for at in 0..text.len() {
            let mut bytes = text.clone().into_bytes();
            bytes[at] = if bytes[at] == b'x' { b'y' } else { b'x' };
            assert!(!is_intact(&String::from_utf8(bytes).unwrap()), "at {at}");
        }
        assert!(!is_intact(&format!("{text}# more\n")) && !is_intact(""));
    }
}
