//! Values in messages, as a configuration has them.

use std::fmt::Debug;

/// A value as a configuration has it: without the `Some` of an optional one, and a choice by its key.
///
/// ```
/// use cldiff_choices::plain_value;
///
/// assert_eq!(plain_value(&Some(8)), "8");
/// assert_eq!(plain_value(&None::<u8>), "absent");
/// assert_eq!(plain_value(&[Some("a"), None]), r#"["a", absent]"#);
/// ```
pub fn plain_value(value: &impl Debug) -> String {
    let text = without_options(&format!("{value:?}"));
    let is_choice = text.starts_with(|first: char| first.is_ascii_uppercase())
        && text != "NaN"
        && text.chars().all(|c| c.is_ascii_alphanumeric());
    if is_choice { snake_case(&text) } else { text }
}

/// The text of a value without `Some(` and its parenthesis, and with `absent` for `None`; quoted texts stay as they are.
fn without_options(text: &str) -> String {
    let (mut plain, mut rest) = (String::with_capacity(text.len()), text);
    // For each open parenthesis, whether it is that of a `Some`.
    let mut open = Vec::new();
    while let Some(first) = rest.chars().next() {
        let starts_a_word = !plain.ends_with(|c: char| c.is_alphanumeric() || c == '_');
        let (taken, shown) = match first {
            '"' => (end_of_quoted(rest), &rest[..end_of_quoted(rest)]),
            'S' if starts_a_word && rest.starts_with("Some(") => {
                open.push(true);
                ("Some(".len(), "")
            }
            'N' if starts_a_word && is_word(rest, "None") => ("None".len(), "absent"),
            '(' => {
                open.push(false);
                (1, "(")
            }
            ')' if open.pop() == Some(true) => (1, ""),
            _ => (first.len_utf8(), &rest[..first.len_utf8()]),
        };
        plain.push_str(shown);
        rest = &rest[taken..];
    }
    plain
}

fn is_word(text: &str, word: &str) -> bool {
    let after = text.strip_prefix(word);
    after.is_some_and(|after| !after.starts_with(|c: char| c.is_alphanumeric() || c == '_'))
}

/// The length of the quoted text that a text begins with.
fn end_of_quoted(text: &str) -> usize {
    let mut escaped = false;
    let end = text.char_indices().skip(1).find(|(_, c)| {
        let ends = *c == '"' && !escaped;
        escaped = *c == '\\' && !escaped;
        ends
    });
    end.map_or(text.len(), |(end, _)| end + 1)
}

fn snake_case(name: &str) -> String {
    let mut key = String::new();
    for c in name.chars() {
        if c.is_ascii_uppercase() && !key.is_empty() {
            key.push('_');
        }
        key.push(c.to_ascii_lowercase());
    }
    key
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug)]
    enum Choice {
        VPrediction,
        NoneAtAll,
    }

    #[test]
    fn values_are_shown_as_they_are_written() {
        for (shown, expected) in [
            (plain_value(&Some(8)), "8"),
            (plain_value(&None::<usize>), "absent"),
            (plain_value(&Some("x")), "\"x\""),
            (plain_value(&Some(Some(vec![1, 2]))), "[1, 2]"),
            (plain_value(&vec![Some(1.5), None]), "[1.5, absent]"),
            (plain_value(&Choice::VPrediction), "v_prediction"),
            (plain_value(&Some(Choice::NoneAtAll)), "none_at_all"),
            (plain_value(&f64::NAN), "NaN"),
            (plain_value(&(3, Some(4))), "(3, 4)"),
            (plain_value(&[r#"Some("None")"#, "None"]), r#"["Some(\"None\")", "None"]"#),
            (plain_value(&format_args!("a list of 3")), "a list of 3"),
        ] {
            assert_eq!(shown, expected);
        }
    }
}
