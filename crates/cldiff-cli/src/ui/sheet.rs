//! A table of short texts, no wider than the terminal: columns that do not fit stand in further parts below, each with
//! the columns that name a row.

use super::width::columns;

/// Columns between two columns.
const GAP: usize = 2;
/// A heading may be as wide as this without being broken.
const HEADING: usize = 12;

/// A table.
#[derive(Debug)]
pub struct Sheet {
    headings: Vec<String>,
    names: usize,
    rows: Vec<Vec<String>>,
}

/// A column that is ready to be printed.
struct Column {
    heading: Vec<String>,
    cells: Vec<Vec<String>>,
    width: usize,
    is_name: bool,
}

impl Sheet {
    /// An empty table. Its first `names` columns name a row: they stand to the left, in every part.
    pub fn new(headings: impl IntoIterator<Item = String>, names: usize) -> Self {
        Self { headings: headings.into_iter().collect(), names, rows: Vec::new() }
    }

    /// Adds a row, with a text for each column.
    pub fn add(&mut self, row: Vec<String>) {
        self.rows.push(row);
    }

    /// The table in lines of at most `width` columns. Headings are broken as far as they can be where that saves a part.
    pub fn render(&self, width: usize) -> String {
        let [usual, narrow] = [HEADING, 0].map(|heading| self.columns(width, heading));
        let parts = parts(&usual, self.names, width);
        let narrow = parts_if_one(&narrow, self.names, width);
        let parts = narrow.filter(|_| parts.len() > 1).unwrap_or(parts);
        parts.iter().map(|part| self.part(part)).collect::<Vec<_>>().join("\n\n")
    }

    fn columns(&self, width: usize, heading: usize) -> Vec<Column> {
        (0..self.headings.len()).map(|i| self.column(i, width, heading)).collect()
    }

    fn column(&self, i: usize, width: usize, heading: usize) -> Column {
        let is_name = i < self.names;
        // The names together leave at least half of the line to the values.
        let most = if is_name { (width / 2 / self.names).saturating_sub(GAP).max(4) } else { usize::MAX };
        let cells: Vec<Vec<String>> = self.rows.iter().map(|row| lines(&row[i], most)).collect();
        let widest =
            |texts: &[Vec<String>]| texts.iter().flatten().map(|line| columns(line)).max().unwrap_or(0);
        let limit = widest(&cells).max(longest_piece(&self.headings[i])).max(heading).min(most);
        let heading = lines(&self.headings[i], limit);
        let width = widest(&cells).max(widest(std::slice::from_ref(&heading)));
        Column { heading, cells, width, is_name }
    }

    fn part(&self, part: &[&Column]) -> String {
        let rule = taken(part.iter().copied());
        let height = part.iter().map(|column| column.heading.len()).max().unwrap_or(0);
        let heading = |i: usize| {
            // Headings end on the same line.
            let line = |column: &Column| {
                (i + column.heading.len()).checked_sub(height).and_then(|i| column.heading.get(i).cloned())
            };
            joined(part, line)
        };
        let mut text: Vec<String> = (0..height).map(heading).collect();
        text.push("─".repeat(rule));
        for row in 0..self.rows.len() {
            let height = part.iter().map(|column| column.cells[row].len()).max().unwrap_or(0);
            text.extend((0..height).map(|i| joined(part, |column| column.cells[row].get(i).cloned())));
        }
        text.join("\n")
    }
}

/// The columns part by part: as many as fit, with those that name a row first.
fn parts(all: &[Column], names: usize, width: usize) -> Vec<Vec<&Column>> {
    let (names, values) = all.split_at(names);
    let mut parts: Vec<Vec<&Column>> = Vec::new();
    let mut left = 0;
    for column in values {
        let needed = column.width + GAP;
        if parts.is_empty() || needed > left {
            parts.push(names.iter().collect());
            left = width.saturating_sub(taken(names.iter()));
        }
        if let Some(part) = parts.last_mut() {
            part.push(column);
        }
        left = left.saturating_sub(needed);
    }
    if parts.is_empty() {
        parts.push(names.iter().collect());
    }
    parts
}

/// The columns as one part, if they fit.
fn parts_if_one(all: &[Column], names: usize, width: usize) -> Option<Vec<Vec<&Column>>> {
    Some(parts(all, names, width)).filter(|parts| parts.len() == 1)
}

/// The width of some columns with the gaps between them.
fn taken<'a>(part: impl Iterator<Item = &'a Column>) -> usize {
    part.map(|column| column.width + GAP).sum::<usize>().saturating_sub(GAP)
}

/// A line: names to the left, values to the right.
fn joined(part: &[&Column], text: impl Fn(&Column) -> Option<String>) -> String {
    let cell = |column: &&Column| {
        let text = text(column).unwrap_or_default();
        let space = " ".repeat(column.width - columns(&text));
        if column.is_name { text + &space } else { space + &text }
    };
    let cells: Vec<String> = part.iter().map(cell).collect();
    cells.join(&" ".repeat(GAP)).trim_end().to_owned()
}

/// The signs behind which a text may be broken.
const BREAKS: [char; 8] = [' ', '.', '_', '-', '+', ',', '/', '='];

/// The width of the longest part of a text that is not broken.
fn longest_piece(text: &str) -> usize {
    text.split_inclusive(BREAKS).map(|piece| columns(piece.trim_end())).max().unwrap_or(0)
}

/// A text in lines of at most `most` columns: broken behind a space or a sign, and elsewhere only where it has to be.
fn lines(text: &str, most: usize) -> Vec<String> {
    let mut all = vec![String::new()];
    for piece in text.split_inclusive(BREAKS) {
        let fits = |piece: &str, all: &mut Vec<String>| {
            let last = all.last_mut().filter(|line| columns(line) + columns(piece.trim_end()) <= most);
            match last {
                Some(line) => line.push_str(piece),
                None => all.push(piece.to_owned()),
            }
        };
        if columns(piece.trim_end()) <= most {
            fits(piece, &mut all);
        } else {
            piece.chars().for_each(|c| fits(c.encode_utf8(&mut [0; 4]), &mut all));
        }
    }
    all.iter().map(|line| line.trim_end().to_owned()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sheet(columns: usize) -> Sheet {
        let headings = ["strategy".to_owned()].into_iter().chain((0..columns).map(|i| format!("value {i}")));
        let mut sheet = Sheet::new(headings, 1);
        for row in ["finetune", "replay-0.1"] {
            sheet.add([row.to_owned()].into_iter().chain((0..columns).map(|i| format!("{i}.00"))).collect());
        }
        sheet
    }

    #[test]
    fn a_small_table_stands_as_it_is() {
        let expected = "\
strategy    value 0  value 1
────────────────────────────
finetune       0.00     1.00
replay-0.1     0.00     1.00";
        assert_eq!(sheet(2).render(80), expected);
    }

    #[test]
    fn columns_that_do_not_fit_stand_below_with_the_names() {
        let text = sheet(40).render(80);
        assert!(text.lines().all(|line| columns(line) <= 80), "{text}");
        let parts: Vec<&str> = text.split("\n\n").collect();
        // 10 columns of names, and 9 or 10 for each value.
        assert_eq!(parts.len(), 40_usize.div_ceil(7));
        assert!(parts.iter().all(|part| part.starts_with("strategy") && part.contains("replay-0.1")));
        for i in 0..40 {
            assert_eq!(
                text.matches(&format!("value {i} ")).count() + text.matches(&format!("value {i}\n")).count(),
                1,
                "{i}"
            );
        }
    }

    #[test]
    fn headings_are_broken_further_where_that_saves_a_part() {
        let mut sheet = Sheet::new(["strategy", "FID forgetting", "passes ×10³"].map(str::to_owned), 1);
        sheet.add(["finetune", "0.10", "7"].map(str::to_owned).to_vec());
        let wide = sheet.render(33);
        assert!(wide.starts_with("                 FID\nstrategy  forgetting  passes ×10³\n"), "{wide}");
        let narrow = sheet.render(32);
        assert!(
            narrow.starts_with("                 FID  passes\nstrategy  forgetting    ×10³\n"),
            "{narrow}"
        );
        assert_eq!(sheet.render(27).split("\n\n").count(), 2);
    }

    #[test]
    fn long_headings_and_names_are_broken() {
        assert_eq!(lines("rehearsal_coefficient", 12), ["rehearsal_", "coefficient"]);
        assert_eq!(lines("FID forgetting", 12), ["FID", "forgetting"]);
        assert_eq!(lines("passes ×10³", 12), ["passes ×10³"]);
        assert_eq!(lines("abcdefgh", 3), ["abc", "def", "gh"]);
        assert_eq!(lines("", 3), [""]);
        let mut sheet = Sheet::new(["strategy".to_owned(), "FID".to_owned()], 1);
        sheet.add(vec!["a".repeat(60) + " (bound)", "12.00".to_owned()]);
        assert!(sheet.render(40).lines().all(|line| columns(line) <= 40), "{}", sheet.render(40));
    }
}
