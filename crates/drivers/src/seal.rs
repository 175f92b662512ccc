//! The first lines of a file of ours: whether somebody has changed what follows them.

const MARK: &str = "# blake3 ";

/// What leads the files of one kind.
#[derive(Debug)]
pub(crate) struct Seal {
    /// Whose they are, as a whole line of a comment.
    pub(crate) notice: &'static str,
}

impl Seal {
    /// The text under its seal.
    pub(crate) fn over(&self, text: &str) -> String {
        format!("{}{MARK}{}\n{text}", self.notice, blake3::hash(text.as_bytes()).to_hex())
    }

    /// Whether it says that it is ours.
    pub(crate) fn is_marked(&self, text: &str) -> bool {
        text.starts_with(self.notice)
    }

    /// Whether it is as it was sealed.
    pub(crate) fn is_intact(&self, text: &str) -> bool {
        let rest = text.strip_prefix(self.notice).and_then(|it| it.strip_prefix(MARK));
        let Some((hash, body)) = rest.and_then(|it| it.split_once('\n')) else { return false };
        blake3::hash(body.as_bytes()).to_hex().as_str() == hash
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_of_any_byte_is_seen() {
        let ours = Seal { notice: "# Ours.\n" };
        let text = ours.over("server {\n}\n");
        assert!(ours.is_intact(&text) && ours.is_marked(&text));
        for at in 0..text.len() {
            let mut bytes = text.clone().into_bytes();
            bytes[at] = if bytes[at] == b'x' { b'y' } else { b'x' };
            assert!(!ours.is_intact(&String::from_utf8(bytes).unwrap()), "at {at}");
        }
        assert!(!ours.is_intact(&format!("{text}# more\n")) && !ours.is_intact(""));
        assert!(!ours.is_marked("server {\n}\n"));
        let theirs = Seal { notice: "# Theirs.\n" };
        assert!(!theirs.is_marked(&text) && !theirs.is_intact(&text));
    }
}
