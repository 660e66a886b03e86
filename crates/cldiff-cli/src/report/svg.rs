//! Drawing with plotters into SVG that follows the page: the page's ink, no background, a title for screen readers.

use anyhow::{Result, anyhow};
use plotters::{coord::Shift, prelude::*};

/// The ink of axes and labels; it becomes the page's text colour.
pub(super) const INK: RGBColor = RGBColor(1, 2, 3);
const INK_IN_SVG: &str = "#010203";

/// The canvas of a figure.
pub(super) type Canvas<'a> = DrawingArea<SVGBackend<'a>, Shift>;

/// Draws a figure of a size in pixels.
///
/// # Errors
/// The errors of plotters.
pub(super) fn figure(
    size: (u32, u32),
    title: &str,
    draw: impl FnOnce(&Canvas<'_>) -> Result<()>,
) -> Result<String> {
    let mut svg = String::new();
    {
        let area = SVGBackend::with_string(&mut svg, size).into_drawing_area();
        draw(&area)?;
        area.present().map_err(drawing)?;
    }
    Ok(themed(&svg, size, title))
}

/// plotters' errors, as anyhow's.
pub(super) fn drawing(error: impl std::fmt::Display) -> anyhow::Error {
    anyhow!("a figure cannot be drawn: {error}")
}

/// Text in the page's font.
pub(super) fn text(size: u32) -> TextStyle<'static> {
    ("sans-serif", size).into_font().color(&INK)
}

fn themed(svg: &str, (width, height): (u32, u32), title: &str) -> String {
    let escaped =
        title.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;");
    let body = svg.find('>').and_then(|_| svg.find("<svg")).map_or("", |start| {
        let opened = &svg[start..];
        opened.find('>').map_or("", |end| &opened[end + 1..])
    });
    let body = body.replace(INK_IN_SVG, "currentColor");
    format!(
        "<svg viewBox=\"0 0 {width} {height}\" width=\"{width}\" height=\"{height}\" role=\"img\" \
         aria-label=\"{escaped}\" xmlns=\"http://www.w3.org/2000/svg\"><title>{escaped}</title>{body}"
    )
}
