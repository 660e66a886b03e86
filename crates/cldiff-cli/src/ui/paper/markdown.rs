//! A table in Markdown, with pipes, and its caption below.

use super::{Entry, Paper, Row};

pub(super) fn render(paper: &Paper) -> String {
    let head: Vec<String> = paper.names.iter().chain(&paper.headings).map(|text| escaped(text)).collect();
    let rules = paper.names.iter().map(|_| "---").chain(paper.headings.iter().map(|_| "---:"));
    let mut lines = vec![line(head), line(rules.map(str::to_owned))];
    lines.extend(paper.rows.iter().map(|row| line(cells(row))));
    lines.push(String::new());
    lines.push(escaped(&paper.caption.join(" ")));
    if !paper.notes.is_empty() {
        lines.push(String::new());
        lines.extend(paper.notes.iter().map(|note| format!("- No value: {}", escaped(note))));
    }
    lines.join("\n")
}

fn line(cells: impl IntoIterator<Item = String>) -> String {
    format!("| {} |", cells.into_iter().collect::<Vec<_>>().join(" | "))
}

fn cells(row: &Row) -> Vec<String> {
    row.names.iter().map(|name| escaped(name)).chain(row.entries.iter().map(entry)).collect()
}

fn entry(entry: &Entry) -> String {
    let Some(value) = &entry.value else { return "–".to_owned() };
    let value = if entry.is_bold { format!("**{value}**") } else { value.clone() };
    match &entry.spread {
        Some(spread) => format!("{value} ± {spread}"),
        None => value,
    }
}

/// A text with no sign that Markdown takes for its own.
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\\' | '`' | '*' | '_' | '[' | ']' | '|' | '~' => out.extend(['\\', c]),
            '<' => out.push_str("&lt;"),
            '&' => out.push_str("&amp;"),
            '\n' => out.push(' '),
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_has_pipes_escapes_bold_and_its_caption() {
        let entry =
            |value: &str, is_bold| Entry { value: Some(value.into()), spread: Some("0.25".into()), is_bold };
        let paper = Paper {
            name: "x".into(),
            caption: vec!["± is sd.".into(), "N = 80.".into()],
            names: vec!["strategy".into(), "run".into()],
            headings: vec!["FID ↓".into()],
            rows: vec![
                Row {
                    names: vec!["a|b_c".into(), "1".into()],
                    is_bound: false,
                    entries: vec![entry("-1.50", true)],
                },
                Row {
                    names: vec!["<i>".into(), "2".into()],
                    is_bound: true,
                    entries: vec![Entry::default()],
                },
            ],
            notes: vec!["FID of <i>: lost".into()],
        };
        let expected = "\
| strategy | run | FID ↓ |
| --- | --- | ---: |
| a\\|b\\_c | 1 | **-1.50** ± 0.25 |
| &lt;i> | 2 | – |

± is sd. N = 80.

- No value: FID of &lt;i>: lost";
        assert_eq!(render(&paper), expected);
    }
}
