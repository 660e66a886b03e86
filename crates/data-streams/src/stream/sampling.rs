//! Random samples of a fixed size with given inclusion probabilities: the pivotal method (Deville & Tillé 1998,
//! "Unequal probability sampling without replacement through a splitting method", section 4.3).

use rand::Rng;

/// Draws units, unit i with probability `p[i]`, above 0 and below 1, where the probabilities add up
/// to a whole number: exactly that many are.
///
/// Two undecided units at a time give each other probability until one of them is decided, at odds that leave the
/// expectation of both as it was.
pub(super) fn fixed_size_sample(mut p: Vec<f64>, rng: &mut impl Rng) -> Vec<bool> {
    let mut undecided = 0;
    for next in 1..p.len() {
        let (a, b) = (p[undecided], p[next]);
        // The chance that `next` stays undecided.
        let (stays, decided, left) = if a + b < 1.0 {
            (b / (a + b), 0.0, a + b)
        } else {
            ((1.0 - b) / (2.0 - a - b), 1.0, a + b - 1.0)
        };
        if rng.random::<f64>() < stays {
            (p[undecided], p[next]) = (decided, left);
            undecided = next;
        } else {
            (p[undecided], p[next]) = (left, decided);
        }
    }
    // The last is 0 or 1 but for rounding.
    p.into_iter().map(|p| p > 0.5).collect()
}

#[cfg(test)]
mod tests {
    use keyed_random::{Key, Purpose};

    use super::*;

    #[test]
    fn every_sample_has_its_size_and_every_unit_its_probability() {
        let p: Vec<f64> = (1..=20).map(|i| f64::from(i) / 21.0).collect();
        let mut counts = [0_u32; 20];
        let runs = 4000;
        for run in 0..runs {
            let key = Key::new(run, Purpose::tagged(*b"sampling"));
            let drawn = fixed_size_sample(p.clone(), &mut key.rng(0));
            assert_eq!(drawn.iter().filter(|&&d| d).count(), 10);
            counts.iter_mut().zip(drawn).for_each(|(count, drawn)| *count += u32::from(drawn));
        }
        for (count, p) in counts.into_iter().zip(p) {
            let (expected, deviation) = (runs as f64 * p, (runs as f64 * p * (1.0 - p)).sqrt());
            assert!((f64::from(count) - expected).abs() < 4.5 * deviation, "{count}, expected {expected}");
        }
    }
}
