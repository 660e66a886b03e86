//! Every strategy reports each pass that it makes: the counter agrees with a network that counts for itself. The network
//! takes images of its own size alone, square or not: whatever a strategy draws, mixes or keeps has the size of the data.

use std::{cell::Cell, ops::ControlFlow};

use burn::{
    module::Module,
    tensor::{Int, Tensor, backend::Backend},
};
use burn_autodiff::Autodiff;
use burn_flex::Flex;
use cldiff_choices::Describe;
use data_streams::{ClassIncremental, ImageSize, Stream, StreamBuilder, dataset::glyphs::GlyphsConfig};
use ddpm_core::{
    Denoiser, GaussianDiffusion, Kernels, UNet2D, UNet2DConfig,
    noise::{Key, Purpose},
    schedule::BetaSchedule,
};

use crate::{
    BuildStrategy, ClassifierGuidanceConfig, Compose, DarkNoise, DerConfig, EwcConfig, Fisher, GemConfig,
    GenerativeDistillationConfig, GenerativeReplayConfig, GeneratorConfig, Inputs,
    PartialSamplingDistillationConfig, Passes, ReplayConfig, RwalkConfig, SiConfig, Source, Strategy,
    Towards, Trainer, TrainerConfig,
};

type B = Autodiff<Flex>;

thread_local! {
    static COUNTED: Cell<u64> = const { Cell::new(0) };
}

/// A UNet that counts the images that go through it, and takes those of its size alone.
#[derive(Module, Debug)]
struct Counting<B: Backend> {
    inner: UNet2D<B>,
}

impl<B: Kernels> Denoiser<B> for Counting<B> {
    fn denoise(&self, x_t: Tensor<B, 4>, t: Tensor<B, 1, Int>, y: Option<Tensor<B, 1, Int>>) -> Tensor<B, 4> {
        COUNTED.set(COUNTED.get() + x_t.dims()[0] as u64);
        let size = self.inner.config().sample_size.expect("a size");
        assert_eq!(x_t.dims()[2..], <[usize; 2]>::from(size), "images of another size");
        self.inner.denoise(x_t, t, y)
    }
}

type Model = Counting<B>;

fn stream(size: ImageSize) -> Stream {
    let glyphs = GlyphsConfig { size, train_per_class: 4, eval_per_class: 1, ..GlyphsConfig::default() };
    ClassIncremental::default().build(glyphs.build().unwrap()).unwrap()
}

/// Two steps of two images in each of three experiences: the counter, and what the network counted.
fn train(strategy: &mut dyn Strategy<B, Model>) -> (Passes, u64) {
    train_on(8.into(), strategy)
}

fn train_on(size: ImageSize, strategy: &mut dyn Strategy<B, Model>) -> (Passes, u64) {
    let config = UNet2DConfig { num_class_embeds: Some(10), ..UNet2DConfig::small(size, 1, &[4, 8]) };
    let key = Key::new(1, Purpose::named("model"));
    let model = Counting { inner: config.init::<B>(key, &Default::default()).unwrap() };
    let process = GaussianDiffusion::new(&BetaSchedule::linear(), 40).unwrap();
    let options = TrainerConfig { steps_per_experience: 2, batch_size: 2, ..TrainerConfig::default() };
    let mut trainer = Trainer::new(model, process, options, 1, Default::default()).unwrap();
    let stream = stream(size);
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
    check_on::<T>(8.into());
}

/// Images 12 wide and 8 high.
fn check_on_rectangles<T: Describe + Default + BuildStrategy<B, Model>>() {
    check_on::<T>(ImageSize { height: 8, width: 12 });
}

fn check_on<T: Describe + Default + BuildStrategy<B, Model>>(size: ImageSize) {
    let (passes, counted) = train_on(size, &mut *T::default().build().unwrap());
    assert_eq!(of_network(&passes), counted, "{}: {passes:?}", T::NAME);
    assert!(passes.training >= 12, "{}: {passes:?}", T::NAME);
}

macro_rules! check_all {
    ({} $($Config:ty),*) => { $(check::<$Config>();)* };
}

macro_rules! check_all_on_rectangles {
    ({} $($Config:ty),*) => { $(check_on_rectangles::<$Config>();)* };
}

#[test]
fn every_strategy_trains_on_rectangles() {
    crate::built_in_strategies!(check_all_on_rectangles! {});
    // The options that draw or mirror images, or ask a network of their own.
    let size = ImageSize { height: 12, width: 8 };
    let guidance = ClassifierGuidanceConfig { steps: 4, batch_size: 4, generated: 3, ..Default::default() };
    let generator = GeneratorConfig {
        source: Source::Pool { images: 5 },
        guidance: Some(guidance),
        ..GeneratorConfig::default()
    };
    let replay = GenerativeReplayConfig { generator, ..GenerativeReplayConfig::default() };
    let (guided, counted) = train_on(size, &mut *BuildStrategy::<B, Model>::build(&replay).unwrap());
    assert_eq!(of_network(&guided), counted);
    for inputs in [Inputs::Gaussian, Inputs::SymmetricGaussian, Inputs::PartialGeneration, Inputs::Lwf] {
        let config = GenerativeDistillationConfig { inputs, partial_steps: 3, ..Default::default() };
        let (passes, counted) = train_on(size, &mut *BuildStrategy::<B, Model>::build(&config).unwrap());
        assert_eq!(of_network(&passes), counted, "{inputs:?}");
    }
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

/// The passes of a strategy, of which the network has counted those that are its own.
fn passes_of(config: &impl BuildStrategy<B, Model>) -> Passes {
    let (passes, counted) = train(&mut *config.build().unwrap());
    assert_eq!(of_network(&passes), counted, "{passes:?}");
    passes
}

/// Before the second and the third experience, a classifier is trained on four steps of four images, three of past classes
/// drawn without guidance. It is asked twice in each pass that it guides: for the likeliest class, and for the gradient.
#[test]
fn guidance_towards_current_classes_asks_the_classifier_twice() {
    let small = ClassifierGuidanceConfig { steps: 4, batch_size: 4, generated: 3, ..Default::default() };
    let guidance = Some(ClassifierGuidanceConfig { towards: Towards::Current, ..small });
    let with = |source| {
        let generator = GeneratorConfig { source, guidance, ..GeneratorConfig::default() };
        passes_of(&GenerativeReplayConfig { generator, ..GenerativeReplayConfig::default() })
    };
    let unguided = 2 * 3 * 10;
    // Eight fresh images, or a pool of five before each of two experiences.
    for (source, images) in [(Source::Fresh, 8), (Source::Pool { images: 5 }, 2 * 5)] {
        let (guided, training) = (images * 10, 12 + 8);
        let (generator, classifier) = (unguided + guided, 2 * 4 * 4 + 2 * guided);
        assert_eq!(with(source), Passes { training, generator, classifier, ..Passes::default() });
    }
}

/// Eight images, of each of which teacher and model are asked once.
#[test]
fn the_inputs_of_a_distillation_have_their_own_cost() {
    for (inputs, generator) in [
        (Inputs::Generated, 8 * 10),
        (Inputs::Gaussian, 0),
        (Inputs::SymmetricGaussian, 0),
        (Inputs::PartialGeneration, 8 * 3),
        (Inputs::Lwf, 0),
    ] {
        let config = GenerativeDistillationConfig { inputs, partial_steps: 3, ..Default::default() };
        let expected = Passes { training: 12 + 8, teacher: 8, generator, ..Passes::default() };
        assert_eq!(passes_of(&config), expected, "{inputs:?}");
    }
}

/// Of 40 timesteps, or of 5: an image takes a pass for each timestep above its own. The highest alone takes none.
#[test]
fn a_partial_sampling_takes_a_pass_for_each_step_that_it_makes() {
    for (steps, longest) in [(None, 39), (Some(5), 4)] {
        let of = |least_timestep_share| {
            passes_of(&PartialSamplingDistillationConfig {
                steps,
                least_timestep_share,
                ..Default::default()
            })
        };
        let passes = of(0.0);
        assert_eq!((passes.training, passes.teacher), (12 + 8, 8));
        assert!(passes.generator > 0 && passes.generator <= 8 * longest, "{passes:?}");
        assert_eq!(of(1.0).generator, 0);
    }
}

/// Two steps of two images look back in each of two experiences. Fixed noise: the predictions of all eight images of each of
/// three experiences; fresh noise: the teacher is asked in the steps, and nothing is stored.
#[test]
fn dark_predictions_are_made_once_or_in_every_step() {
    for (noise, teacher) in [(DarkNoise::Fixed, 3 * 8), (DarkNoise::Fresh, 8)] {
        let expected = Passes { training: 12 + 8, teacher, ..Passes::default() };
        assert_eq!(passes_of(&DerConfig { noise, ..Default::default() }), expected, "{noise:?}");
    }
}

/// Two steps with a memory of eight images, two with two of them; or with three images of each.
#[test]
fn gem_asks_its_whole_memory_in_every_step() {
    for (batch_size, each) in [(None, 8), (Some(3), 3)] {
        let expected = Passes { training: 12 + 2 * each + 2 * 2 * each, ..Passes::default() };
        assert_eq!(passes_of(&GemConfig { batch_size, ..Default::default() }), expected, "{batch_size:?}");
    }
}

/// After each of three experiences three images with two timesteps each, which rank 1 sees twice.
#[test]
fn each_estimate_of_the_fisher_information_counts_its_samples() {
    for (fisher, of_experience) in [(Fisher::PerSample, 6), (Fisher::BatchMean, 6), (Fisher::RankOne, 12)] {
        let config = EwcConfig {
            fisher,
            samples: 3,
            timesteps_per_sample: 2,
            batch_size: Some(4),
            ..Default::default()
        };
        let expected = Passes { training: 12, fisher: 3 * of_experience, ..Passes::default() };
        assert_eq!(passes_of(&config), expected, "{fisher:?}");
    }
}

/// Where replay adds a loss, in four steps of two images, the gradient of the current loss alone takes one more pass of the
/// batch, whether one strategy or two integrate it.
#[test]
fn a_path_integral_beside_an_added_loss_takes_the_batch_through_once_more() {
    let build = |config: &dyn BuildStrategy<B, Model>| config.build().unwrap();
    for (terms, training) in [
        (vec![build(&SiConfig::default())], 12),
        (vec![build(&ReplayConfig::default()), build(&SiConfig::default())], 12 + 8 + 8),
        (
            vec![
                build(&SiConfig::default()),
                build(&ReplayConfig::default()),
                build(&RwalkConfig::default()),
            ],
            12 + 8 + 8,
        ),
    ] {
        let (passes, counted) = train(&mut Compose::new(terms));
        assert_eq!(passes, Passes { training, ..Passes::default() });
        assert_eq!(passes.total(), counted);
    }
}
