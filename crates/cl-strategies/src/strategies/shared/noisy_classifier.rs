//! A small classifier of noisy images, which guides a teacher's samples: towards the classes of past experiences as in DDGR
//! (Gao & Liu 2023, "DDGR: Continual Learning with Deep Diffusion-based Generative Replay", ICML), or towards those of the
//! current one as in GUIDE (Cywinski et al. 2024, arXiv 2403.03938).
//!
//! Deviation: DDGR guides with the classifier that it trains for classification, on images without noise; this one is
//! trained on noisy images and told the timestep, as guidance asks for (Dhariwal & Nichol 2021, arXiv 2105.05233).

use burn::{
    module::{AutodiffModule, Module},
    nn::loss::CrossEntropyLossConfig,
    optim::GradientsParams,
    tensor::{Int, Tensor, backend::Backend},
};
use ddpm_core::{
    AdamW, AdamWConfig, Ema, GaussianDiffusion, Kernels, TrainBackend,
    classifier_guidance::NoisyClassifier as Guide,
    ema::EmaConfig,
    nn::{Activation, Conv2d, GroupNorm, Initializer, Linear},
    noise::{Key, NormalNoise, Purpose, indices},
    unet::sinusoids,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{StrategyError, buffer, check};

const INIT: Purpose = Purpose::named("classifier of noisy images");
const BATCH: Purpose = Purpose::named("batch of noisy images");
const NOISE: Purpose = Purpose::named("noise for a classifier");
const TIMESTEPS: Purpose = Purpose::named("timesteps for a classifier");

/// Channels of a group of the norms.
const GROUP: usize = 4;

/// Sinusoids of the timestep.
const SINUSOIDS: usize = 32;

/// The classes that generated images are guided towards.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Towards {
    /// The class that the image is to be of (DDGR).
    #[default]
    Own,
    /// The class of the current experience that the classifier finds most likely for the image (GUIDE, arXiv 2403.03938):
    /// images of past classes near the boundary to the current ones. The classifier is trained before the experience.
    Current,
}

impl Towards {
    /// Passes of the classifier in each pass of the network that it guides: for its gradient, and for the likeliest class
    /// where that is not known.
    pub(crate) fn passes(self) -> usize {
        match self {
            Self::Own => 1,
            Self::Current => 2,
        }
    }
}

/// The options of guidance by a classifier.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct ClassifierGuidanceConfig {
    /// The classes that images are guided towards.
    pub towards: Towards,
    /// The weight of the classifier's gradient; GUIDE's published ones are 0.2 to 1.
    pub scale: f64,
    /// Channels of the classifier's first layer, a multiple of 4; its second has twice as many.
    pub channels: usize,
    /// Steps of its training at the end of each experience, or before the next.
    pub steps: usize,
    /// Images in each of these steps, half of them generated ones of past classes once there are any.
    pub batch_size: usize,
    /// Its learning rate.
    pub learning_rate: f64,
    /// Images of past classes that are drawn for its training.
    pub generated: usize,
}

impl Default for ClassifierGuidanceConfig {
    fn default() -> Self {
        Self {
            towards: Towards::Own,
            scale: 1.0,
            channels: 16,
            steps: 200,
            batch_size: 64,
            learning_rate: 2e-3,
            generated: 256,
        }
    }
}

impl ClassifierGuidanceConfig {
    /// Checks the ranges.
    ///
    /// # Errors
    /// [`StrategyError::Config`] for the first option out of range.
    pub(crate) fn validate(&self) -> Result<(), StrategyError> {
        check::at_least_0("scale", self.scale)?;
        if self.channels == 0 || self.channels % GROUP != 0 {
            let expected = format!("expected a multiple of {GROUP}");
            return Err(StrategyError::config("channels", self.channels, expected));
        }
        check::at_least_1("steps", self.steps)?;
        check::at_least_1("batch_size", self.batch_size)?;
        check::above_0("learning_rate", self.learning_rate)?;
        check::at_least_1("generated", self.generated)
    }
}

/// Two convolutions of stride 2, the mean over pixels with an embedding of the timestep, a layer of classes.
#[derive(Module, Debug)]
pub(crate) struct NoisyClassifier<B: Backend> {
    convs: Vec<Conv2d<B>>,
    norms: Vec<GroupNorm<B>>,
    time: Linear<B>,
    classes: Linear<B>,
}

/// Images in [-1, 1] with their classes.
#[derive(Debug, Clone)]
pub(crate) struct Labelled<B: Backend> {
    pub x_0: Tensor<B, 4>,
    pub labels: Vec<usize>,
}

impl<B: Backend> NoisyClassifier<B> {
    /// A classifier of images of some channels.
    pub fn new(
        config: &ClassifierGuidanceConfig,
        image_channels: usize,
        classes: usize,
        key: Key,
        device: &B::Device,
    ) -> Self {
        let init = &mut Initializer::new(key.within(INIT), device);
        let widths = [config.channels, 2 * config.channels];
        let convolution = |c_in, c_out, init: &mut Initializer<'_, B>| {
            Conv2d::new((c_in, c_out), 3, init).with_stride(2, 1)
        };
        Self {
            convs: vec![
                convolution(image_channels, widths[0], init),
                convolution(widths[0], widths[1], init),
            ],
            norms: widths.map(|c| GroupNorm::new(c / GROUP, c, 1e-5, init)).into(),
            time: Linear::new(SINUSOIDS, widths[1], init),
            classes: Linear::new(widths[1], classes, init),
        }
    }
}

impl<B: Kernels> NoisyClassifier<B> {
    /// # Shapes
    /// - `x_t`: `[n, c, h, w]`, `t`: `[n]`; output: `[n, classes]`
    fn forward(&self, x_t: Tensor<B, 4>, t: Tensor<B, 1, Int>) -> Tensor<B, 2> {
        let layers = self.convs.iter().zip(&self.norms);
        let x = layers.fold(x_t, |x, (conv, norm)| norm.forward_activated(conv.forward(x), Activation::Silu));
        let [n, c, h, w] = x.dims();
        let pooled: Tensor<B, 2> = x.reshape([n, c, h * w]).mean_dim(2).reshape([n, c]);
        let time = self.time.forward(sinusoids(t, SINUSOIDS, true, 0));
        self.classes.forward(B::silu(pooled + time))
    }
}

impl<B: TrainBackend> Guide<B> for NoisyClassifier<B> {
    fn logits(&self, x_t: Tensor<B, 4>, t: Tensor<B, 1, Int>) -> Tensor<B, 2> {
        self.forward(x_t, t)
    }
}

impl<B: TrainBackend> NoisyClassifier<B> {
    /// Goes on training, each batch in equal parts from `sets`.
    pub fn train(
        mut self,
        config: &ClassifierGuidanceConfig,
        sets: &[Labelled<B::InnerBackend>],
        process: &GaussianDiffusion,
        key: Key,
        device: &B::Device,
    ) -> Self {
        let mut optimizer = AdamW::new(AdamWConfig::default());
        let mut average = Ema::new(EmaConfig::default(), &self);
        let loss_function = CrossEntropyLossConfig::new().init(device);
        let share = config.batch_size.div_ceil(sets.len().max(1));
        for step in 0..config.steps {
            let key = key.step(step);
            let (mut images, mut labels) = (Vec::new(), Vec::new());
            for (i, set) in sets.iter().enumerate() {
                let of_set = key.within(BATCH.numbered(i));
                let positions = buffer::draw(set.labels.len(), share, of_set);
                images.push(set.x_0.clone().select(0, indices(&positions, device)));
                labels.extend(positions.iter().map(|&position| set.labels[position]));
            }
            let (x_0, noise) = (Tensor::cat(images, 0), key.within(NOISE));
            let t = key.within(TIMESTEPS).timesteps(labels.len(), process.timesteps());
            let eps = noise.normal::<B::InnerBackend>(0, x_0.dims(), device);
            let x_t = Tensor::from_inner(process.q_sample(x_0, &t, eps));
            let logits = self.forward(x_t, indices(&t, device));
            let loss = loss_function.forward(logits, indices(&labels, device));
            let grads = GradientsParams::from_grads(loss.backward(), &self);
            self = optimizer.step::<B, _>(self, grads, config.learning_rate, Some(1.0), &mut average);
        }
        self
    }

    /// Numbers that it keeps.
    pub fn len(&self) -> u64 {
        ddpm_core::parameters::ParameterVector::of(&self.valid()).len() as u64
    }
}

#[cfg(test)]
mod tests {
    use burn_autodiff::Autodiff;
    use burn_flex::Flex;
    use ddpm_core::schedule::BetaSchedule;

    use super::*;

    type B = Autodiff<Flex>;

    /// Images whose left half has one value and whose right half another.
    fn halves(left: f32, right: f32, n: usize) -> Tensor<Flex, 4> {
        let half = |value: f32| Tensor::full([n, 1, 8, 4], value, &Default::default());
        Tensor::cat(vec![half(left), half(right)], 3)
    }

    fn patterns() -> [(f32, f32); 3] {
        [(0.8, 0.8), (-0.8, -0.8), (-0.8, 0.8)]
    }

    /// Current images: half black, of class 2. Past ones: white of class 0 and black of class 1. Clean images are told apart
    /// after some steps, each with its own label, whichever set it came in.
    #[test]
    fn a_classifier_learns_the_labels_of_both_sets() {
        let config = ClassifierGuidanceConfig {
            steps: 100,
            batch_size: 24,
            learning_rate: 1e-2,
            ..ClassifierGuidanceConfig::default()
        };
        let (key, device) = (Key::new(1, Purpose::named("test of a classifier")), Default::default());
        let process = GaussianDiffusion::new(&BetaSchedule::linear(), 50).unwrap();
        let images = |n: [usize; 3]| {
            let parts = patterns().into_iter().zip(n).filter(|(_, n)| *n > 0);
            Tensor::cat(parts.map(|((left, right), n)| halves(left, right, n)).collect(), 0)
        };
        let sets = [
            Labelled { x_0: images([0, 0, 6]), labels: vec![2; 6] },
            Labelled { x_0: images([20, 20, 0]), labels: [vec![0; 20], vec![1; 20]].concat() },
        ];
        let of = |sets: &[Labelled<Flex>]| {
            let classifier = NoisyClassifier::<B>::new(&config, 1, 4, key, &device);
            let trained = classifier.train(&config, sets, &process, key, &device);
            let clean = Tensor::from_inner(images([1, 1, 1]));
            let logits = trained.logits(clean, indices(&[0; 3], &device));
            logits.argmax(1).into_data().iter::<i64>().collect::<Vec<_>>()
        };
        assert_eq!(of(&sets), [0, 1, 2]);
        // Other labels of the same images.
        let [current, mut past] = sets;
        past.labels.reverse();
        assert_eq!(of(&[Labelled { labels: vec![3; 6], ..current }, past]), [1, 0, 3]);
    }
}
