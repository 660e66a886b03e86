//! Herding (Welling 2009; iCaRL, Rebuffi et al. 2017, arXiv 1611.07725, algorithm 4): images are chosen one after
//! another, each such that the mean of those chosen comes nearest to the mean of the class. Deviation: features are the
//! pixels themselves, since a denoiser has no classifier whose features would be at hand.

use cldiff_choices::Describe;
use data_streams::ImageDataset;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    Buffer, BufferOptions,
    balanced::{Balanced, Size},
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
    const SUMMARY: &'static str = "As many images of every class (in each experience that has it), such that their mean \
                                   is near that of the class";
    const CITATION: &'static str = "Rebuffi et al. 2017, arXiv 1611.07725";
}

impl BufferOptions for Herding {
    fn build(&self) -> Box<dyn Buffer> {
        Box::new(Balanced::new(Self::NAME, self.0, |data, members, _, n, _| choose(data, members, n)))
    }

    fn validate(&self) -> Result<(), StrategyError> {
        self.0.validate()
    }

    fn check(&self, class_names: &[String], counts: &[usize]) -> Result<(), StrategyError> {
        self.0.check(class_names, counts)
    }
}

/// `n` of the images at some positions, the best first.
fn choose(data: &ImageDataset, members: &[usize], n: usize) -> Vec<usize> {
    let size = data.shape().len();
    let mut mean = vec![0.0_f64; size];
    for &i in members {
        mean.iter_mut().zip(data.pixels_of(i)).for_each(|(m, p)| *m += f64::from(*p) / members.len() as f64);
    }
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
    use data_streams::ImageShape;
    use proptest::prelude::*;

    use super::*;

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
            let chosen = choose(&data, &members, count);
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
        assert_eq!(choose(&data, &[0, 1, 2, 3, 4], 3), [2, 3, 1]);
        assert_eq!(choose(&data, &[0, 4], 9), [0, 4]);
    }
}
