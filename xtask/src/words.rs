//! Options of our own commands: `--name value`, and flags.

use anyhow::{Context, Result, bail};

/// Takes options out of what was typed, and says at last what nobody took.
pub struct Words<'a> {
    left: Vec<&'a str>,
}

impl<'a> Words<'a> {
    /// All that was typed after the command.
    pub fn new(words: &[&'a str]) -> Self {
        Self { left: words.to_vec() }
    }

    /// The number after `name`, else `default`.
    ///
    /// # Errors
    /// If there is no number, or it is 0.
    pub fn number(&mut self, name: &str, default: u64) -> Result<u64> {
        let Some(at) = self.left.iter().position(|it| *it == name) else { return Ok(default) };
        let value = self.left.get(at + 1).copied();
        let value = value.with_context(|| format!("{name} needs a number"))?;
        let number = value.parse::<u64>().ok().filter(|it| *it > 0);
        let number = number.with_context(|| format!("{name} {value}: no number above 0"))?;
        self.left.drain(at..=at + 1);
        Ok(number)
    }

    /// The word after `name`, if it was typed.
    ///
    /// # Errors
    /// If nothing follows it.
    pub fn word(&mut self, name: &str) -> Result<Option<&'a str>> {
        let Some(at) = self.left.iter().position(|it| *it == name) else { return Ok(None) };
        let value = self.left.get(at + 1).copied();
        let value = value.with_context(|| format!("{name} needs a word"))?;
        self.left.drain(at..=at + 1);
        Ok(Some(value))
    }

    /// Whether the flag was typed.
    pub fn flag(&mut self, name: &str) -> bool {
        let before = self.left.len();
        self.left.retain(|it| *it != name);
        self.left.len() < before
    }

    /// Nothing may be left.
    ///
    /// # Errors
    /// With what nobody understands.
    pub fn end(self) -> Result<()> {
        if self.left.is_empty() {
            return Ok(());
        }
        bail!("not understood: {}; `cargo xtask help` lists the options", self.left.join(" "));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn takes_options_in_any_order_and_refuses_the_rest() {
        let mut words = Words::new(&["--json", "--runs", "7", "--what"]);
        assert_eq!(words.number("--runs", 20).unwrap(), 7);
        assert_eq!(words.number("--other", 20).unwrap(), 20);
        assert_eq!(words.word("--only").unwrap(), None);
        assert!(words.flag("--json"));
        assert!(!words.flag("--json"));
        assert!(words.end().unwrap_err().to_string().contains("--what"));
    }

    #[test]
    fn a_number_must_be_one() {
        for typed in [&["--runs"][..], &["--runs", "x"], &["--runs", "0"]] {
            assert!(Words::new(typed).number("--runs", 1).is_err(), "{typed:?}");
        }
    }
}
