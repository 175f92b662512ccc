//! Values as the columns hold them: single words, and JSON.

use crate::trouble::{Trouble, ours};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::Value;

/// The one word that an enum without fields is written as.
pub fn word<T: Serialize>(value: &T) -> Result<String, Trouble> {
    match serde_json::to_value(value)? {
        Value::String(word) => Ok(word),
        other => ours(format!("journal {other} as one word")),
    }
}

/// Reads such a word.
pub fn from_word<T: DeserializeOwned>(word: String) -> Result<T, Trouble> {
    Ok(serde_json::from_value(Value::String(word))?)
}

/// JSON; none stays none.
pub fn json<T: Serialize>(value: Option<&T>) -> Result<Option<String>, Trouble> {
    Ok(value.map(serde_json::to_string).transpose()?)
}

/// Reads JSON; none stays none.
pub fn from_json<T: DeserializeOwned>(text: Option<String>) -> Result<Option<T>, Trouble> {
    Ok(text.map(|it| serde_json::from_str(&it)).transpose()?)
}
