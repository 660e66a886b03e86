//! Subsets in which every class has its share (proportional allocation; Cochran 1977, chapter 5).
//!
//! Images often come in an order that has to do with their classes: alternating, or class after class. Every n-th of
//! them may miss classes altogether. A stratified subset depends on no order but that of the images of one class, and
//! draws from these with a key.

use keyed_random::Key;
use rand::seq::SliceRandom;

use super::ImageDataset;

/// Shares `n` out in proportion to `weights`: whole numbers with the sum `n`, by the largest remainders (Hamilton's
/// method; ties go to the first). With `n` large enough, every positive weight gets at least 1. All are 0 where no
/// weight is positive.
pub fn apportion(weights: &[usize], n: usize) -> Vec<usize> {
    let total: u128 = weights.iter().map(|&weight| weight as u128).sum();
    if total == 0 {
        return vec![0; weights.len()];
    }
    let scaled = |i: usize| weights[i] as u128 * n as u128;
    let mut shares: Vec<usize> = (0..weights.len()).map(|i| (scaled(i) / total) as usize).collect();
    let mut order: Vec<usize> = (0..weights.len()).collect();
    order.sort_by_key(|&i| std::cmp::Reverse(scaled(i) % total));
    let left = n - shares.iter().sum::<usize>();
    order.iter().take(left).for_each(|&i| shares[i] += 1);
    while let Some(empty) = (0..weights.len()).find(|&i| weights[i] > 0 && shares[i] == 0) {
        // The first of the largest shares gives one away.
        let Some(largest) = (0..shares.len()).rev().max_by_key(|&i| shares[i]).filter(|&i| shares[i] > 1)
        else {
            break;
        };
        shares[largest] -= 1;
        shares[empty] += 1;
    }
    shares
}

/// `n` classes in a row, so that the first m have every class in its share, for any m: each class of a positive weight
/// once, in their order, and then again and again the class with the greatest w / sqrt(i (i + 1)), i being how often it
/// has come (equal proportions, the method of Huntington and Hill; Balinski & Young 2001). Where the shares of n are
/// whole numbers, they are kept to the number. Empty where no weight is positive.
pub fn proportional_sequence(weights: &[usize], n: usize) -> Vec<usize> {
    if weights.iter().all(|&weight| weight == 0) {
        return Vec::new();
    }
    let mut came = vec![0_u32; weights.len()];
    let mut sequence = Vec::with_capacity(n);
    for _ in 0..n {
        let priority = |i: usize| {
            let i_came = f64::from(came[i]);
            // Infinite at first; below 0 for a class that never comes.
            if weights[i] == 0 { -1.0 } else { weights[i] as f64 / (i_came * (i_came + 1.0)).sqrt() }
        };
        // The first of the greatest.
        let next = (0..weights.len()).rev().max_by(|&a, &b| priority(a).total_cmp(&priority(b)));
        let Some(next) = next else { break };
        came[next] += 1;
        sequence.push(next);
    }
    sequence
}

impl ImageDataset {
    /// The positions, in rising order, of `n` images with every class in its share ([`apportion`]), or of all images.
    /// The key decides which images of a class are chosen; with a larger `n`, a class that has a larger share keeps
    /// the images it had.
    pub fn stratified(&self, n: usize, key: Key) -> Vec<usize> {
        if n >= self.len() {
            return (0..self.len()).collect();
        }
        let shares = apportion(&self.counts_per_class(), n);
        let mut members = vec![Vec::new(); shares.len()];
        (0..self.len()).for_each(|i| members[self.label(i)].push(i));
        let chosen = members.into_iter().zip(shares).enumerate().flat_map(|(class, (mut members, share))| {
            members.shuffle(&mut key.rng(class as u64));
            members.truncate(share);
            members
        });
        let mut chosen: Vec<usize> = chosen.collect();
        chosen.sort_unstable();
        chosen
    }
}

#[cfg(test)]
mod tests {
    use keyed_random::Purpose;

    use super::*;
    use crate::ImageShape;

    const KEY: Key = Key::new(1, Purpose::named("stratified"));

    fn images(labels: Vec<usize>, classes: usize) -> ImageDataset {
        let shape = ImageShape { channels: 1, height: 1, width: 1 };
        let names = (0..classes).map(|class| class.to_string()).collect();
        ImageDataset::new("test", shape, names, vec![0; labels.len()], labels).unwrap()
    }

    #[test]
    fn shares_are_proportional_and_add_up() {
        assert_eq!(apportion(&[5, 2, 3], 10), [5, 2, 3]);
        // Quotas 1.5, 0.6 and 0.9 of 3: one each.
        assert_eq!(apportion(&[5, 2, 3], 3), [1, 1, 1]);
        // 3.33 each: the first gets the one that is left.
        assert_eq!(apportion(&[1, 1, 1], 10), [4, 3, 3]);
        // Quotas 9.9 and 0.1: both classes are there.
        assert_eq!(apportion(&[99, 1], 10), [9, 1]);
        assert_eq!(apportion(&[4, 0, 4], 3), [2, 0, 1]);
        // Fewer than classes: not all can be there.
        assert_eq!(apportion(&[1, 1, 1], 2), [1, 1, 0]);
        assert_eq!(apportion(&[0, 0], 5), [0, 0]);
        assert_eq!(apportion(&[usize::MAX, usize::MAX], 4), [2, 2]);
    }

    fn shares(weights: &[usize], n: usize) -> Vec<usize> {
        let sequence = proportional_sequence(weights, n);
        (0..weights.len()).map(|class| sequence.iter().filter(|&&c| c == class).count()).collect()
    }

    #[test]
    fn every_beginning_of_a_sequence_has_the_classes_in_their_shares() {
        assert_eq!(proportional_sequence(&[7, 7, 7], 7), [0, 1, 2, 0, 1, 2, 0]);
        // After one each: 3 / sqrt(2), then 3 / sqrt(6) = 1.22 against 1 / sqrt(2) = 0.71; then 3 / sqrt(12) = 0.87.
        assert_eq!(proportional_sequence(&[3, 0, 1], 8), [0, 2, 0, 0, 0, 2, 0, 0]);
        for (weights, n) in [(vec![5, 2, 3], 40), (vec![10, 10, 2], 66), (vec![980, 1135, 1032], 3147)] {
            let total: usize = weights.iter().sum();
            let expected: Vec<usize> = weights.iter().map(|w| w * n / total).collect();
            assert_eq!(shares(&weights, n), expected);
        }
        // A class is there however small its share.
        assert_eq!(shares(&[99, 1], 10), [9, 1]);
        assert_eq!(proportional_sequence(&[4, 4, 4], 2), [0, 1]);
        assert_eq!(proportional_sequence(&[0, 0], 5), [0_usize; 0]);
        let long = proportional_sequence(&[6, 1, 9], 50);
        assert!((0..50).all(|m| proportional_sequence(&[6, 1, 9], m) == long[..m]));
    }

    /// Of images whose classes come in turn, every second has two classes of four.
    #[test]
    fn no_order_of_the_images_hides_a_class() {
        for order in [|i: usize| i % 4, |i| i / 25, |i| (i / 2) % 4] {
            let data = images((0..100).map(order).collect(), 4);
            let chosen = data.stratified(50, KEY);
            let counts = data.select(&chosen).counts_per_class();
            assert!(counts.iter().all(|&count| count == 12 || count == 13), "{counts:?}");
            assert!(chosen.windows(2).all(|pair| pair[0] < pair[1]));
        }
        let data = images((0..10).map(|i| i % 5).collect(), 5);
        assert_eq!(data.stratified(5, KEY).len(), 5);
        assert_eq!(data.select(&data.stratified(5, KEY)).counts_per_class(), [1; 5]);
        assert_eq!(data.stratified(20, KEY), (0..10).collect::<Vec<_>>());
    }

    /// `configs/smoke.toml`: 16 of the 200 images of a task, whose five classes come in turn. The images
    /// at i * 200 / 16 are of two classes.
    #[test]
    fn the_measured_images_of_the_smallest_configuration_have_all_classes() {
        use crate::{ClassIncremental, StreamBuilder, dataset::glyphs::GlyphsConfig};
        let data =
            GlyphsConfig { size: 8.into(), train_per_class: 60, eval_per_class: 40, ..Default::default() };
        let stream = ClassIncremental { experiences: 2, ..Default::default() };
        let stream = stream.build(data.build().unwrap()).unwrap();
        for (j, eval) in stream.experiences().iter().map(|e| &e.eval).enumerate() {
            let classes = |positions: &[usize]| {
                eval.select(positions).counts_per_class().into_iter().filter(|&n| n > 0).collect::<Vec<_>>()
            };
            assert_eq!(classes(&(0..16).map(|i| i * 200 / 16).collect::<Vec<_>>()).len(), 2);
            let stratified = classes(&eval.stratified(16, KEY.experience(j)));
            assert!(
                stratified.len() == 5 && stratified.iter().all(|n| (3..=4).contains(n)),
                "{stratified:?}"
            );
        }
    }

    #[test]
    fn the_key_decides_and_smaller_subsets_are_parts_of_larger_ones() {
        let data = images((0..60).map(|i| i % 3).collect(), 3);
        let (small, large) = (data.stratified(12, KEY), data.stratified(30, KEY));
        assert_eq!(small, data.stratified(12, KEY));
        assert_ne!(small, data.stratified(12, KEY.step(1)));
        assert!(small.iter().all(|i| large.contains(i)));
    }
}
