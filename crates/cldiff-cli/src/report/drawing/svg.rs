//! Figures as SVG: in the page, with its ink and its letters, or as files that need nothing beside them.

use std::fmt::Write;

use super::{
    Anchor, Figure, Letters, Mark, Parts, Point, Stroke,
    whole::{Whole, Window},
};
use crate::report::palette::{Colour, Paint};

/// The ink of a file.
const INK: &str = "#1b1f24";

pub(super) fn in_page(figure: &Figure, parts: Parts) -> String {
    let whole = Whole::of(figure);
    let shown = whole.window(parts);
    let all = whole.everything().map(short).join(" ");
    format!(
        "<svg {} data-whole=\"{all}\" {}>{}{}</svg>",
        window(shown),
        described(&figure.title),
        title(figure),
        marks(&whole, "currentColor")
    )
}

pub(super) fn file(figure: &Figure) -> String {
    let whole = Whole::of(figure);
    let all @ [left, top, width, height] = whole.everything();
    let [x, y, w, h] = [left, top, width, height].map(short);
    format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<svg {} xmlns=\"http://www.w3.org/2000/svg\" font-family=\"Helvetica, \
         Arial, sans-serif\" {}>{}<rect x=\"{x}\" y=\"{y}\" width=\"{w}\" height=\"{h}\" fill=\"#ffffff\"/>{}</svg>\n",
        window(all),
        described(&figure.title),
        title(figure),
        marks(&whole, INK)
    )
}

fn window([left, top, width, height]: Window) -> String {
    let [left, top, width, height] = [left, top, width, height].map(short);
    format!("viewBox=\"{left} {top} {width} {height}\" width=\"{width}\" height=\"{height}\"")
}

fn described(title: &str) -> String {
    format!("role=\"img\" aria-label=\"{}\"", escaped(title))
}

/// The title for readers who cannot see the figure. It comes first, as SVG wants it.
fn title(figure: &Figure) -> String {
    format!("<title>{}</title>", escaped(&figure.title))
}

fn marks(whole: &Whole, ink: &str) -> String {
    let mut svg = String::new();
    for mark in &whole.marks.marks {
        match mark {
            Mark::Line(points, stroke) => {
                // Writing to a string cannot fail.
                let _ = write!(svg, "<path d=\"{}\" fill=\"none\"{}/>", path(points), stroked(*stroke, ink));
            }
            Mark::Area(points, paint) => {
                let _ = write!(svg, "<path d=\"{}Z\"{}/>", path(points), painted("fill", *paint, ink));
            }
            Mark::Circle(at, radius, paint) => {
                let _ = write!(svg, "<circle{}{}/>", circle(*at, *radius), painted("fill", *paint, ink));
            }
            Mark::Ring(at, radius, stroke) => {
                let circle = circle(*at, *radius);
                let _ = write!(svg, "<circle{circle} fill=\"none\"{}/>", stroked(*stroke, ink));
            }
            Mark::Words(text, at, letters) => words(&mut svg, text, *at, *letters, ink),
        }
    }
    svg
}

fn words(svg: &mut String, text: &str, (x, y): Point, letters: Letters, ink: &str) {
    let (x, y, size) = (short(x), short(y), short(letters.size));
    let anchor = match letters.anchor {
        Anchor::Start => "",
        Anchor::Middle => " text-anchor=\"middle\"",
        Anchor::End => " text-anchor=\"end\"",
    };
    let bold = if letters.bold { " font-weight=\"bold\"" } else { "" };
    let turned = if letters.upwards { format!(" transform=\"rotate(-90 {x} {y})\"") } else { String::new() };
    let paint = painted("fill", letters.paint, ink);
    let text = escaped(text);
    let _ = write!(
        svg,
        "<text x=\"{x}\" y=\"{y}\" font-size=\"{size}\"{anchor}{bold}{turned}{paint}>{text}</text>"
    );
}

fn circle((x, y): Point, radius: f64) -> String {
    format!(" cx=\"{}\" cy=\"{}\" r=\"{}\"", short(x), short(y), short(radius))
}

fn path(points: &[Point]) -> String {
    let mut path = String::new();
    for (i, (x, y)) in points.iter().enumerate() {
        let _ = write!(path, "{}{} {}", if i == 0 { "M" } else { "L" }, short(*x), short(*y));
    }
    path
}

fn stroked(stroke: Stroke, ink: &str) -> String {
    let dash = stroke.dash.iter().map(|length| short(*length)).collect::<Vec<_>>().join(" ");
    let dash = if dash.is_empty() { dash } else { format!(" stroke-dasharray=\"{dash}\"") };
    format!("{} stroke-width=\"{}\"{dash}", painted("stroke", stroke.paint, ink), short(stroke.width))
}

fn painted(what: &str, paint: Paint, ink: &str) -> String {
    let opacity =
        if paint.opacity < 1.0 { format!(" {what}-opacity=\"{}\"", paint.opacity) } else { String::new() };
    let colour = paint.colour.as_ref().map_or_else(|| ink.to_owned(), Colour::to_string);
    format!(" {what}=\"{colour}\"{opacity}")
}

/// A length with one decimal, if that is not 0.
fn short(value: f64) -> String {
    let tenths = (value * 10.0).round() / 10.0;
    // Nothing has no minus.
    format!("{}", tenths + 0.0)
}

/// A text in XML. XML has no place for control characters.
fn escaped(text: &str) -> String {
    let text: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}
