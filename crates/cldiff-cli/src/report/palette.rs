//! Colours: one a family of strategies, told apart by the colour-blind too (Okabe & Ito 2008), and scales for heat maps.

use std::fmt;

use cl_strategies::Family;

/// Red, green and blue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Colour(pub u8, pub u8, pub u8);

impl fmt::Display for Colour {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(r, g, b) = self;
        write!(f, "#{r:02x}{g:02x}{b:02x}")
    }
}

/// A colour, or the ink that texts have, more or less opaque.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Paint {
    /// None: the ink.
    pub colour: Option<Colour>,
    /// From 0, invisible, to 1.
    pub opacity: f64,
}

impl Paint {
    /// The ink of texts.
    pub(super) const INK: Self = Self { colour: None, opacity: 1.0 };

    /// The same with a part of its opacity.
    pub(super) fn faint(self, share: f64) -> Self {
        Self { opacity: self.opacity * share, ..self }
    }
}

impl From<Colour> for Paint {
    fn from(colour: Colour) -> Self {
        Self { colour: Some(colour), opacity: 1.0 }
    }
}

/// The paint of a family of strategies, the same in every report. Bounds have the ink of texts.
pub(super) fn family(family: Family) -> Paint {
    match family {
        Family::Bound => return Paint::INK,
        Family::Baseline => Colour(213, 94, 0),
        Family::Rehearsal => Colour(0, 158, 115),
        Family::Generative => Colour(86, 148, 233),
        Family::Penalty => Colour(204, 121, 167),
        Family::Gradient => Colour(230, 159, 0),
        Family::Parameters => Colour(0, 114, 178),
        Family::Other => Colour(140, 140, 20),
    }
    .into()
}

/// Two colours for lines that are of no strategy.
pub(super) const PAIR: [Colour; 2] = [Colour(0, 114, 178), Colour(213, 94, 0)];

/// From pale (0) to deep (1), in steps of lightness.
pub(super) fn sequential(share: f64) -> Colour {
    between(&[(255, 247, 220), (253, 187, 99), (227, 91, 60), (139, 18, 72), (58, 6, 60)], share)
}

/// From blue (-1) through near white (0) to red (1).
pub(super) fn diverging(share: f64) -> Colour {
    between(
        &[(33, 102, 172), (146, 197, 222), (247, 247, 247), (244, 165, 130), (178, 24, 43)],
        f64::midpoint(share, 1.0),
    )
}

/// As [`diverging`], with blue for what is above 0: of two tasks that agree.
pub(super) fn diverging_blue_is_more(share: f64) -> Colour {
    diverging(-share)
}

fn between(stops: &[(u8, u8, u8)], share: f64) -> Colour {
    let position = share.clamp(0.0, 1.0) * (stops.len() - 1) as f64;
    let i = (position as usize).min(stops.len() - 2);
    let (a, b, t) = (stops[i], stops[i + 1], position - i as f64);
    let mix = |x: u8, y: u8| (f64::from(x) + (f64::from(y) - f64::from(x)) * t).round() as u8;
    Colour(mix(a.0, b.0), mix(a.1, b.1), mix(a.2, b.2))
}

/// Ink that can be read on a colour.
pub(super) fn ink_on(Colour(r, g, b): Colour) -> Colour {
    let lightness = 0.299 * f64::from(r) + 0.587 * f64::from(g) + 0.114 * f64::from(b);
    if lightness > 140.0 { Colour(17, 17, 17) } else { Colour(250, 250, 250) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_two_families_share_a_colour() {
        for (i, a) in Family::ALL.into_iter().enumerate() {
            assert!(Family::ALL[..i].iter().all(|b| family(*b) != family(a)), "{a}");
        }
        assert_eq!(family(Family::Rehearsal).colour.unwrap().to_string(), "#009e73");
    }

    #[test]
    fn scales_run_from_end_to_end() {
        assert_eq!((sequential(-1.0), sequential(2.0)), (Colour(255, 247, 220), Colour(58, 6, 60)));
        assert_eq!((diverging(0.0), diverging(1.0)), (Colour(247, 247, 247), Colour(178, 24, 43)));
        assert_eq!(diverging_blue_is_more(1.0), diverging(-1.0));
        assert_eq!(
            (ink_on(sequential(0.0)), ink_on(sequential(1.0))),
            (Colour(17, 17, 17), Colour(250, 250, 250))
        );
    }
}
