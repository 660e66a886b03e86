//! The floor of a metric: what it is between real images and other real images.
//!
//! A finite number of samples is at some distance even from its own distribution; a model cannot be expected below.

use std::collections::BTreeMap;

/// Two disjoint sets of positions among real images of these classes: the rest, and `n` to stand for samples or, where
/// there are not enough for both, half of all. Both have the classes in the same proportions, as far as numbers allow.
pub fn halves(labels: &[usize], n: usize) -> (Vec<usize>, Vec<usize>) {
    let total = labels.len();
    let n = n.min(total / 2);
    // Class after class, whatever order the images come in; then every (total / n)-th of them.
    let mut members: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
    for (i, label) in labels.iter().enumerate() {
        members.entry(*label).or_default().push(i);
    }
    let chosen = |place: usize| n > 0 && (place * n) / total != ((place + 1) * n) / total;
    let (mut rest, mut samples) = (Vec::with_capacity(total - n), Vec::with_capacity(n));
    for (place, i) in members.into_values().flatten().enumerate() {
        if chosen(place) { samples.push(i) } else { rest.push(i) }
    }
    (rest, samples)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_halves_are_disjoint_and_of_the_asked_size() {
        for (n, expected) in [(3, 3), (5, 5), (100, 5), (0, 0)] {
            let (rest, samples) = halves(&[0; 10], n);
            assert_eq!(samples.len(), expected);
            let both: std::collections::BTreeSet<usize> = rest.into_iter().chain(samples).collect();
            assert_eq!(both, (0..10).collect());
        }
        assert_eq!(halves(&[], 5), (Vec::new(), Vec::new()));
    }

    /// Images whose classes alternate, as those of a data set that is drawn class by class in turn, and in blocks.
    #[test]
    fn both_halves_have_every_class_in_its_proportion() {
        let orders: [fn(usize) -> usize; 3] = [|i| i % 2, |i| i / 50, |i| i % 5];
        for class in orders {
            let labels: Vec<usize> = (0..100).map(class).collect();
            let (rest, samples) = halves(&labels, 50);
            let count = |of: &[usize], class| of.iter().filter(|&&i| labels[i] == class).count();
            for class in 0..*labels.iter().max().unwrap() {
                assert_eq!(count(&rest, class), count(&samples, class));
            }
        }
    }
}
