//! The transformations of images, each a pure function of the pixels.

use keyed_random::{Key, Purpose};
use rand::seq::SliceRandom;

use super::Domain;
use crate::ImageShape;

const PERMUTING: Purpose = Purpose::tagged(*b"permuted");

/// A transformation of images of one shape, with what is the same for all of them worked out.
#[derive(Debug)]
pub(super) struct Transform {
    kind: Kind,
    shape: ImageShape,
}

#[derive(Debug)]
enum Kind {
    Identity,
    /// Cosine and sine of the angle.
    Rotation(f64, f64),
    Inversion,
    /// The weights from the centre outwards.
    Blur(Vec<f64>),
    Contrast(f64),
    /// Where each pixel comes from.
    Permutation(Vec<usize>),
}

impl Transform {
    pub(super) fn new(domain: &Domain, shape: ImageShape) -> Self {
        let kind = match *domain {
            Domain::Identity => Kind::Identity,
            Domain::Rotation { degrees } => Kind::Rotation(cosine(degrees), cosine(degrees - 90.0)),
            Domain::Inversion => Kind::Inversion,
            Domain::Blur { sigma } => Kind::Blur(gaussian(sigma)),
            Domain::Contrast { factor } => Kind::Contrast(factor),
            Domain::Permutation { seed } => {
                let mut order: Vec<usize> = (0..shape.height * shape.width).collect();
                order.shuffle(&mut Key::new(seed, PERMUTING).rng(0));
                Kind::Permutation(order)
            }
        };
        Self { kind, shape }
    }

    /// Transforms an image, channel after channel.
    pub(super) fn apply(&self, from: &[u8], to: &mut [u8]) {
        let plane = self.shape.height * self.shape.width;
        for (from, to) in from.chunks_exact(plane).zip(to.chunks_exact_mut(plane)) {
            match &self.kind {
                Kind::Identity => to.copy_from_slice(from),
                Kind::Rotation(cos, sin) => self.rotate(from, to, *cos, *sin),
                Kind::Inversion => to.iter_mut().zip(from).for_each(|(to, &from)| *to = 255 - from),
                Kind::Blur(weights) => self.blur(from, to, weights),
                Kind::Contrast(factor) => contrast(from, to, *factor),
                Kind::Permutation(order) => to.iter_mut().zip(order).for_each(|(to, &i)| *to = from[i]),
            }
        }
    }

    /// Every pixel is looked up where it was before the turn. The frame stays as it is: of a rectangle, a part may leave it,
    /// and what comes in is zero.
    fn rotate(&self, from: &[u8], to: &mut [u8], cos: f64, sin: f64) {
        let (height, width) = (self.shape.height, self.shape.width);
        let (cy, cx) = ((height as f64 - 1.0) / 2.0, (width as f64 - 1.0) / 2.0);
        let pixel = |y: i64, x: i64| {
            let inside = (0..height as i64).contains(&y) && (0..width as i64).contains(&x);
            if inside { f64::from(from[y as usize * width + x as usize]) } else { 0.0 }
        };
        for (i, to) in to.iter_mut().enumerate() {
            let (dy, dx) = ((i / width) as f64 - cy, (i % width) as f64 - cx);
            // Rows count downwards, so that this turns counterclockwise to the eye.
            let (y, x) = (cy + sin * dx + cos * dy, cx + cos * dx - sin * dy);
            let (top, left) = (y.floor(), x.floor());
            let (fy, fx) = (y - top, x - left);
            let (top, left) = (top as i64, left as i64);
            let upper = (1.0 - fx) * pixel(top, left) + fx * pixel(top, left + 1);
            let lower = (1.0 - fx) * pixel(top + 1, left) + fx * pixel(top + 1, left + 1);
            *to = to_byte((1.0 - fy) * upper + fy * lower);
        }
    }

    /// Rows, then columns; beyond an edge its pixel is repeated.
    fn blur(&self, from: &[u8], to: &mut [u8], weights: &[f64]) {
        let (height, width) = (self.shape.height, self.shape.width);
        let around = |at: usize, n: usize, value: &dyn Fn(usize) -> f64| {
            let side = |d: usize| value(at.saturating_sub(d)) + value((at + d).min(n - 1));
            let sides: f64 = weights.iter().enumerate().skip(1).map(|(d, w)| w * side(d)).sum();
            weights[0] * value(at) + sides
        };
        let rows: Vec<f64> = (0..from.len())
            .map(|i| around(i % width, width, &|x| f64::from(from[i / width * width + x])))
            .collect();
        for (i, to) in to.iter_mut().enumerate() {
            *to = to_byte(around(i / width, height, &|y| rows[y * width + i % width]));
        }
    }
}

/// Exact at multiples of 90 degrees, so that a quarter turn moves pixels and mixes none.
fn cosine(degrees: f64) -> f64 {
    match degrees.rem_euclid(360.0) {
        0.0 => 1.0,
        90.0 | 270.0 => 0.0,
        180.0 => -1.0,
        other => other.to_radians().cos(),
    }
}

/// The weights of a Gaussian up to four standard deviations, which add up to 1 on both sides together.
fn gaussian(sigma: f64) -> Vec<f64> {
    let reach = (4.0 * sigma).ceil() as usize;
    let weights: Vec<f64> =
        (0..=reach).map(|d| (-(d as f64).powi(2) / (2.0 * sigma * sigma)).exp()).collect();
    let sum = 2.0 * weights.iter().sum::<f64>() - weights[0];
    weights.into_iter().map(|weight| weight / sum).collect()
}

fn contrast(from: &[u8], to: &mut [u8], factor: f64) {
    let mean = from.iter().map(|&p| f64::from(p)).sum::<f64>() / from.len() as f64;
    to.iter_mut().zip(from).for_each(|(to, &p)| *to = to_byte(mean + factor * (f64::from(p) - mean)));
}

/// Rounded; `as u8` saturates.
fn to_byte(value: f64) -> u8 {
    value.round() as u8
}

#[cfg(test)]
mod tests {
    use super::*;

    fn apply(domain: Domain, height: usize, width: usize, from: &[u8]) -> Vec<u8> {
        let shape = ImageShape { channels: from.len() / (height * width), height, width };
        let mut to = vec![0; from.len()];
        Transform::new(&domain, shape).apply(from, &mut to);
        to
    }

    #[test]
    fn quarter_turns_are_exact_and_counterclockwise() {
        let turn = |degrees| apply(Domain::Rotation { degrees }, 3, 3, &[1, 2, 3, 4, 5, 6, 7, 8, 9]);
        assert_eq!(turn(90.0), [3, 6, 9, 2, 5, 8, 1, 4, 7]);
        assert_eq!(turn(180.0), [9, 8, 7, 6, 5, 4, 3, 2, 1]);
        assert_eq!(turn(-90.0), turn(270.0));
        assert_eq!(turn(360.0), [1, 2, 3, 4, 5, 6, 7, 8, 9]);
    }

    /// 1 2 3 4 over 5 6 7 8, upright: 4 8, 3 7, 2 6, 1 5, of which the two middle rows are in the frame.
    #[test]
    fn a_quarter_turn_of_a_rectangle_keeps_the_frame() {
        let turn = |degrees| apply(Domain::Rotation { degrees }, 2, 4, &[1, 2, 3, 4, 5, 6, 7, 8]);
        assert_eq!(turn(90.0), [0, 3, 7, 0, 0, 2, 6, 0]);
        assert_eq!(turn(180.0), [8, 7, 6, 5, 4, 3, 2, 1]);
        assert_eq!(apply(Domain::Blur { sigma: 0.7 }, 2, 4, &[9; 16]), [9; 16]);
    }

    #[test]
    fn an_eighth_turn_moves_a_side_to_a_corner() {
        // A bright pixel right of the centre; 45 degrees later it is above right.
        let mut from = vec![0; 25];
        from[12 + 2] = 200;
        let turned = apply(Domain::Rotation { degrees: 45.0 }, 5, 5, &from);
        let brightest = (0..25).max_by_key(|&i| turned[i]).unwrap();
        assert_eq!(brightest, 5 + 3, "{turned:?}");
        assert_eq!(apply(Domain::Rotation { degrees: 45.0 }, 5, 5, &[0; 25]), [0; 25]);
    }

    #[test]
    fn a_blur_keeps_what_is_constant_and_spreads_a_point_as_a_gaussian() {
        assert_eq!(apply(Domain::Blur { sigma: 1.3 }, 4, 3, &[77; 36]), [77; 36]);
        let mut point = vec![0; 21 * 21];
        point[10 * 21 + 10] = 255;
        let blurred = apply(Domain::Blur { sigma: 1.0 }, 21, 21, &point);
        // 255 / (2 pi) at the centre, e^(-1/2) of it beside; the discrete sum differs by less than rounding.
        assert_eq!(blurred[10 * 21 + 10], 41);
        assert_eq!(blurred[10 * 21 + 11], 25);
        assert_eq!(blurred[9 * 21 + 10], 25);
    }

    #[test]
    fn contrast_scales_distances_from_the_mean_of_a_channel() {
        let half = apply(Domain::Contrast { factor: 0.5 }, 1, 2, &[0, 100, 200, 220]);
        assert_eq!(half, [25, 75, 205, 215]);
        assert_eq!(apply(Domain::Contrast { factor: 0.0 }, 1, 2, &[0, 100]), [50, 50]);
        assert_eq!(apply(Domain::Contrast { factor: 9.0 }, 1, 2, &[100, 200]), [0, 255]);
    }

    #[test]
    fn a_permutation_is_the_same_for_all_images_and_channels() {
        let ordered: Vec<u8> = (0..16).chain(0..16).collect();
        let permuted = apply(Domain::Permutation { seed: 4 }, 4, 4, &ordered);
        assert_eq!(permuted[..16], permuted[16..]);
        assert_ne!(permuted, ordered);
        let mut sorted = permuted[..16].to_vec();
        sorted.sort_unstable();
        assert_eq!(sorted, ordered[..16]);
        assert_ne!(apply(Domain::Permutation { seed: 5 }, 4, 4, &ordered), permuted);
    }
}
