//! The width of printed text: at most that of the terminal, and 80 columns where output goes elsewhere.
//!
//! `COLUMNS` goes before the terminal's own width. Widths are columns of a terminal, not bytes. A text is broken at spaces.
//! A word that is wider than a line (a path, an address, a hash) is not broken. Documents that programs read (JSON, TOML,
//! completions) are printed as they are.

use std::io::{self, Write};

use terminal_size::{Height, Width, terminal_size_of};
use unicode_width::UnicodeWidthChar;

/// The width where there is no terminal.
pub const DEFAULT: usize = 80;
/// No table can be read in less.
const LEAST: usize = 20;

/// The width of lines on stdout.
pub fn of_stdout() -> usize {
    of(terminal_size_of(io::stdout()))
}

/// The width of lines on stderr.
pub fn of_stderr() -> usize {
    of(terminal_size_of(io::stderr()))
}

fn of(terminal: Option<(Width, Height)>) -> usize {
    let asked = std::env::var("COLUMNS").ok();
    chosen(asked.as_deref(), terminal.map(|(Width(width), _)| width.into()))
}

fn chosen(asked: Option<&str>, terminal: Option<usize>) -> usize {
    let asked = asked.and_then(|columns| columns.trim().parse().ok());
    let known = [asked, terminal].into_iter().flatten().find(|width| *width > 0);
    known.unwrap_or(DEFAULT).max(LEAST)
}

/// Prints a text on stdout.
pub fn say(text: &str) {
    println!("{}", wrap(text, of_stdout()));
}

/// Prints a text on stderr.
pub fn tell(text: &str) {
    eprintln!("{}", wrap(text, of_stderr()));
}

/// Prints the last message of the program on stderr. A closed or full stderr is no error: the exit status says the rest.
pub fn tell_at_the_end(text: &str) {
    let _ = writeln!(io::stderr(), "{}", wrap(text, of_stderr()));
}

/// The columns that a text takes on a terminal; an escape sequence that sets a colour takes none.
pub fn columns(text: &str) -> usize {
    let mut in_escape = false;
    let of_char = |c: char| {
        if c == '\u{1b}' {
            in_escape = true;
        }
        let width = if in_escape { 0 } else { c.width().unwrap_or(0) };
        in_escape &= !c.is_ascii_alphabetic();
        width
    };
    text.chars().map(of_char).sum()
}

/// Breaks the lines of a text that are wider than `width` at spaces. A further line is indented two columns more than
/// the first.
pub fn wrap(text: &str, width: usize) -> String {
    let wrapped = text
        .split('\n')
        .map(|line| if columns(line) <= width { line.to_owned() } else { broken(line, width) });
    wrapped.collect::<Vec<_>>().join("\n")
}

fn broken(line: &str, width: usize) -> String {
    let body = line.trim_start_matches(' ');
    let indent = line.len() - body.len();
    let further = format!("\n{}", " ".repeat(indent + 2));
    let mut text = " ".repeat(indent);
    let (mut at, mut gap) = (indent, 0);
    let mut first = true;
    for (word, spaces) in words(body) {
        let needed = columns(word);
        if !first && at + gap + needed > width {
            text.push_str(&further);
            at = indent + 2;
        } else {
            text.push_str(&" ".repeat(gap));
            at += gap;
        }
        text.push_str(word);
        (at, gap, first) = (at + needed, spaces, false);
    }
    text
}

/// The words of a line, each with the number of spaces behind it. `line 37` is one word.
fn words(line: &str) -> Vec<(&str, usize)> {
    let mut found = Vec::new();
    let mut rest = line;
    while !rest.is_empty() {
        let mut end = rest.find(' ').unwrap_or(rest.len());
        let is_line = rest[..end].ends_with("line");
        if is_line && rest[end..].trim_start_matches(' ').starts_with(|c: char| c.is_ascii_digit()) {
            let number = end + 1;
            end = rest[number..].find(' ').map_or(rest.len(), |more| number + more);
        }
        let behind = rest[end..].trim_start_matches(' ');
        found.push((&rest[..end], rest.len() - end - behind.len()));
        rest = behind;
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_variable_goes_before_the_terminal_and_80_is_taken_without_both() {
        assert_eq!(chosen(None, None), 80);
        assert_eq!((chosen(Some("120"), Some(100)), chosen(None, Some(100))), (120, 100));
        assert_eq!((chosen(Some("x"), None), chosen(Some("0"), Some(0))), (80, 80));
        assert_eq!(chosen(Some("3"), None), LEAST);
    }

    #[test]
    fn columns_are_those_of_a_terminal() {
        assert_eq!(columns("größe"), 5);
        assert_eq!(columns("×10³ ≤ –"), 8);
        assert_eq!(columns("大"), 2);
        assert_eq!(columns("\u{1b}[1;31merror:\u{1b}[0m x"), 8);
    }

    #[test]
    fn lines_are_broken_at_spaces_and_a_long_word_stands_alone() {
        assert_eq!(wrap("short\nlines", 10), "short\nlines");
        assert_eq!(wrap("one two three", 8), "one two\n  three");
        assert_eq!(wrap("  one two three", 9), "  one two\n    three");
        assert_eq!(wrap("see /a/path/that/is/long now", 10), "see\n  /a/path/that/is/long\n  now");
        assert_eq!(wrap("a   b  cc", 8), "a   b\n  cc");
        assert_eq!(wrap("error: x.toml, line 37: y", 20), "error: x.toml,\n  line 37: y");
        assert_eq!(wrap("a line 37", 7), "a\n  line 37");
    }

    #[test]
    fn no_line_is_wider_than_the_width() {
        let text = "a strategy that never learned has nothing to forget ".repeat(9);
        for width in LEAST..90 {
            assert!(wrap(&text, width).lines().all(|line| columns(line) <= width), "{width}");
        }
    }
}
