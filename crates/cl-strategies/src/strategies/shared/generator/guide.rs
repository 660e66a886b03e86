//! A teacher that a classifier of noisy images guides: towards the classes that it is asked for (DDGR), or towards the
//! current experience's (GUIDE).
//!
//! GUIDE (Cywinski et al. 2024, arXiv 2403.03938; code: cywinski/guide, `guid_to_new_classes`): the teacher draws an image of a
//! past class; each step is guided by `scale grad log p(c | x_t)`, where c is, of the classes of the current experience, the
//! one that the classifier finds most likely at x_t. The image keeps its past class as label: it lies near the boundary to
//! what is being learned. Deviations: the rehearsal is that of the diffusion model itself, where GUIDE's is that of a
//! classifier; the guiding classifier is trained before the experience, where GUIDE's learns during it; it sees x_t
//! (the code's `train_noised_classifier`), where GUIDE's sees the predicted x_0.

use burn::tensor::{Int, Tensor};
use ddpm_core::{
    Denoiser, GaussianDiffusion, TrainBackend,
    classifier_guidance::{ClassifierGuided, NoisyClassifier},
    noise::indices,
};

/// A guided teacher.
pub(super) struct Guide<'a, B: TrainBackend> {
    pub teacher: &'a dyn Denoiser<B::InnerBackend>,
    /// Whether the teacher is told the class.
    pub conditional: bool,
    pub classifier: &'a dyn NoisyClassifier<B>,
    pub process: &'a GaussianDiffusion,
    pub scale: f64,
    /// The classes to guide towards; absent: each image towards its own.
    pub towards: Option<&'a [usize]>,
}

/// The teacher, asked for the image's own class whatever class guides.
struct Asked<'a, B: TrainBackend> {
    teacher: &'a dyn Denoiser<B::InnerBackend>,
    y: Option<Tensor<B::InnerBackend, 1, Int>>,
}

impl<B: TrainBackend> Denoiser<B::InnerBackend> for Asked<'_, B> {
    fn denoise(
        &self,
        x_t: Tensor<B::InnerBackend, 4>,
        t: Tensor<B::InnerBackend, 1, Int>,
        _y: Option<Tensor<B::InnerBackend, 1, Int>>,
    ) -> Tensor<B::InnerBackend, 4> {
        self.teacher.denoise(x_t, t, self.y.clone())
    }
}

impl<B: TrainBackend> Guide<'_, B> {
    /// Of some classes, the one that the classifier finds most likely for each image.
    fn most_likely(
        &self,
        classes: &[usize],
        x_t: Tensor<B::InnerBackend, 4>,
        t: Tensor<B::InnerBackend, 1, Int>,
    ) -> Tensor<B::InnerBackend, 1, Int> {
        let device = x_t.device();
        let logits = self.classifier.logits(Tensor::from_inner(x_t), Tensor::from_inner(t)).inner();
        let best = logits.select(1, indices(classes, &device)).argmax(1).squeeze_dim::<1>(1);
        indices::<B::InnerBackend>(classes, &device).select(0, best)
    }
}

impl<B: TrainBackend> std::fmt::Debug for Guide<'_, B> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Guide").field("towards", &self.towards).finish_non_exhaustive()
    }
}

impl<B: TrainBackend> Denoiser<B::InnerBackend> for Guide<'_, B> {
    fn denoise(
        &self,
        x_t: Tensor<B::InnerBackend, 4>,
        t: Tensor<B::InnerBackend, 1, Int>,
        y: Option<Tensor<B::InnerBackend, 1, Int>>,
    ) -> Tensor<B::InnerBackend, 4> {
        let guiding = match self.towards {
            None => y.clone(),
            Some(classes) => Some(self.most_likely(classes, x_t.clone(), t.clone())),
        };
        let asked = Asked::<B> { teacher: self.teacher, y: if self.conditional { y } else { None } };
        let guided = ClassifierGuided::<B> {
            denoiser: &asked,
            conditional: false,
            classifier: self.classifier,
            process: self.process,
            scale: self.scale,
        };
        guided.denoise(x_t, t, guiding)
    }
}

#[cfg(test)]
mod tests {
    use burn_autodiff::Autodiff;
    use burn_flex::Flex;
    use ddpm_core::schedule::BetaSchedule;

    use super::*;

    type B = Autodiff<Flex>;

    /// Logits 0, 2 x, -x and 5: at x = 0.5 the largest is that of class 3, of classes 1 and 2 that of class 1.
    struct Slopes;

    impl NoisyClassifier<B> for Slopes {
        fn logits(&self, x_t: Tensor<B, 4>, _t: Tensor<B, 1, Int>) -> Tensor<B, 2> {
            let x: Tensor<B, 2> = x_t.flatten(1, 3);
            let zero = x.clone() * 0.0;
            Tensor::cat(vec![zero.clone(), x.clone() * 2.0, x.neg(), zero + 5.0], 1)
        }
    }

    /// Predicts the class that it is asked for.
    struct Class;

    impl Denoiser<Flex> for Class {
        fn denoise(
            &self,
            x_t: Tensor<Flex, 4>,
            _t: Tensor<Flex, 1, Int>,
            y: Option<Tensor<Flex, 1, Int>>,
        ) -> Tensor<Flex, 4> {
            let [n, ..] = x_t.dims();
            y.map_or_else(|| x_t.zeros_like(), |y| y.float().reshape([n, 1, 1, 1]))
        }
    }

    /// eps - scale sqrt(1 - abar) d/dx log p(c | x), with d/dx log p(c) = slope_c - sum_j p_j slope_j.
    #[test]
    fn an_image_keeps_its_class_and_leans_towards_the_likeliest_current_one() {
        let device = Default::default();
        let process = GaussianDiffusion::new(&BetaSchedule::linear(), 1000).unwrap();
        let (slopes, scale) = ([0.0, 2.0, -1.0, 0.0], 0.7);
        for (towards, own, x, guiding) in [
            (None, 3, 0.5, 3),
            (Some(&[1, 2][..]), 3, 0.5, 1),
            (Some(&[1, 2][..]), 3, -0.5, 2),
            (Some(&[2][..]), 0, 0.5, 2),
        ] {
            let logits = [0.0, 2.0 * x, -x, 5.0];
            let sum: f64 = logits.iter().map(|l: &f64| l.exp()).sum();
            let mean: f64 = logits.iter().zip(slopes).map(|(l, slope)| l.exp() / sum * slope).sum();
            for (conditional, said) in [(true, own as f64), (false, 0.0)] {
                let guide = Guide::<B> {
                    teacher: &Class,
                    conditional,
                    classifier: &Slopes,
                    process: &process,
                    scale,
                    towards,
                };
                let x_t = Tensor::<Flex, 4>::full([1, 1, 1, 1], x, &device);
                let found = guide.denoise(x_t, indices(&[300], &device), Some(indices(&[own], &device)));
                let bent = scale * (1.0 - process.alpha_cumprod(300)).sqrt() * (slopes[guiding] - mean);
                let found = f64::from(found.into_data().to_vec::<f32>().unwrap()[0]);
                assert!((found - (said - bent)).abs() < 1e-5, "{towards:?}: {found} for {}", said - bent);
            }
        }
    }
}
