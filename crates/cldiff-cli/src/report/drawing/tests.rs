//! Files that others read: they are read again here.

use super::*;
use crate::report::palette::Colour;

/// A figure with every kind of mark, and names that mean something in XML and in PDF.
fn figure() -> Figure {
    let mut drawing = Drawing::default();
    let green = Paint::from(Colour(0, 158, 115));
    drawing.line([(0.0, 0.0), (10.0, 5.25)], Stroke { dash: &[3.0, 2.0], ..Stroke::new(green, 2.0) });
    drawing.line([(1.0, 1.0)], Stroke::new(green, 2.0));
    drawing.rectangle((5.0, 5.0), (20.0, 30.0), green.faint(0.2));
    drawing.circle((50.0, 50.0), 4.0, green);
    drawing.ring((60.0, 50.0), 4.0, Stroke::new(Paint::INK, 1.0));
    drawing.words("Δ bits/dim ≥ 0 (±)", (40.0, 90.0), Letters::new(SMALL).at(Anchor::End));
    drawing.words("up", (12.0, 90.0), Letters { upwards: true, ..Letters::new(NORMAL).at(Anchor::Middle) });
    let mut sign = Drawing::default();
    sign.line([(-13.0, 0.0), (13.0, 0.0)], Stroke::new(green, 2.0));
    Figure {
        title: "FID <of> (a \\ \"b\") & more".into(),
        width: 200.0,
        height: 100.0,
        drawing,
        notes: vec!["± sd over 3 seeds".into()],
        keys: ["replay & co", "猫"].map(|label| Key { label: label.into(), sign: sign.clone() }).into(),
    }
}

/// The names of the elements of an XML document with one root, if every element is closed in its place, every attribute is
/// quoted and given once, and every `&` begins an entity that XML has.
pub(in crate::report) fn well_formed(document: &str) -> Result<Vec<String>, String> {
    let (mut open, mut all) = (Vec::new(), Vec::new());
    let mut rest = document.trim_end();
    if let Some(declared) = rest.strip_prefix("<?xml ") {
        rest = declared.split_once("?>").ok_or("the declaration does not end")?.1.trim_start();
    }
    while !rest.is_empty() {
        let Some(tag) = rest.strip_prefix('<') else {
            let end = rest.find('<').ok_or("text outside of the root")?;
            if open.is_empty() {
                return Err(format!("text outside of the root: {rest:.40}"));
            }
            entities(&rest[..end])?;
            rest = &rest[end..];
            continue;
        };
        let (tag, after) = tag.split_once('>').ok_or("a tag does not end")?;
        rest = after;
        if let Some(name) = tag.strip_prefix('/') {
            if open.pop().as_deref() != Some(name) {
                return Err(format!("</{name}> closes nothing"));
            }
            continue;
        }
        let (tag, is_closed) = tag.strip_suffix('/').map_or((tag, false), |tag| (tag, true));
        let name = tag.split(' ').next().unwrap_or_default();
        attributes(tag[name.len()..].trim())?;
        if open.is_empty() && !all.is_empty() {
            return Err(format!("<{name}> is a second root"));
        }
        all.push(name.to_owned());
        if !is_closed {
            open.push(name.to_owned());
        }
    }
    if open.is_empty() { Ok(all) } else { Err(format!("{open:?} are open")) }
}

fn attributes(mut text: &str) -> Result<(), String> {
    let mut seen = Vec::new();
    while !text.is_empty() {
        let (name, rest) = text.split_once("=\"").ok_or(format!("no attribute: {text:.40}"))?;
        let (value, rest) = rest.split_once('"').ok_or("a value does not end")?;
        if seen.contains(&name) || !name.bytes().all(|b| b.is_ascii_lowercase() || b"-:B".contains(&b)) {
            return Err(format!("the attribute {name}"));
        }
        if value.contains('<') {
            return Err(format!("< in {name}"));
        }
        entities(value)?;
        seen.push(name);
        text = rest.trim_start();
    }
    Ok(())
}

fn entities(text: &str) -> Result<(), String> {
    let known = ["amp;", "lt;", "gt;", "quot;"];
    let mut parts = text.split('&');
    parts.next();
    match parts.find(|part| !known.iter().any(|entity| part.starts_with(entity))) {
        Some(part) => Err(format!("&{part:.20} is no entity")),
        None => Ok(()),
    }
}

#[test]
fn the_reader_of_xml_sees_mistakes() {
    assert_eq!(well_formed("<a><b c=\"1\"/>x &amp; y</a>").unwrap(), ["a", "b"]);
    for wrong in [
        "<a>",
        "<a></b>",
        "<a>&nbsp;</a>",
        "<a b=1/>",
        "<a/><b/>",
        "<a b=\"1\" b=\"2\"/>",
        "x",
        "<a b=\"<\"/>",
    ] {
        assert!(well_formed(wrong).is_err(), "{wrong}");
    }
}

#[test]
fn an_svg_file_needs_nothing_beside_it() {
    let svg = figure().svg();
    let elements = well_formed(&svg).unwrap();
    assert_eq!(elements[..3], ["svg", "title", "rect"]);
    assert!(svg.contains("xmlns=\"http://www.w3.org/2000/svg\"") && svg.contains("fill=\"#ffffff\""));
    assert!(svg.contains("<title>FID &lt;of&gt; (a \\ &quot;b&quot;) &amp; more</title>"));
    for shown in [
        ">FID &lt;of&gt; (a \\ &quot;b&quot;) &amp; more</text>",
        ">± sd over 3 seeds<",
        ">replay &amp; co<",
        ">猫<",
    ] {
        assert!(svg.contains(shown), "{shown}\n{svg}");
    }
    assert!(svg.contains(
        "d=\"M0 0L10 5.3\" fill=\"none\" stroke=\"#009e73\" stroke-width=\"2\" stroke-dasharray=\"3 2\""
    ));
    assert!(!svg.contains("currentColor") && !svg.contains("href") && !svg.contains("class="));
    // A line of one point is none, and nothing stands outside of the window.
    assert_eq!(elements.iter().filter(|name| *name == "path").count(), 2 + 1 + 2);
    assert!(svg.contains("viewBox=\"-6 -32 372 178\" width=\"372\" height=\"178\""), "{svg:.200}");
}

#[test]
fn the_page_shows_the_parts_that_its_own_words_leave_out() {
    let window = |parts| {
        let svg = figure().in_page(parts);
        well_formed(&svg).unwrap();
        assert!(svg.contains("currentColor") && svg.contains("data-whole=\"-6 -32 372 178\""), "{svg:.200}");
        svg.split('"').nth(1).unwrap().to_owned()
    };
    assert_eq!(window(Parts::Drawing), "0 0 200 100");
    assert_eq!(window(Parts::Noted), "0 0 360 116");
    assert_eq!(window(Parts::Titled), "0 -26 360 142");
}

/// A part of a file between two places.
fn between<'f>(file: &'f str, start: &str, end: &str) -> &'f str {
    file.split_once(start).unwrap().1.split_once(end).unwrap().0
}

/// Every byte as the letter of its number, so that places stay what they are.
fn bytes_as_text(file: &[u8]) -> String {
    file.iter().map(|byte| char::from(*byte)).collect()
}

#[test]
fn a_pdf_is_read_again_by_its_table_of_objects() {
    let file = figure().pdf();
    let at = |place: usize| bytes_as_text(&file[place..]);
    assert!(file.starts_with(b"%PDF-1.") && file.ends_with(b"%%EOF"));
    let text = at(0);
    let table: usize =
        text.rsplit_once("startxref").unwrap().1.split_whitespace().next().unwrap().parse().unwrap();
    assert!(at(table).starts_with("xref"));
    let table = at(table);
    let mut lines = table.lines().skip(1);
    let count: usize = lines.next().unwrap().split(' ').nth(1).unwrap().parse().unwrap();
    assert_eq!(count, 9);
    for (object, line) in lines.take(count).enumerate().skip(1) {
        let (place, state) = line.trim_end().split_once(' ').unwrap();
        assert_eq!(state, "00000 n");
        assert!(at(place.parse().unwrap()).starts_with(&format!("{object} 0 obj")), "{object}");
    }
    assert!(table.contains("/Root 1 0 R") && table.contains("/Info 5 0 R") && table.contains("/Size 9"));
    assert!(text.contains("/Type /Catalog") && between(&text, "/Type /Pages", ">>").contains("/Count 1"));
    // 372 by 178 pixels of 3/4 points.
    assert!(between(&text, "/Type /Page\n", "endobj").contains("/MediaBox [0 0 279 133.5]"), "{text}");
    for font in ["/BaseFont /Helvetica\n", "/BaseFont /Helvetica-Bold\n", "/BaseFont /Symbol\n"] {
        assert!(text.contains(font), "{font}");
    }
    let length: usize = between(&text, "/Length ", "\n").trim().parse().unwrap();
    assert_eq!(between(&text, "stream\n", "\nendstream").len(), length);
}

#[test]
fn a_pdf_has_title_legend_and_signs() {
    let text = bytes_as_text(&figure().pdf());
    // Parentheses and backslashes of a text are escaped in PDF, where they do not balance; letters without a font are "?".
    assert!(between(&text, "/Title", "\n").contains("FID <of> (a \\\\ \"b\") & more"), "{text}");
    let content = between(&text, "stream\n", "\nendstream");
    for shown in ["(FID <of> (a \\\\ \"b\") & more) Tj", "(replay & co) Tj", "(?) Tj", "(up) Tj"] {
        assert!(content.contains(shown), "{shown}\n{content}");
    }
    // Δ, ≥ in the font Symbol, and ± in Windows' encoding.
    assert!(content.contains("/S 11 Tf\n(D) Tj\n/P 11 Tf\n( bits/dim ) Tj"), "{content}");
    assert!(content.contains("[3 2] 0 d") && content.contains("0 0.61960787 0.4509804 RG"));
    let operators = |name: &str| {
        content.lines().filter(|line| line.ends_with(&format!(" {name}")) || *line == name).count()
    };
    assert_eq!((operators("BT"), operators("ET")), (6, 6));
    // The same states of opacity are used again.
    assert!(text.contains("/CA 0.2") && !text.contains("/O5"), "{text}");
}
