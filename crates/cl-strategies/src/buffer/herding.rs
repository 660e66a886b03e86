//! Herding (Welling 2009; iCaRL, Rebuffi et al. 2017, arXiv 1611.07725, algorithm 4): images are chosen one after
//! another, each such that the mean of those chosen comes nearest to the mean of the class. Deviation: features are the
//! pixels themselves, since a denoiser has no classifier whose features would be at hand.

use cldiff_choices::Describe;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    Buffer, BufferOptions,
    balanced::{Balanced, Candidates, Size},
};
use crate::StrategyError;

/// The options of a buffer that is filled by herding.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct Herding(pub Size);

impl Herding {
    /// So many images of each class.
    pub const fn per_class(n: usize) -> Self {
        Self(Size::per_class(n))
    }

    /// So many images in all.
    pub const fn total(n: usize) -> Self {
        Self(Size::total(n))
    }
}

impl Describe for Herding {
    const NAME: &'static str = "herding";
    const SUMMARY: &'static str = "As many images of every class (where domains change: in each experience), such that \
                                   their mean is near that of the class";
    const CITATION: &'static str = "Rebuffi et al. 2017, arXiv 1611.07725";
}

impl BufferOptions for Herding {
    fn build(&self) -> Box<dyn Buffer> {
        Box::new(Balanced::new(self.0, |candidates, n, _| choose(candidates, n)))
    }

    fn validate(&self) -> Result<(), StrategyError> {
        self.0.validate()
    }
}

/// `n` of the candidates, the best first. The mean is that of all images of the group that have passed by; those stored
/// stand for the ones before, whose mean theirs is near.
fn choose(candidates: &Candidates<'_>, n: usize) -> Vec<usize> {
    let Candidates { data, stored, passed, new, .. } = candidates;
    let size = data.shape().len();
    let passed = if stored.is_empty() { 0 } else { *passed };
    let all = (passed + new.len()) as f64;
    let mut mean = vec![0.0_f64; size];
    let mut add = |members: &[usize], weight: f64| {
        for &i in members {
            mean.iter_mut().zip(data.pixels_of(i)).for_each(|(m, p)| *m += f64::from(*p) * weight);
        }
    };
    add(stored, passed as f64 / all / stored.len().max(1) as f64);
    add(new, 1.0 / all);
    let members = [&stored[..], &new[..]].concat();
    let (mut sum, mut chosen) = (vec![0.0_f64; size], Vec::with_capacity(n));
    while chosen.len() < n.min(members.len()) {
        let count = (chosen.len() + 1) as f64;
        let distance = |i: usize| -> f64 {
            let terms = mean.iter().zip(&sum).zip(data.pixels_of(i));
            terms.map(|((m, s), p)| (m - (s + f64::from(*p)) / count).powi(2)).sum()
        };
        let best = members
            .iter()
            .copied()
            .filter(|i| !chosen.contains(i))
            .map(|i| (distance(i), i))
            .min_by(|a, b| a.0.total_cmp(&b.0))
            .map_or(members[0], |(_, i)| i);
        sum.iter_mut().zip(data.pixels_of(best)).for_each(|(s, p)| *s += f64::from(*p));
        chosen.push(best);
    }
    chosen
}

#[cfg(test)]
mod tests {
    use data_streams::{ImageDataset, ImageShape};
    use proptest::prelude::*;

    use super::*;
    use crate::buffer::balanced::Group;

    /// Images of a group of which none was there before.
    fn of(data: &ImageDataset, new: Vec<usize>) -> Candidates<'_> {
        Candidates { data, stored: Vec::new(), passed: 0, new, group: Group::default() }
    }

    proptest! {
        /// Every next image is one that no other would be better than, of all means worked out anew.
        #[test]
        fn each_choice_is_the_best_of_all(pixels in prop::collection::vec(0_u8..255, 3 * 4..3 * 12)) {
            let count = pixels.len() / 3;
            let shape = ImageShape { channels: 3, height: 1, width: 1 };
            let pixels = pixels[..3 * count].to_vec();
            let data = ImageDataset::new("x", shape, vec!["a".into()], pixels, vec![0; count]).unwrap();
            let members: Vec<usize> = (0..count).collect();
            let mean = |of: &[usize]| -> Vec<f64> {
                let sum = |c: usize| of.iter().map(|&i| f64::from(data.pixels_of(i)[c])).sum::<f64>();
                (0..3).map(|c| sum(c) / of.len() as f64).collect()
            };
            let target = mean(&members);
            let distance = |of: &[usize]| mean(of).iter().zip(&target).map(|(a, b)| (a - b).powi(2)).sum::<f64>();
            let chosen = choose(&of(&data, members.clone()), count);
            for n in 0..count {
                let with = |i: usize| [&chosen[..n], &[i]].concat();
                let found = distance(&with(chosen[n]));
                for other in members.iter().filter(|i| !chosen[..n].contains(i)) {
                    prop_assert!(found <= distance(&with(*other)) + 1e-9);
                }
            }
        }
    }

    /// One pixel an image, so that what is nearest can be worked out by hand: the mean is 40; first 30, then 60 (mean
    /// 45, as near as any), then 20 (mean 36.7) rather than 10 or 80.
    #[test]
    fn the_mean_of_the_chosen_follows_the_mean() {
        let shape = ImageShape { channels: 1, height: 1, width: 1 };
        let pixels = vec![10, 20, 30, 60, 80];
        let data = ImageDataset::new("x", shape, vec!["a".into()], pixels, vec![0; 5]).unwrap();
        assert_eq!(choose(&of(&data, vec![0, 1, 2, 3, 4]), 3), [2, 3, 1]);
        assert_eq!(choose(&of(&data, vec![0, 4]), 9), [0, 4]);
    }

    /// A class that comes again: 10 and 20 stand for eight images of mean 15 that were there before, and 60 and 80 are new.
    /// The mean of all ten is 26: 20 is nearest; then 20 with 10 is 11 away, with 60 it is 14.
    #[test]
    fn those_that_were_left_out_count_as_those_that_stand_for_them() {
        let shape = ImageShape { channels: 1, height: 1, width: 1 };
        let data =
            ImageDataset::new("x", shape, vec!["a".into()], vec![10, 20, 30, 60, 80], vec![0; 5]).unwrap();
        let again = Candidates { stored: vec![0, 1], passed: 8, ..of(&data, vec![3, 4]) };
        assert_eq!(choose(&again, 2), [1, 0]);
        // Were each of the four to count once, the mean would be 42.5: first 60, then 20 (mean 40).
        assert_eq!(choose(&of(&data, vec![0, 1, 3, 4]), 2), [3, 1]);
    }
}
