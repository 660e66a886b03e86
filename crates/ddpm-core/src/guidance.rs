//! Classifier-free guidance (Ho & Salimans 2022): a model trained with and without its labels samples further along the
//! direction that the label makes.

use burn::tensor::{Int, Tensor};
use rand::Rng;

use crate::{
    Denoiser, Kernels,
    noise::{Key, Purpose},
};

const DROPOUT: Purpose = Purpose::named("label dropout");

/// Replaces each label by the null class with a probability; the i-th label's fate is the i-th draw of `key`.
pub fn drop_labels(labels: &mut [usize], null_class: usize, probability: f64, key: Key) {
    if probability <= 0.0 {
        return;
    }
    let key = key.within(DROPOUT);
    for (i, label) in labels.iter_mut().enumerate() {
        if key.rng(i as u64).random::<f64>() < probability {
            *label = null_class;
        }
    }
}

/// A denoiser whose prediction is `unconditional + scale (conditional - unconditional)`.
///
/// A scale of 1 is the conditional model, 0 the unconditional one (the convention of diffusers; the paper's w is
/// `scale - 1`). Of a learned variance's channels the conditional ones are kept. Without `y` nothing is guided.
#[derive(Debug)]
pub struct Guided<'a, B: Kernels, D: ?Sized = dyn Denoiser<B> + 'a> {
    denoiser: &'a D,
    scale: f64,
    null_class: usize,
    backend: std::marker::PhantomData<fn() -> B>,
}

impl<'a, B: Kernels, D: Denoiser<B> + ?Sized> Guided<'a, B, D> {
    /// `null_class` is the class that stood for "no label" in training.
    pub fn new(denoiser: &'a D, scale: f64, null_class: usize) -> Self {
        Self { denoiser, scale, null_class, backend: std::marker::PhantomData }
    }
}

impl<B: Kernels, D: Denoiser<B> + ?Sized> Denoiser<B> for Guided<'_, B, D> {
    fn denoise(&self, x_t: Tensor<B, 4>, t: Tensor<B, 1, Int>, y: Option<Tensor<B, 1, Int>>) -> Tensor<B, 4> {
        let Some(y) = y else { return self.denoiser.denoise(x_t, t, None) };
        let [n, c, ..] = x_t.dims();
        let null = Tensor::full([n], self.null_class as i64, &x_t.device());
        let twice = |t: Tensor<B, 1, Int>| Tensor::cat(vec![t.clone(), t], 0);
        let x_t = Tensor::cat(vec![x_t.clone(), x_t], 0);
        let output = self.denoiser.denoise(x_t, twice(t), Some(Tensor::cat(vec![y, null], 0)));
        let [with, without] = [output.clone().narrow(0, 0, n), output.narrow(0, n, n)];
        let channels = with.dims()[1];
        let eps = without.narrow(1, 0, c);
        let guided = eps.clone() + (with.clone().narrow(1, 0, c) - eps).mul_scalar(self.scale);
        if channels == c { guided } else { Tensor::cat(vec![guided, with.narrow(1, c, channels - c)], 1) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    type B = burn_flex::Flex;

    /// Answers with the label, and in a second channel with minus it.
    #[derive(Debug)]
    struct Label;

    impl Denoiser<B> for Label {
        fn denoise(
            &self,
            x_t: Tensor<B, 4>,
            _: Tensor<B, 1, Int>,
            y: Option<Tensor<B, 1, Int>>,
        ) -> Tensor<B, 4> {
            let [n, _, h, w] = x_t.dims();
            let y = y.unwrap().float().reshape([n, 1, 1, 1]).expand([n, 1, h, w]);
            Tensor::cat(vec![y.clone(), y.neg()], 1)
        }
    }

    #[test]
    fn the_direction_of_the_label_is_followed_further() {
        let device = Default::default();
        let x = Tensor::<B, 4>::zeros([2, 1, 1, 1], &device);
        let guided = Guided::new(&Label, 3.0, 10);
        let y = crate::noise::indices::<B>(&[4, 10], &device);
        let out = guided.denoise(x, crate::noise::indices(&[0, 0], &device), Some(y));
        let values: Vec<f32> = out.into_data().to_vec().unwrap();
        // 10 + 3 (4 - 10), and the conditional variance; the null class is left where it is.
        assert_eq!(values, [-8.0, -4.0, 10.0, -10.0]);
    }

    #[test]
    fn labels_are_dropped_as_often_as_asked() {
        let mut labels = vec![1; 10_000];
        drop_labels(&mut labels, 7, 0.1, Key::new(0, Purpose::named("test")));
        let dropped = labels.iter().filter(|&&l| l == 7).count();
        // Five standard deviations of a binomial.
        assert!((850..=1150).contains(&dropped), "{dropped}");
        let mut kept = vec![1; 100];
        drop_labels(&mut kept, 7, 0.0, Key::new(0, Purpose::named("test")));
        assert_eq!(kept, vec![1; 100]);
    }
}
