//! Colours: one a strategy, told apart by the colour-blind too (Okabe & Ito 2008), and scales for heat maps.

use plotters::style::RGBColor;

/// Okabe and Ito's colours that stand out on white and on black alike.
const STRATEGIES: [RGBColor; 7] = [
    RGBColor(0, 158, 115),
    RGBColor(213, 94, 0),
    RGBColor(86, 148, 233),
    RGBColor(204, 121, 167),
    RGBColor(230, 159, 0),
    RGBColor(0, 114, 178),
    RGBColor(140, 140, 20),
];

/// The colour of the i-th strategy.
pub(super) fn strategy(i: usize) -> RGBColor {
    STRATEGIES[i % STRATEGIES.len()]
}

/// The colour as CSS has it, and the shape of the i-th strategy's markers.
pub(super) fn key(i: usize) -> (String, &'static str) {
    let RGBColor(r, g, b) = strategy(i);
    (format!("#{r:02x}{g:02x}{b:02x}"), ["●", "▲", "✕"][i % 3])
}

/// From pale (0) to deep (1), in steps of lightness.
pub(super) fn sequential(share: f64) -> RGBColor {
    between(&[(255, 247, 220), (253, 187, 99), (227, 91, 60), (139, 18, 72), (58, 6, 60)], share)
}

/// From blue (-1) through near white (0) to red (1).
pub(super) fn diverging(share: f64) -> RGBColor {
    between(
        &[(33, 102, 172), (146, 197, 222), (247, 247, 247), (244, 165, 130), (178, 24, 43)],
        f64::midpoint(share, 1.0),
    )
}

/// As [`diverging`], with blue for what is above 0: of two tasks that agree.
pub(super) fn diverging_blue_is_more(share: f64) -> RGBColor {
    diverging(-share)
}

fn between(stops: &[(u8, u8, u8)], share: f64) -> RGBColor {
    let position = share.clamp(0.0, 1.0) * (stops.len() - 1) as f64;
    let i = (position as usize).min(stops.len() - 2);
    let (a, b, t) = (stops[i], stops[i + 1], position - i as f64);
    let mix = |x: u8, y: u8| (f64::from(x) + (f64::from(y) - f64::from(x)) * t).round() as u8;
    RGBColor(mix(a.0, b.0), mix(a.1, b.1), mix(a.2, b.2))
}

/// Ink that can be read on a colour.
pub(super) fn ink_on(RGBColor(r, g, b): RGBColor) -> RGBColor {
    let lightness = 0.299 * f64::from(r) + 0.587 * f64::from(g) + 0.114 * f64::from(b);
    if lightness > 140.0 { RGBColor(17, 17, 17) } else { RGBColor(250, 250, 250) }
}
