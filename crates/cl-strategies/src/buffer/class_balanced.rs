//! The same number of images of every class, chosen at random (Prabhu et al. 2020). Where a class comes again, those stored are
//! a fair draw from all of its images so far (as Chrysakis & Moens 2020 have it for single images, "Online continual learning
//! from imbalanced data", algorithm 1).

use cldiff_choices::Describe;
use ddpm_core::noise::{Key, Purpose};
use rand::Rng;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    Buffer, BufferOptions,
    balanced::{Balanced, Candidates, Size},
};
use crate::StrategyError;

const CHOICE: Purpose = Purpose::named("class-balanced buffer");

/// The options of a class-balanced buffer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct ClassBalanced(pub Size);

impl ClassBalanced {
    /// So many images of each class.
    pub const fn per_class(n: usize) -> Self {
        Self(Size::per_class(n))
    }

    /// So many images in all.
    pub const fn total(n: usize) -> Self {
        Self(Size::total(n))
    }
}

impl Describe for ClassBalanced {
    const NAME: &'static str = "class_balanced";
    const SUMMARY: &'static str =
        "As many images of every class (where domains change: in each experience), chosen at random";
    const CITATION: &'static str = "Prabhu et al. 2020";
}

impl BufferOptions for ClassBalanced {
    fn build(&self) -> Box<dyn Buffer> {
        Box::new(Balanced::new(self.0, at_random))
    }

    fn validate(&self) -> Result<(), StrategyError> {
        self.0.validate()
    }
}

/// `n` of all images of the group that have passed by, each as likely as every other. The stored ones stand for those that
/// passed before: which comes next, one of these or a new one, is drawn in proportion to how many are left of each.
fn at_random(candidates: &Candidates<'_>, n: usize, key: Key) -> Vec<usize> {
    let Candidates { stored, passed, new, group, .. } = candidates;
    let mut rng = key.within(CHOICE).rng(group.number());
    let mut shuffled = |positions: &[usize]| {
        let order = rand::seq::index::sample(&mut rng, positions.len(), positions.len());
        order.into_iter().map(|i| positions[i]).collect::<Vec<_>>().into_iter()
    };
    let (mut stored, mut new) = (shuffled(stored), shuffled(new));
    let (mut left_before, mut left_now) = (*passed, new.len());
    let mut chosen = Vec::new();
    while chosen.len() < n && left_before + left_now > 0 {
        let next = if rng.random_range(0..left_before + left_now) < left_before {
            left_before -= 1;
            stored.next()
        } else {
            left_now -= 1;
            new.next()
        };
        // Fewer are stored than passed by only where the share was no larger then than it is now.
        let Some(next) = next else { break };
        chosen.push(next);
    }
    chosen
}
