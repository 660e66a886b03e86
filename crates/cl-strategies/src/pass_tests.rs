//! Every strategy reports each pass that it makes: the counter agrees with a network that counts for itself.

use std::{cell::Cell, ops::ControlFlow};

use burn::{
    module::Module,
    tensor::{Int, Tensor, backend::Backend},
};
use burn_autodiff::Autodiff;
use burn_flex::Flex;
use cldiff_choices::Describe;
use data_streams::{ClassIncremental, Stream, StreamBuilder, dataset::glyphs::GlyphsConfig};
use ddpm_core::{
    Denoiser, GaussianDiffusion, Kernels, UNet2D, UNet2DConfig,
    noise::{Key, Purpose},
    schedule::BetaSchedule,
};

use crate::{
    BuildStrategy, ClassifierGuidanceConfig, GenerativeReplayConfig, GeneratorConfig, Passes, ReplayConfig,
    Source, Strategy, Trainer, TrainerConfig,
};

type B = Autodiff<Flex>;

thread_local! {
    static COUNTED: Cell<u64> = const { Cell::new(0) };
}

/// A UNet that counts the images that go through it.
#[derive(Module, Debug)]
struct Counting<B: Backend> {
    inner: UNet2D<B>,
}

impl<B: Kernels> Denoiser<B> for Counting<B> {
    fn denoise(&self, x_t: Tensor<B, 4>, t: Tensor<B, 1, Int>, y: Option<Tensor<B, 1, Int>>) -> Tensor<B, 4> {
        COUNTED.set(COUNTED.get() + x_t.dims()[0] as u64);
        self.inner.denoise(x_t, t, y)
    }
}

type Model = Counting<B>;

fn stream() -> Stream {
    let glyphs = GlyphsConfig { size: 8, train_per_class: 4, eval_per_class: 1, ..GlyphsConfig::default() };
    ClassIncremental::default().build(glyphs.build().unwrap()).unwrap()
}

/// Two steps of two images in each of three experiences: the counter, and what the network counted.
fn train(strategy: &mut dyn Strategy<B, Model>) -> (Passes, u64) {
    let config = UNet2DConfig { num_class_embeds: Some(10), ..UNet2DConfig::small(8, 1, &[4, 8]) };
    let key = Key::new(1, Purpose::named("model"));
    let model = Counting { inner: config.init::<B>(key, &Default::default()).unwrap() };
    let process = GaussianDiffusion::new(&BetaSchedule::linear(), 40).unwrap();
    let options = TrainerConfig { steps_per_experience: 2, batch_size: 2, ..TrainerConfig::default() };
    let mut trainer = Trainer::new(model, process, options, 1, Default::default()).unwrap();
    let stream = stream();
    COUNTED.set(0);
    for k in 0..3 {
        trainer.train_experience(strategy, &stream, k, &mut |_| ControlFlow::Continue(())).unwrap();
    }
    (trainer.passes(), COUNTED.get())
}

/// Of the network; the classifier that guides a generator is another one.
fn of_network(passes: &Passes) -> u64 {
    passes.total() - passes.classifier
}

fn check<T: Describe + Default + BuildStrategy<B, Model>>() {
    let (passes, counted) = train(&mut *T::default().build().unwrap());
    assert_eq!(of_network(&passes), counted, "{}: {passes:?}", T::NAME);
    assert!(passes.training >= 12, "{}: {passes:?}", T::NAME);
}

macro_rules! check_all {
    ({} $($Config:ty),*) => { $(check::<$Config>();)* };
}

#[test]
fn every_strategy_reports_all_of_its_passes() {
    crate::built_in_strategies!(check_all! {});
}

/// Two experiences of two steps look back at two images a step. A fresh image takes the ten steps of DDIM and the pass that it
/// is trained in: eleven. The classifier sees four steps of training with four images in each of three experiences, and each
/// image in each step while it is drawn: eight fresh ones in all, and two times three for its own training.
#[test]
fn a_generator_and_its_classifier_are_counted() {
    let training = 12 + 8;
    let (passes, _) = train(&mut *BuildStrategy::<B, Model>::build(&ReplayConfig::default()).unwrap());
    assert_eq!(passes, Passes { training, ..Passes::default() });
    let with = |generator| {
        let config = GenerativeReplayConfig { generator, ..GenerativeReplayConfig::default() };
        train(&mut *BuildStrategy::<B, Model>::build(&config).unwrap())
    };
    let (fresh, _) = with(GeneratorConfig::default());
    assert_eq!(fresh, Passes { training, generator: 8 * 10, ..Passes::default() });
    // A pool of five at the end of each of three experiences.
    let (pool, _) =
        with(GeneratorConfig { source: Source::Pool { images: 5 }, ..GeneratorConfig::default() });
    assert_eq!(pool, Passes { training, generator: 15 * 10, ..Passes::default() });
    let guidance = ClassifierGuidanceConfig { steps: 4, batch_size: 4, generated: 3, ..Default::default() };
    let (guided, counted) = with(GeneratorConfig { guidance: Some(guidance), ..GeneratorConfig::default() });
    let generator = (8 + 2 * 3) * 10;
    let classifier = 3 * 4 * 4 + generator;
    assert_eq!(guided, Passes { training, generator, classifier, ..Passes::default() });
    assert_eq!(of_network(&guided), counted);
}
