//! Two texts, and what differs, as `diff -u` shows it.

/// Lines shown around a change.
const CONTEXT: usize = 3;

/// What makes `new` of `old`: one hunk from the first line that differs to the last.  Empty where
/// they are the same.  A text that is not there is `None`.
pub fn unified(path: &str, old: Option<&str>, new: Option<&str>) -> String {
    if old == new {
        return String::new();
    }
    let name = |side: &str, text: Option<&str>| match text {
        Some(_) => format!("{side}/{path}"),
        None => "/dev/null".to_owned(),
    };
    let (from, to) = (name("a", old), name("b", new));
    let (old, new) = (lines(old), lines(new));
    let same = |pairs: &mut dyn Iterator<Item = (&&str, &&str)>| {
        pairs.take_while(|(one, other)| one == other).count()
    };
    let head = same(&mut old.iter().zip(&new));
    let tail = same(&mut old[head..].iter().rev().zip(new[head..].iter().rev()));
    let start = head.saturating_sub(CONTEXT);
    let after = tail.min(CONTEXT);
    let (old_end, new_end) = (old.len() - tail, new.len() - tail);
    let range = |end: usize| {
        let count = end + after - start;
        format!("{},{count}", if count == 0 { start } else { start + 1 })
    };
    let mut text = format!("--- {from}\n+++ {to}\n@@ -{} +{} @@\n", range(old_end), range(new_end));
    let mut put = |mark: char, lines: &[&str]| {
        for line in lines {
            text.push(mark);
            text.push_str(line);
            text.push('\n');
        }
    };
    put(' ', &old[start..head]);
    put('-', &old[head..old_end]);
    put('+', &new[head..new_end]);
    put(' ', &old[old_end..old_end + after]);
    text
}

fn lines(text: Option<&str>) -> Vec<&str> {
    text.map_or(Vec::new(), |it| it.lines().collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_hunk_with_context() {
        assert_eq!(unified("f", Some("a\n"), Some("a\n")), "");
        let old = "1\n2\n3\n4\n5\n6\n7\n8\n9\n";
        let new = old.replace("5\n", "five\n");
        assert_eq!(
            unified("f", Some(old), Some(&new)),
            "--- a/f\n+++ b/f\n@@ -2,7 +2,7 @@\n 2\n 3\n 4\n-5\n+five\n 6\n 7\n 8\n"
        );
        assert_eq!(
            unified("f", None, Some("x\n")),
            "--- /dev/null\n+++ b/f\n@@ -0,0 +1,1 @@\n+x\n"
        );
        assert_eq!(
            unified("f", Some("x\n"), None),
            "--- a/f\n+++ /dev/null\n@@ -1,1 +0,0 @@\n-x\n"
        );
        let doubled = unified("f", Some("x\nx\n"), Some("x\nx\nx\n"));
        assert_eq!(doubled, "--- a/f\n+++ b/f\n@@ -1,2 +1,3 @@\n x\n x\n+x\n");
    }
}
