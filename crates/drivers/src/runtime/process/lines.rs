//! The last lines of an instance, out of the log that all instances of its environment share.

use super::ProcessRuntime;
use model::{id::InstanceId, name::EnvironmentId};
use std::{
    fs::File,
    io::{self, Read, Seek, SeekFrom},
    path::{Path, PathBuf},
};

/// What is read of a log, from its end.
const TAIL_BYTES_MAX: u64 = 1024 * 1024;
/// A longer line is cut.
const LINE_CHARACTERS_MAX: usize = 2_000;

impl ProcessRuntime {
    pub(in crate::runtime) fn last_lines_now(
        &self,
        instance: &InstanceId,
        lines: usize,
    ) -> Vec<String> {
        let Some(combined) = self.combined_log(instance) else { return vec![] };
        let mut name = combined.clone().into_os_string();
        name.push(".1");
        // The log may have been rotated a moment ago.
        let mut found = vec![];
        for path in [PathBuf::from(name), combined] {
            let text = tail(&path).unwrap_or_default();
            found.extend(lines_of(&text, &instance.0));
        }
        found.split_off(found.len().saturating_sub(lines))
    }

    /// Its specification says where; else its id says of which environment it is.
    fn combined_log(&self, instance: &InstanceId) -> Option<PathBuf> {
        if let Ok(Some(spec)) = self.spec(instance) {
            return Some(spec.output.combined);
        }
        let mut parts = instance.0.split('.');
        let environment = EnvironmentId {
            project: parts.next()?.parse().ok()?,
            environment: parts.next()?.parse().ok()?,
        };
        Some(self.layout().logs(&environment).2)
    }
}

pub(in crate::runtime) fn tail(path: &Path) -> io::Result<Vec<u8>> {
    let mut file = File::open(path)?;
    let bytes = file.metadata()?.len();
    file.seek(SeekFrom::Start(bytes.saturating_sub(TAIL_BYTES_MAX)))?;
    let mut text = Vec::new();
    file.take(TAIL_BYTES_MAX).read_to_end(&mut text)?;
    Ok(text)
}

/// Lines are `TIME INSTANCE TEXT`.
fn lines_of(text: &[u8], instance: &str) -> Vec<String> {
    text.split(|byte| *byte == b'\n')
        .filter_map(|line| {
            let line = String::from_utf8_lossy(line);
            let (_, rest) = line.split_once(' ')?;
            let said = rest.strip_prefix(instance)?.strip_prefix(' ')?;
            Some(plain(said))
        })
        .collect()
}

/// Without terminal escapes and other control characters, and cut.
pub(in crate::runtime) fn plain(line: &str) -> String {
    let mut plain = String::with_capacity(line.len().min(LINE_CHARACTERS_MAX));
    let mut length = 0;
    let mut characters = line.chars().peekable();
    while let Some(character) = characters.next() {
        match character {
            '\u{1b}' => skip_escape(&mut characters),
            _ if length == LINE_CHARACTERS_MAX => {
                plain.push('…');
                break;
            }
            '\t' => {
                plain.push(' ');
                length += 1;
            }
            _ if character.is_control() => {}
            _ => {
                plain.push(character);
                length += 1;
            }
        }
    }
    plain
}

/// After ESC: a control sequence up to its final letter, a string up to BEL or ESC `\`, or one
/// letter.
fn skip_escape(characters: &mut std::iter::Peekable<std::str::Chars<'_>>) {
    match characters.next() {
        Some('[') => {
            for character in characters.by_ref() {
                if ('\u{40}'..='\u{7e}').contains(&character) {
                    return;
                }
            }
        }
        Some(']' | 'P' | 'X' | '^' | '_') => {
            while let Some(character) = characters.next() {
                if character == '\u{7}' {
                    return;
                }
                if character == '\u{1b}' && characters.next_if_eq(&'\\').is_some() {
                    return;
                }
            }
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_instances_own_lines_are_given_without_escapes() {
        let text = [
            "…cut line",
            "2026-11-21T13:22:01.123Z shop.production.web.1.ABC \u{1b}[31mred\u{1b}[0m",
            "2026-11-21T13:22:01.123Z shop.production.web.2.ABC other",
            "2026-11-21T13:22:01.124Z shop.production.web.1.ABC \u{1b}]0;title\u{7}a\tb\r",
            "2026-11-21T13:22:01.125Z shop.production.web.1.ABCD not mine",
        ]
        .join("\n");
        let lines = lines_of(text.as_bytes(), "shop.production.web.1.ABC");
        assert_eq!(lines, ["red", "a b"]);
    }

    #[test]
    fn long_lines_are_cut() {
        let line = plain(&"x".repeat(100_000));
        assert_eq!(line.chars().count(), LINE_CHARACTERS_MAX + 1);
    }
}
