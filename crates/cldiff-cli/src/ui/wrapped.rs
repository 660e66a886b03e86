//! Lines that fit the terminal.

use comfy_table::Table;

/// Columns where the output is no terminal.
const COLUMNS: usize = 80;

/// Columns of the terminal; [`COLUMNS`] without one.
pub fn columns() -> usize {
    Table::new().width().map_or(COLUMNS, usize::from)
}

/// The lines of a text, broken between words; the second and further ones of each line are indented by two columns. A word
/// that is longer than a line, a path for example, stays whole.
pub fn wrapped(text: &str, columns: usize) -> Vec<String> {
    text.split('\n').flat_map(|line| wrapped_line(line, columns)).collect()
}

fn wrapped_line(line: &str, columns: usize) -> Vec<String> {
    // The spaces in front of a word belong to it, so that a line that fits stays as it is.
    let mut lines = vec![String::new()];
    let mut used = 0;
    let mut rest = line;
    while !rest.is_empty() {
        let spaces = rest.len() - rest.trim_start_matches(' ').len();
        let end = rest[spaces..].find(' ').map_or(rest.len(), |end| spaces + end);
        let (word, after) = rest.split_at(end);
        let width = word.chars().count();
        if used > 0 && used + width > columns {
            lines.push(format!("  {}", word.trim_start()));
            used = 2 + width - spaces;
        } else if let Some(last) = lines.last_mut() {
            last.push_str(word);
            used += width;
        }
        rest = after;
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_broken_between_words_and_indented() {
        assert_eq!(
            wrapped("a line of seven words and no more", 12),
            ["a line of", "  seven", "  words and", "  no more"]
        );
        assert_eq!(wrapped("two  spaces stay", 80), ["two  spaces stay"]);
        assert_eq!(wrapped("  indented", 80), ["  indented"]);
        assert_eq!(wrapped("one\ntwo", 80), ["one", "two"]);
        assert_eq!(wrapped("", 80), [""]);
    }

    #[test]
    fn a_long_word_stays_whole_and_letters_are_counted_rather_than_bytes() {
        assert_eq!(wrapped("see /a/long/path/to/it there", 10), ["see", "  /a/long/path/to/it", "  there"]);
        assert_eq!(wrapped("äöüäö äöüä", 10), ["äöüäö äöüä"]);
    }
}
