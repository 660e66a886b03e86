//! The width of a text: that of Helvetica, which PDF has and which the page's letters are like.

/// Widths of the letters from the space to the tilde, in thousandths of the size (Adobe's font metrics of Helvetica).
#[rustfmt::skip]
const WIDTHS: [u16; 95] = [
    278, 278, 355, 556, 556, 889, 667, 191, 333, 333, 389, 584, 278, 333, 278, 278,
    556, 556, 556, 556, 556, 556, 556, 556, 556, 556, 278, 278, 584, 584, 584, 556,
    1015, 667, 667, 722, 722, 667, 611, 778, 722, 278, 500, 667, 556, 833, 722, 778,
    667, 778, 722, 667, 611, 722, 667, 944, 667, 667, 611, 278, 278, 278, 469, 556,
    333, 556, 556, 500, 556, 556, 278, 556, 556, 222, 222, 500, 222, 833, 556, 556,
    556, 556, 333, 500, 278, 556, 500, 722, 500, 500, 500, 334, 260, 334, 584,
];

/// A sign of the font Symbol, its place there, and its width.
const SYMBOLS: [(char, u8, u16); 16] = [
    ('Δ', 0x44, 612),
    ('Σ', 0x53, 592),
    ('α', 0x61, 631),
    ('β', 0x62, 549),
    ('δ', 0x64, 494),
    ('ε', 0x65, 439),
    ('θ', 0x71, 521),
    ('λ', 0x6C, 549),
    ('μ', 0x6D, 576),
    ('σ', 0x73, 603),
    ('≤', 0xA3, 549),
    ('→', 0xAE, 987),
    ('≥', 0xB3, 549),
    ('≈', 0xBB, 549),
    ('≠', 0xB9, 549),
    ('−', 0x2D, 549),
];

/// The place of a sign in the font Symbol; none for one that is not there.
pub(super) fn in_symbol(letter: char) -> Option<u8> {
    SYMBOLS.iter().find(|(sign, ..)| *sign == letter).map(|(_, place, _)| *place)
}

fn of_letter(letter: char) -> u16 {
    let ascii = (letter as usize).checked_sub(0x20).and_then(|at| WIDTHS.get(at));
    let symbol = || SYMBOLS.iter().find(|(sign, ..)| *sign == letter).map(|(.., width)| *width);
    ascii.copied().or_else(symbol).unwrap_or(match letter {
        '±' | '×' => 584,
        '·' => 278,
        // The letters of East Asia are as wide as they are high.
        '…' | '\u{2e80}'.. => 1000,
        _ => 556,
    })
}

/// The letters of a browser may be so much wider than Helvetica's.
const WIDER: f64 = 1.2;

/// The room that a text in letters of a size needs, whichever sans-serif letters a browser has.
pub(in crate::report) fn room(text: &str, size: f64) -> f64 {
    WIDER * width(text, size)
}

/// The width of a text in Helvetica of a size.
pub(super) fn width(text: &str, size: f64) -> f64 {
    text.chars().map(|letter| f64::from(of_letter(letter))).sum::<f64>() * size / 1000.0
}

/// As much of a text as has room, with a sign where the rest is left out.
pub(in crate::report) fn fit(text: &str, size: f64, most: f64) -> String {
    if room(text, size) <= most {
        return text.to_owned();
    }
    let mut kept: Vec<char> = text.chars().collect();
    loop {
        kept.pop();
        let shown = kept.iter().collect::<String>() + "…";
        if kept.is_empty() || room(&shown, size) <= most {
            return shown;
        }
    }
}

/// The lines of a text, of at most a width; a word that is wider has a line of its own.
pub(super) fn wrap(text: &str, size: f64, most: f64) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for word in text.split_whitespace() {
        match lines.last_mut() {
            Some(line) if room(&format!("{line} {word}"), size) <= most => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(word.to_owned()),
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    /// "AWAY" has 667 + 944 + 667 + 667 thousandths in Adobe's table.
    #[test]
    fn a_text_is_as_wide_as_in_helvetica() {
        assert!((width("AWAY", 10.0) - 29.45).abs() < 1e-9);
        assert!((width("~", 1.0) - 0.584).abs() < 1e-9 && (width("Δ", 1.0) - 0.612).abs() < 1e-9);
        assert_eq!(width("", 12.0), 0.0);
    }

    #[test]
    fn a_text_without_room_is_cut_and_says_so() {
        assert_eq!(fit("finetune", 10.0, 100.0), "finetune");
        let cut = fit("generative_distillation", 10.0, 60.0);
        assert!(cut.starts_with("gener") && cut.ends_with('…'), "{cut}");
        assert!(room(&cut, 10.0) <= 60.0 && cut.chars().count() < 23);
        assert_eq!(fit("wide", 10.0, 0.0), "…");
    }

    #[test]
    fn lines_break_between_words() {
        assert_eq!(wrap("one two three", 10.0, room("one two", 10.0)), ["one two", "three"]);
        assert_eq!(wrap("unbreakable a", 10.0, 1.0), ["unbreakable", "a"]);
        assert!(wrap("", 10.0, 1.0).is_empty());
    }
}
