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

impl ImageDataset {
    /// The positions, in rising order, of `n` images with every class in its share ([`apportion`]), or of all images.
    /// Which images of a class these are, the key decides; with a larger `n`, a class that has a larger share keeps
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

    #[test]
    fn the_key_decides_and_smaller_subsets_are_parts_of_larger_ones() {
        let data = images((0..60).map(|i| i % 3).collect(), 3);
        let (small, large) = (data.stratified(12, KEY), data.stratified(30, KEY));
        assert_eq!(small, data.stratified(12, KEY));
        assert_ne!(small, data.stratified(12, KEY.step(1)));
        assert!(small.iter().all(|i| large.contains(i)));
    }
}
