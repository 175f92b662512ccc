//! Tables that read well on a screen and in a document: Markdown with aligned columns.

/// A header and rows of as many cells; the first column is words, the others are figures.
pub fn table(header: &[&str], rows: &[Vec<String>]) -> String {
    let cell = |row: &[String], at: usize| row.get(at).cloned().unwrap_or_default();
    let header: Vec<String> = header.iter().map(|it| (*it).to_owned()).collect();
    let width = |at: usize| {
        let cells = rows.iter().map(|row| cell(row, at)).chain([cell(&header, at)]);
        cells.map(|it| it.chars().count()).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..header.len()).map(width).collect();
    let line = |row: &[String]| {
        let cells = widths.iter().enumerate().map(|(at, width)| match at {
            0 => format!(" {:<width$} ", cell(row, at)),
            _ => format!(" {:>width$} ", cell(row, at)),
        });
        format!("|{}|\n", cells.collect::<Vec<_>>().join("|"))
    };
    let rule = widths.iter().enumerate().map(|(at, width)| match at {
        0 => "-".repeat(width + 2),
        _ => format!("{}:", "-".repeat(width + 1)),
    });
    let rule = format!("|{}|\n", rule.collect::<Vec<_>>().join("|"));
    rows.iter().fold(line(&header) + &rule, |text, row| text + &line(row))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn aligns() {
        let rows = [vec!["µs".to_owned(), "10".to_owned()], vec!["longer".to_owned()]];
        let text = table(&["what", "n"], &rows);
        assert_eq!(text, "| what   |  n |\n|--------|---:|\n| µs     | 10 |\n| longer |    |\n");
    }
}
