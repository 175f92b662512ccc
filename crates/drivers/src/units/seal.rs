//! The first lines of a unit of ours: whether somebody has changed what follows them.

const NOTICE: &str = "# Written by `cutover setup`.  What is changed here is found: \
                      `systemctl edit` is the place for it.\n";
const MARK: &str = "# blake3 ";

/// The text under its seal.
pub(super) fn seal(text: &str) -> String {
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
    fn a_change_is_seen() {
        let text = seal("[Service]\nType=notify\n");
        assert!(is_marked(&text) && is_intact(&text));
        assert!(!is_intact(&text.replace("notify", "simple")));
        assert!(!is_intact(&format!("{text}# more\n")));
        assert!(!is_marked("[Service]\nType=notify\n"));
    }
}
