//! The floor of a metric: what it is between real images and other real images.
//!
//! A finite number of samples is at some distance even from its own distribution; a model cannot be expected below.

/// Two disjoint sets of positions among `total` real images: the rest, and `n` to stand for samples or, where there are
/// not enough for both, half of all.
pub fn halves(total: usize, n: usize) -> (Vec<usize>, Vec<usize>) {
    let n = n.min(total / 2);
    // Every (total / n)-th image, so that both sets have the classes in the same proportions.
    let chosen = |i: &usize| n > 0 && (i * n) / total != ((i + 1) * n) / total;
    let (samples, rest) = (0..total).partition(chosen);
    (rest, samples)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_halves_are_disjoint_and_of_the_asked_size() {
        for (n, expected) in [(3, 3), (5, 5), (100, 5), (0, 0)] {
            let (rest, samples) = halves(10, n);
            assert_eq!(samples.len(), expected);
            let both: std::collections::BTreeSet<usize> = rest.into_iter().chain(samples).collect();
            assert_eq!(both, (0..10).collect());
        }
        assert_eq!(halves(0, 5), (Vec::new(), Vec::new()));
    }
}
