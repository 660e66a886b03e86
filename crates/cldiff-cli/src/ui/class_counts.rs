//! How many images each class has, in a few lines.

use std::fmt::Write;

use data_streams::{ClassImages, Inventory};

/// Letters of a class's name.
const LONGEST_NAME: usize = 16;

/// A line for the counts; below it a few that have them class by class, unless one count says all. Classes without any
/// image are left out: a stream of some classes is no reason to list the others. Classes that `most` lines of `columns`
/// columns cannot hold are counted, with the place that has all.
pub fn class_counts(inventory: &Inventory, columns: usize, most: usize, all: &str) -> Vec<String> {
    let classes: Vec<&ClassImages> =
        inventory.0.iter().filter(|class| class.train > 0 || class.eval > 0).collect();
    let (train, eval) = (range(classes.iter().map(|c| c.train)), range(classes.iter().map(|c| c.eval)));
    let n = classes.len();
    if train.0 == train.1 && eval.0 == eval.1 {
        let each = if n == 1 { "class with" } else { "classes, each with" };
        return vec![format!("{n} {each} {} images to train on and {} held out", train.0, eval.0)];
    }
    let between = |(least, most): (usize, usize)| {
        if least == most { most.to_string() } else { format!("{least} to {most}") }
    };
    let head = format!(
        "{n} classes, with {} images to train on and {} held out; of each:",
        between(train),
        between(eval)
    );
    let entries: Vec<String> =
        classes.iter().map(|c| format!("{} {}+{}", shortened(&c.name), c.train, c.eval)).collect();
    std::iter::once(head).chain(table(&entries, columns, most, all)).collect()
}

/// The counts in one line of some hundred letters, for a table's cell.
pub fn in_one_line(inventory: &Inventory) -> String {
    let lines = class_counts(inventory, 500, 1, "manifest.json");
    lines.join(" ").split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Entries side by side, in columns of one width.
fn table(entries: &[String], columns: usize, most: usize, all: &str) -> Vec<String> {
    let width = entries.iter().map(|entry| entry.chars().count()).max().unwrap_or(0) + 2;
    let in_a_line = (columns.saturating_sub(2) / width).max(1);
    let fit = in_a_line.saturating_mul(most);
    let mut lines: Vec<String> = entries
        .chunks(in_a_line)
        .take(most)
        .map(|chunk| {
            let line = chunk.iter().fold("  ".to_owned(), |mut line, entry| {
                // Writing to a text cannot fail.
                let _ = write!(line, "{entry:<width$}");
                line
            });
            line.trim_end().to_owned()
        })
        .collect();
    if entries.len() > fit {
        lines.push(format!("  and {} more, see {all}", entries.len() - fit));
    }
    lines
}

fn range(counts: impl Iterator<Item = usize> + Clone) -> (usize, usize) {
    (counts.clone().min().unwrap_or(0), counts.max().unwrap_or(0))
}

fn shortened(name: &str) -> String {
    let plain: String = name.chars().map(|c| if c.is_control() { '?' } else { c }).collect();
    match plain.char_indices().nth(LONGEST_NAME) {
        Some((end, _)) => format!("{}…", &plain[..end]),
        None => plain,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn inventory(counts: &[(&str, usize, usize)]) -> Inventory {
        let class =
            |&(name, train, eval): &(&str, usize, usize)| ClassImages { name: name.into(), train, eval };
        Inventory(counts.iter().map(class).collect())
    }

    #[test]
    fn equal_counts_are_one_line() {
        let equal = inventory(&[("a", 60, 40), ("b", 60, 40), ("left out", 0, 0)]);
        assert_eq!(
            class_counts(&equal, 80, 4, "x"),
            ["2 classes, each with 60 images to train on and 40 held out"]
        );
        let one = inventory(&[("a", 60, 40)]);
        assert_eq!(class_counts(&one, 80, 4, "x"), ["1 class with 60 images to train on and 40 held out"]);
    }

    #[test]
    fn other_counts_are_a_table_that_fits() {
        let counts =
            [("plane", 5000, 1000), ("a class of a very long name", 50, 10), ("c\nd", 7, 0), ("e", 700, 10)];
        let lines = class_counts(&inventory(&counts), 80, 4, "x");
        assert_eq!(
            lines,
            [
                "4 classes, with 7 to 5000 images to train on and 0 to 1000 held out; of each:",
                // Entries of 23 letters, in columns of 25.
                "  plane 5000+1000          a class of a ver… 50+10  c?d 7+0",
                "  e 700+10",
            ]
        );
        let lines = class_counts(&inventory(&counts), 80, 1, "manifest.json");
        assert_eq!(lines[2], "  and 1 more, see manifest.json");
        assert_eq!(
            in_one_line(&inventory(&counts[..2])),
            "2 classes, with 50 to 5000 images to train on and 10 to 1000 held out; of each: plane 5000+1000 a class of a \
             ver… 50+10"
        );
    }

    #[test]
    fn a_thousand_classes_fit_too() {
        let names: Vec<String> = (0..1000).map(|i| format!("class {i}")).collect();
        let counts: Vec<(&str, usize, usize)> =
            names.iter().enumerate().map(|(i, name)| (name.as_str(), i + 1, 5)).collect();
        let lines = class_counts(&inventory(&counts), 80, 4, "manifest.json");
        assert_eq!(lines.len(), 6);
        assert!(lines.iter().all(|line| line.chars().count() <= 80), "{lines:?}");
    }
}
