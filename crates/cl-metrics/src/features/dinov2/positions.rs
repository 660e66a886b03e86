//! Embeddings of positions on another grid than they were learned on.
//!
//! The published code calls `torch.nn.functional.interpolate(mode="bicubic")` with the factor (grid + 0.1) / learned grid: the
//! 0.1 keeps a size from being rounded down, and shifts every place by a little, which the weights are used with
//! everywhere. PyTorch's bicubic kernel has a = -0.75 and does not smooth when a map shrinks.

/// PyTorch's constant of the cubic kernel (Keys 1981).
const A: f64 = -0.75;
/// The published code's addition to the grid.
const OFFSET: f64 = 0.1;

/// The second of the four learned places that make a place, and the weights of the four.
struct Taps {
    second: isize,
    weights: [f64; 4],
}

fn taps(i: usize, from: usize, to: usize) -> Taps {
    let step = from as f64 / (to as f64 + OFFSET);
    let at = step * (i as f64 + 0.5) - 0.5;
    let (second, t) = (at.floor(), at - at.floor());
    let near = |x: f64| ((A + 2.0) * x - (A + 3.0)) * x * x + 1.0;
    let far = |x: f64| ((A * x - 5.0 * A) * x + 8.0 * A) * x - 4.0 * A;
    Taps { second: second as isize, weights: [far(t + 1.0), near(t), near(1.0 - t), far(2.0 - t)] }
}

/// Embeddings on a grid of `to` x `to` places of those on `from` x `from`, row after row, each of `width` numbers.
///
/// # Panics
/// If there are not `from * from * width` numbers.
pub(super) fn interpolate(learned: &[f32], from: usize, to: usize, width: usize) -> Vec<f32> {
    assert_eq!(learned.len(), from * from * width, "embeddings of another grid");
    if from == to {
        return learned.to_vec();
    }
    let all: Vec<Taps> = (0..to).map(|i| taps(i, from, to)).collect();
    let place = |taps: &Taps, k: usize| (taps.second + k as isize - 1).clamp(0, from as isize - 1) as usize;
    let mut values = Vec::with_capacity(to * to * width);
    for rows in &all {
        for columns in &all {
            let mut sum = vec![0.0; width];
            for (r, c) in (0..4).flat_map(|r| (0..4).map(move |c| (r, c))) {
                let weight = rows.weights[r] * columns.weights[c];
                let first = (place(rows, r) * from + place(columns, c)) * width;
                sum.iter_mut().zip(&learned[first..]).for_each(|(sum, &x)| *sum += weight * f64::from(x));
            }
            values.extend(sum.into_iter().map(|x| x as f32));
        }
    }
    values
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_weights_add_up_and_a_grid_of_the_same_size_is_left_alone() {
        for i in 0..16 {
            assert!((taps(i, 37, 16).weights.iter().sum::<f64>() - 1.0).abs() < 1e-12);
        }
        // 37 / 16.1 * 0.5 - 0.5 = 0.649: between the first and the second place.
        assert_eq!(taps(0, 37, 16).second, 0);
        let learned: Vec<f32> = (0..18).map(|i| i as f32).collect();
        assert_eq!(interpolate(&learned, 3, 3, 2), learned);
        assert!(interpolate(&[2.5; 25], 5, 3, 1).iter().all(|x| (x - 2.5).abs() < 1e-6));
    }
}
