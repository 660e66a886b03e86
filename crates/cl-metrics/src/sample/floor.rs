//! The floor of a metric: its value where real images stand for samples.
//!
//! A finite number of samples is at some distance even from its own distribution; a model cannot be expected below. As
//! many training images as there are samples, in the same shares of the classes, stand for them and are compared with
//! the same held-out images.
//!
//! Several such draws, in place of the samples after each task of a stream, are a model that has learned every task
//! and forgets nothing. Its forgetting is above 0 for noise alone (see [`forgetting`](crate::summary::forgetting)).

use std::collections::BTreeMap;

use data_streams::{ImageDataset, proportional_sequence};
use keyed_random::Key;
use rand::seq::SliceRandom;

/// Sets of training images that stand for samples.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Draws {
    /// The positions of each set among the training images, in the order in which samples are asked for.
    pub sets: Vec<Vec<usize>>,
    /// Whether sets may have images in common, since there are too few for sets that have none.
    pub overlap: bool,
}

/// Draws `count` sets of `n` images from `train`, with the classes in their shares of `real`; of fewer images, if a class
/// that is asked for has no more of them. Classes without training images are left out. The key decides which images of
/// a class are drawn.
pub fn draws(train: &ImageDataset, real: &ImageDataset, n: usize, count: usize, key: Key) -> Draws {
    let mut members: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
    (0..train.len()).for_each(|i| members.entry(train.label(i)).or_default().push(i));
    let weight = |(class, weight)| if members.contains_key(&class) { weight } else { 0 };
    let weights: Vec<usize> = real.counts_per_class().into_iter().enumerate().map(weight).collect();
    let mut shares: BTreeMap<usize, usize> = BTreeMap::new();
    let mut asked = Vec::new();
    for class in proportional_sequence(&weights, n) {
        let share = shares.entry(class).or_default();
        if *share == members[&class].len() {
            break;
        }
        *share += 1;
        asked.push(class);
    }
    let overlap = shares.iter().any(|(class, share)| share * count > members[class].len());
    let sets = (0..count).map(|set| {
        let mut drawn: BTreeMap<usize, std::vec::IntoIter<usize>> = shares
            .iter()
            .map(|(class, &share)| (*class, nth_set(&members[class], share, set, count, *class, key)))
            .map(|(class, positions)| (class, positions.into_iter()))
            .collect();
        asked.iter().filter_map(|class| drawn.get_mut(class)?.next()).collect()
    });
    Draws { sets: sets.collect(), overlap }
}

/// `share` images of a class for one of `count` sets: a stretch of one shuffled order where that is long enough for all,
/// else the beginning of an order of their own.
fn nth_set(members: &[usize], share: usize, set: usize, count: usize, class: usize, key: Key) -> Vec<usize> {
    let mut order = members.to_vec();
    let disjoint = share * count <= order.len();
    let key = if disjoint { key } else { key.step(1 + set) };
    order.shuffle(&mut key.rng(class as u64));
    let first = if disjoint { set * share } else { 0 };
    order[first..first + share].to_vec()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use data_streams::ImageShape;
    use keyed_random::Purpose;

    use super::*;

    const KEY: Key = Key::new(0, Purpose::named("test of the floor"));

    fn images(labels: Vec<usize>) -> ImageDataset {
        let shape = ImageShape { channels: 1, height: 1, width: 1 };
        let names = (0..4).map(|class| class.to_string()).collect();
        ImageDataset::new("test", shape, names, vec![0; labels.len()], labels).unwrap()
    }

    fn counts(data: &ImageDataset, set: &[usize]) -> Vec<usize> {
        data.select(set).counts_per_class()
    }

    /// Classes in turn, in blocks, and in pairs; held-out images of which the first class has twice as many.
    #[test]
    fn sets_have_the_shares_of_the_held_out_images_whatever_the_order() {
        let orders: [fn(usize) -> usize; 3] = [|i| i % 4, |i| i / 100, |i| (i / 2) % 4];
        for order in orders {
            let train = images((0..400).map(order).collect());
            let real = images([0, 0, 1, 2, 3].repeat(7));
            let Draws { sets, overlap } = draws(&train, &real, 50, 3, KEY);
            assert!(!overlap && sets.len() == 3);
            assert!(sets.iter().all(|set| counts(&train, set) == [20, 10, 10, 10]));
            // Any number of first images shows the classes, as samples do.
            assert!(sets.iter().all(|set| counts(&train, &set[..10]) == [4, 2, 2, 2]));
            let all: BTreeSet<usize> = sets.iter().flatten().copied().collect();
            assert_eq!(all.len(), 150, "the sets are disjoint");
        }
    }

    #[test]
    fn too_few_images_for_disjoint_sets_are_told() {
        let train = images((0..40).map(|i| i % 4).collect());
        let real = images(vec![0, 1, 2, 3]);
        let Draws { sets, overlap } = draws(&train, &real, 24, 3, KEY);
        assert!(overlap && sets.iter().all(|set| counts(&train, set) == [6; 4]));
        // Each set has an image once, and sets are not the same.
        assert!(sets.iter().all(|set| set.iter().collect::<BTreeSet<_>>().len() == 24));
        assert_ne!(sets[0].iter().collect::<BTreeSet<_>>(), sets[1].iter().collect::<BTreeSet<_>>());
    }

    #[test]
    fn n_is_smaller_where_a_class_has_too_few_images() {
        // Ten of the first class, three of the second.
        let train = images([vec![0; 10], vec![1; 3]].concat());
        let real = images(vec![0, 1]);
        let Draws { sets, .. } = draws(&train, &real, 12, 1, KEY);
        assert_eq!(counts(&train, &sets[0]), [4, 3, 0, 0]);
        // A class without training images is left out; without any, nothing is drawn.
        let sets = draws(&train, &images(vec![0, 3]), 4, 1, KEY).sets;
        assert_eq!(counts(&train, &sets[0]), [4, 0, 0, 0]);
        assert_eq!(draws(&train, &images(vec![3]), 4, 2, KEY).sets, [[0_usize; 0]; 2]);
    }

    #[test]
    fn the_key_decides() {
        let train = images((0..40).map(|i| i % 4).collect());
        let of = |key| draws(&train, &images(vec![0, 1, 2, 3]), 8, 2, key);
        assert_eq!(of(KEY), of(KEY));
        assert_ne!(of(KEY), of(KEY.experience(1)));
    }
}
