//! Rust sources as text that is read for names: without comments, without tests.

/// Whether the doc comments of a source count as a whole, or only their links.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Docs {
    /// They are the help of a command line.
    Whole,
    /// A link such as [`Self`] names an item; other prose does not.
    Links,
}

/// The code of a source: strings stay, comments and the items under `#[cfg(test)]` go, doc comments go as `docs` says.
pub fn code(source: &str, docs: Docs) -> String {
    let (mut rest, mut found) = (source, String::new());
    while let Some(first) = rest.chars().next() {
        let length = match first {
            '/' if rest.starts_with("//") => {
                let line = rest.lines().next().unwrap_or(rest);
                found.push_str(&without_braces(&of_comment(line, docs)));
                line.len()
            }
            '/' if rest.starts_with("/*") => rest.find("*/").map_or(rest.len(), |end| end + 2),
            '"' => string(rest, &mut found),
            'r' => raw_string(rest, &mut found),
            '\'' => character(rest),
            _ => {
                found.push(first);
                first.len_utf8()
            }
        };
        rest = &rest[length..];
    }
    without_tests(found)
}

/// A text that no brace or semicolon of code is mistaken in.
fn without_braces(text: &str) -> String {
    text.replace(['{', '}', ';'], " ")
}

/// Whether a word goes on with this character.
fn is_of_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

/// Whether a text has one of some words as a whole word.
pub fn has_word(text: &str, words: &[&str]) -> bool {
    text.split(|c| !is_of_word(c)).any(|word| words.contains(&word))
}

/// The part of a comment that is kept: nothing, the links of a doc comment, or its text.
fn of_comment(line: &str, docs: Docs) -> String {
    match (line.strip_prefix("///"), line.strip_prefix("//!"), docs) {
        (Some(text), _, Docs::Whole) => text.to_owned(),
        (Some(text), _, Docs::Links) | (_, Some(text), _) => links(text),
        (None, None, _) => String::new(),
    }
}

/// The links of a doc comment, with their targets: [`Name`], [`name`](path::Name), [`Name`]: path::Name.
fn links(text: &str) -> String {
    let mut found = String::new();
    for part in text.split("[`").skip(1) {
        let Some((name, target)) = part.split_once("`]") else { continue };
        let end = if target.starts_with('(') { target.find(')').unwrap_or(0) } else { 0 };
        let end = if target.starts_with(':') { target.len() } else { end };
        found.extend([" ", name, &target[..end]]);
    }
    found
}

/// Copies the string at the start of `rest`; gives its length.
fn string(rest: &str, found: &mut String) -> usize {
    let mut escaped = false;
    let end = rest.char_indices().skip(1).find_map(|(at, c)| {
        let ends = c == '"' && !escaped;
        escaped = c == '\\' && !escaped;
        ends.then_some(at + 1)
    });
    let end = end.unwrap_or(rest.len());
    found.push_str(&without_braces(&rest[..end]));
    end
}

/// As [`string`], of a raw one; of an `r` that begins none, the letter alone.
fn raw_string(rest: &str, found: &mut String) -> usize {
    let hashes = rest[1..].chars().take_while(|c| *c == '#').count();
    let (opening, closing) = (hashes + 2, format!("\"{}", "#".repeat(hashes)));
    if !rest[hashes + 1..].starts_with('"') {
        found.push('r');
        return 1;
    }
    let end = rest[opening..].find(&closing).map_or(rest.len(), |at| opening + at + closing.len());
    found.push_str(&without_braces(&rest[..end]));
    end
}

/// The length of a character in quotes, or of the quote alone where it begins a lifetime.
fn character(rest: &str) -> usize {
    let inner = &rest[1..];
    let length = if inner.starts_with('\\') {
        inner[2.min(inner.len())..].find('\'').map(|at| at + 3)
    } else {
        let first = inner.chars().next().map_or(0, char::len_utf8);
        inner[first..].starts_with('\'').then_some(first + 1)
    };
    length.map_or(1, |length| length + 1)
}

/// Takes out each item that only tests have: an attribute `#[cfg(test)]` or `#[cfg(all(test, ...))]`, and all up to the
/// item's last brace or semicolon.
fn without_tests(mut code: String) -> String {
    while let Some(start) = ["#[cfg(test)]", "#[cfg(all(test,"].iter().filter_map(|cfg| code.find(cfg)).min()
    {
        let mut depth = 0_usize;
        let end = code[start..].char_indices().find_map(|(at, c)| {
            depth = match c {
                '{' => depth + 1,
                '}' => depth.saturating_sub(1),
                _ => depth,
            };
            (depth == 0 && (c == '}' || c == ';')).then_some(start + at + 1)
        });
        code.replace_range(start..end.unwrap_or(code.len()), "");
    }
    code
}

#[test]
fn comments_and_tests_are_left_out() {
    let source = r##"
        //! About alpha, see [`Beta`] and [`gamma`](crate::Delta).
        /// epsilon
        fn zeta<'a>(x: &'a str) -> char { /* eta */ let _ = "theta // {"; let _ = r#"iota "{" "#; '"' } // kappa
        #[cfg(test)]
        mod tests { fn lambda() { "}" } }
        #[cfg(all(test, feature = "mu"))]
        mod nu;
        const XI: char = '\'';
    "##;
    let kept = ["Beta", "gamma", "Delta", "zeta", "theta", "iota", "XI"];
    let left_out = ["alpha", "epsilon", "eta", "kappa", "lambda", "mu", "nu"];
    let code = code(source, Docs::Links);
    for word in kept {
        assert!(has_word(&code, &[word]), "{word} is not in {code}");
    }
    for word in left_out {
        assert!(!has_word(&code, &[word]), "{word} is in {code}");
    }
    assert!(has_word(&self::code(source, Docs::Whole), &["epsilon"]));
}
