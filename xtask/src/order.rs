//! Orders from a seed: SplitMix64 (Steele, Lea & Flood 2014) and the shuffle of Fisher and Yates.

/// The generator's state.
#[derive(Debug)]
pub(crate) struct Order(u64);

impl Order {
    /// Starts at a seed.
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// Brings items into a random order.
    pub(crate) fn shuffle<T>(&mut self, items: &mut [T]) {
        for end in (1..items.len()).rev() {
            items.swap(end, (self.next() % (end as u64 + 1)) as usize);
        }
    }

    /// The places of `n` of so many items, in ascending order, each set of places as likely as any other; all of them, where
    /// there are no more.
    pub(crate) fn draw(&mut self, items: usize, n: usize) -> Vec<usize> {
        let mut places: Vec<usize> = (0..items).collect();
        self.shuffle(&mut places);
        places.truncate(n);
        places.sort_unstable();
        places
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_has_one_order_and_orders_are_as_frequent_as_others() {
        let order = |seed| {
            let mut items = [0, 1, 2];
            Order::new(seed).shuffle(&mut items);
            items
        };
        assert_eq!(order(5), order(5));
        let mut counts = std::collections::BTreeMap::new();
        (0..6000).for_each(|seed| *counts.entry(order(seed)).or_insert(0) += 1);
        assert_eq!(counts.len(), 6);
        assert!(counts.values().all(|count| (900..1100).contains(count)), "{counts:?}");
    }
    /// SplitMix64 from 0: 0xe220a8397b1dcdaf is its first number (Vigna's `splitmix64.c`).
    #[test]
    fn the_generator_is_the_published_one() {
        let mut order = Order::new(0);
        assert_eq!((order.next(), order.next()), (0xe220_a839_7b1d_cdaf, 0x6e78_9e6a_a1b9_65f4));
    }

    /// Three of five places: ten sets, of 5000 draws each about 500 times.
    #[test]
    fn a_draw_has_each_place_once_and_every_set_as_often() {
        let draw = |seed| Order::new(seed).draw(5, 3);
        assert_eq!(draw(7), draw(7));
        let mut counts = std::collections::BTreeMap::new();
        (0..5000).for_each(|seed| *counts.entry(draw(seed)).or_insert(0) += 1);
        assert_eq!(counts.len(), 10);
        for (places, count) in &counts {
            assert!(places.is_sorted_by(|a, b| a < b) && places[2] < 5, "{places:?}");
            assert!((390..610).contains(count), "{places:?}: {count}");
        }
        assert_eq!((Order::new(1).draw(3, 9), Order::new(1).draw(3, 0)), (vec![0, 1, 2], vec![]));
    }
}
