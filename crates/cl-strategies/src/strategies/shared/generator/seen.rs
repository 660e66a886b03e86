//! The conditions that a teacher can be asked for, each as often as it occurred in the data of all past experiences.
//!
//! Classes that an experience has few images of, as in a blurry stream, are asked for as seldom as they occurred.

use std::collections::BTreeMap;

use data_streams::ImageDataset;
use ddpm_core::noise::{Key, Purpose};
use rand::Rng;
use serde::{Deserialize, Serialize};

use crate::ConditionOn;

const LABELS: Purpose = Purpose::named("labels of generated images");

/// Images of each condition in all past experiences.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Seen(BTreeMap<usize, u64>);

impl Seen {
    /// Counts the images of another experience: their tasks where the model is told these, else their classes.
    pub fn count(&mut self, condition_on: ConditionOn, data: &ImageDataset) {
        let conditions = match condition_on {
            ConditionOn::Task => data.tasks(),
            ConditionOn::Class | ConditionOn::None => data.labels(),
        };
        for condition in conditions {
            *self.0.entry(condition).or_default() += 1;
        }
    }

    /// Whether there is nothing to ask for.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Drops some conditions.
    pub fn forget(&mut self, conditions: &[usize]) {
        self.0.retain(|condition, _| !conditions.contains(condition));
    }

    /// `n` conditions in proportion to how often they occurred; the i-th is the i-th draw of `key`.
    pub fn draw(&self, n: usize, key: Key) -> Vec<usize> {
        let (total, key) = (self.0.values().sum::<u64>(), key.within(LABELS));
        let draw = |i: usize| {
            let mut left = key.rng(i as u64).random_range(0..total);
            let found = self.0.iter().find(|(_, count)| {
                let here = left < **count;
                left = left.saturating_sub(**count);
                here
            });
            *found.expect("a draw below the total").0
        };
        (0..n).map(draw).collect()
    }
}

#[cfg(test)]
mod tests {
    use data_streams::ImageShape;

    use super::*;

    fn data(labels: Vec<usize>, tasks: &[usize]) -> ImageDataset {
        let shape = ImageShape { channels: 1, height: 1, width: 1 };
        let names = (0..5).map(|i| i.to_string()).collect();
        let pixels = vec![0; labels.len()];
        ImageDataset::new("labels", shape, names, pixels, labels).unwrap().with_tasks(tasks)
    }

    /// 6 images of class 1, then 3 of class 4 and 1 of class 1; class 0, 2 and 3 never.
    #[test]
    fn classes_are_asked_for_as_they_occurred_minor_ones_included() {
        let (first, second) = (data(vec![1; 6], &[0; 6]), data(vec![4, 4, 1, 4], &[0, 1, 1, 1]));
        let key = Key::new(7, Purpose::named("seen"));
        let shares = |condition_on| {
            let mut seen = Seen::default();
            seen.count(condition_on, &first);
            seen.count(condition_on, &second);
            let drawn = seen.draw(10_000, key);
            assert_eq!(seen.draw(10_000, key), drawn);
            assert_ne!(seen.draw(10_000, Key::new(8, Purpose::named("seen"))), drawn);
            [0, 1, 2, 3, 4].map(|class| drawn.iter().filter(|drawn| **drawn == class).count())
        };
        // Binomials: five standard deviations are 230.
        for condition_on in [ConditionOn::Class, ConditionOn::None] {
            let [never, often, none, nor, seldom] = shares(condition_on);
            assert_eq!((never, none, nor), (0, 0, 0));
            assert!(often.abs_diff(7000) < 230 && seldom.abs_diff(3000) < 230, "{often} and {seldom}");
        }
        let [first, second, ..] = shares(ConditionOn::Task);
        assert!(first.abs_diff(7000) < 230 && second.abs_diff(3000) < 230, "{first} and {second}");
    }
}
