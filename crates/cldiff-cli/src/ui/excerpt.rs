//! A line of a file with marks below it, as the reader of TOML shows it, cut to the width of the terminal.

use super::width::columns;

/// Cuts the lines of a message that show a line of a file (`3 | text`, then `  |  ^^^`) to `width`, around the marks.
pub fn fitted(message: &str, width: usize) -> String {
    let lines: Vec<&str> = message.split('\n').collect();
    let Some((gutter, mark)) = lines.iter().find_map(|line| marked(line)) else { return message.to_owned() };
    if width <= gutter + 3
        || lines.iter().all(|line| body(line, gutter).is_none_or(|_| columns(line) <= width))
    {
        return message.to_owned();
    }
    let room = width - gutter;
    // A third of the room stands before the marks, where they are not at the beginning.
    let from = if mark < room * 2 / 3 { 0 } else { mark - room / 3 };
    let fit = |line: &&str| match body(line, gutter) {
        Some(body) => format!("{}{}", &line[..gutter], window(body, from, room)),
        None => (*line).to_owned(),
    };
    lines.iter().map(fit).collect::<Vec<_>>().join("\n")
}

/// The length of what stands before the text in a line of marks, and the column of the first mark.
fn marked(line: &str) -> Option<(usize, usize)> {
    let bar = line.find("| ")?;
    let (before, marks) = (&line[..bar], &line[bar + 2..]);
    let only_marks = marks.contains('^') && marks.chars().all(|c| c == ' ' || c == '^');
    (before.chars().all(|c| c == ' ') && only_marks).then(|| (bar + 2, marks.find('^').unwrap_or(0)))
}

/// The text behind `3 | ` or `  | `.
fn body(line: &str, gutter: usize) -> Option<&str> {
    let before = line.get(..gutter)?;
    let number = before.strip_suffix("| ")?;
    number.chars().all(|c| c == ' ' || c.is_ascii_digit()).then(|| &line[gutter..])
}

/// `room` columns of a text from a place in it; dots stand for what is left out.
fn window(text: &str, from: usize, room: usize) -> String {
    let all: Vec<char> = text.chars().collect();
    let is_marks = text.chars().all(|c| c == ' ' || c == '^');
    let end = (from + room).min(all.len());
    let mut shown: Vec<char> = all.get(from.min(end)..end).unwrap_or_default().to_vec();
    if !is_marks && !shown.is_empty() {
        let last = shown.len() - 1;
        if from > 0 {
            shown[0] = '…';
        }
        if end < all.len() {
            shown[last] = '…';
        }
    }
    shown.into_iter().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(before: usize, behind: usize) -> String {
        let line = format!("{}batch = 1{}", "x".repeat(before), "y".repeat(behind));
        format!("TOML parse error\n   |\n12 | {line}\n   | {}^^^^^\nunknown field", " ".repeat(before))
    }

    #[test]
    fn marks_stay_below_their_words() {
        for (before, behind) in [(0, 0), (0, 200), (60, 100), (300, 300), (500, 0)] {
            let text = fitted(&message(before, behind), 80);
            assert!(text.lines().all(|line| columns(line) <= 80), "{text}");
            let lines: Vec<Vec<char>> = text.lines().map(|line| line.chars().collect()).collect();
            let mark = lines[3].iter().position(|c| *c == '^').unwrap();
            assert_eq!(lines[2][mark..mark + 5], ['b', 'a', 't', 'c', 'h'], "{text}");
        }
        assert_eq!(fitted(&message(3, 4), 80), message(3, 4));
        assert_eq!(fitted("no line | of a file", 10), "no line | of a file");
    }
}
