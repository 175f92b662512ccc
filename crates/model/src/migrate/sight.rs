//! What can be seen of a migration without running it.

use super::MARK;

/// Words of SQL, Alembic and Django that take something away that earlier code may use.
const WORDS: [&str; 14] = [
    "drop table",
    "drop column",
    "drop schema",
    "drop view",
    "truncate",
    "rename to",
    "rename column",
    "op.drop_column",
    "op.drop_table",
    "op.rename_table",
    "removefield",
    "deletemodel",
    "renamefield",
    "renamemodel",
];
/// What follows takes a migration back: it destroys what the migration made, and is not run.
const BACK: &str = "def downgrade";
/// Where comments begin.
const COMMENTS: [&str; 2] = ["--", "#"];

/// Why earlier code may not survive what a file of migrations does; none: nothing is seen, which
/// does not say that there is nothing.
pub fn destructive(text: &str) -> Option<String> {
    if text.contains(MARK) {
        return Some("it is marked so".to_owned());
    }
    let forward = text.split(BACK).next().unwrap_or_default().to_ascii_lowercase();
    let is_code = |it: &&str| !COMMENTS.iter().any(|mark| it.trim_start().starts_with(mark));
    let code = forward.lines().filter(is_code);
    let joined = code.flat_map(str::split_whitespace).collect::<Vec<_>>().join(" ");
    WORDS.iter().find(|it| joined.contains(**it)).map(|it| format!("`{it}`"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_earlier_code_may_not_survive_is_seen() {
        for (text, is) in [
            ("ALTER TABLE orders\n  DROP   COLUMN note;", true),
            ("-- drop column note later\nALTER TABLE orders ADD note text;", false),
            (
                "def upgrade():\n    op.add_column('a')\ndef downgrade():\n    op.drop_column('a')",
                false,
            ),
            ("def upgrade():\n    op.drop_column('a', 'b')", true),
            ("migrations.RemoveField(model_name='order', name='note')", true),
            ("-- cutover: destructive\nUPDATE orders SET total = total / 100;", true),
            ("CREATE TABLE a (b int);", false),
        ] {
            assert_eq!(destructive(text).is_some(), is, "{text}");
        }
    }
}
