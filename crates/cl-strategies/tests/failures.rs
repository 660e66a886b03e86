//! A failure inside of a strategy ends the training with that error; nothing goes on as finetuning without a word.

mod common;

use std::ops::ControlFlow;

use burn::{optim::GradientsParams, tensor::Tensor};
use burn_autodiff::Autodiff;
use burn_flex::Flex;
use cl_strategies::{
    Boundary, Compose, GenerativeDistillation, GenerativeReplay, PartialSamplingDistillation,
    PartialSamplingDistillationConfig, Step, StepTaker, Strategy, StrategyError,
};
use common::{options, stream, trainer};
use data_streams::ImageDataset;
use ddpm_core::{
    GaussianDiffusion, UNet2D, UNet2DConfig,
    noise::{Key, Purpose},
    schedule::BetaSchedule,
};

type B = Autodiff<Flex>;
type Model = UNet2D<B>;
type Boxed = Box<dyn Strategy<B, Model>>;

/// A state of a process that has fewer timesteps than the sampler takes steps: the teacher is there, and cannot draw.
#[test]
fn a_teacher_that_cannot_draw_ends_the_training() {
    let stream = stream(5);
    let short = || {
        let config = UNet2DConfig { num_class_embeds: Some(10), ..UNet2DConfig::small(8, 1, &[4, 8]) };
        let key = Key::new(1, Purpose::named("model"));
        let process = GaussianDiffusion::new(&BetaSchedule::linear(), 5).unwrap();
        let model = config.init::<B>(key, &Default::default()).unwrap();
        cl_strategies::Trainer::new(model, process, options(), 1, Default::default()).unwrap()
    };
    let failure = |make: &dyn Fn() -> Boxed| {
        let composed = || Compose::named(vec![("term", make())]);
        let (mut strategy, mut first) = (composed(), trainer::<Flex>(options()));
        first.train_experience(&mut strategy, &stream, 0, &mut |_| ControlFlow::Continue(())).unwrap();
        let mut state = first.save(&strategy);
        let (mut strategy, mut second) = (composed(), short());
        // Timesteps are drawn from the shorter process; only the strategy still expects the longer one.
        let timesteps = second.save(&strategy).values["timesteps"].clone();
        state.values.insert("timesteps".into(), timesteps);
        second.restore(&mut strategy, state, &stream.all_train()).unwrap();
        let mut steps = 0;
        let outcome = second.train_experience(&mut strategy, &stream, 1, &mut |_| {
            steps += 1;
            ControlFlow::Continue(())
        });
        assert_eq!(steps, 0);
        outcome.unwrap_err().to_string()
    };
    for (name, message) in [
        (
            "term.generator.sampler.ddim.steps",
            failure(&|| Box::new(GenerativeReplay::<B, Model>::new(Default::default()).unwrap())),
        ),
        (
            "term.generator.sampler.ddim.steps",
            failure(&|| Box::new(GenerativeDistillation::<B, Model>::new(Default::default()).unwrap())),
        ),
        (
            "term.steps",
            failure(&|| {
                let config = PartialSamplingDistillationConfig { steps: Some(10), ..Default::default() };
                Box::new(PartialSamplingDistillation::<B, Model>::new(config).unwrap())
            }),
        ),
    ] {
        assert!(message.starts_with(&format!("`{name}` is ")), "{message}");
    }
}

/// Every hook that can fail, with the name of its term before the key.
#[test]
fn an_error_of_a_hook_ends_the_training() {
    for hook in [
        "training_data",
        "start_from",
        "replace",
        "loss",
        "gradients",
        "take_step",
        "after_step",
        "after_experience",
    ] {
        let mut strategy = Compose::named(vec![("failing", Box::new(Failing(hook)) as Boxed)]);
        let mut steps = 0;
        let outcome = trainer::<Flex>(options()).train_experience(&mut strategy, &stream(5), 0, &mut |_| {
            steps += 1;
            ControlFlow::Continue(())
        });
        let message = outcome.unwrap_err().to_string();
        let owner = if hook == "take_step" { "" } else { "failing." };
        assert_eq!(message, format!("`{owner}{hook}` is there: expected to fail"));
        assert_eq!(steps, if hook == "after_experience" { 4 } else { 0 }, "{hook}");
    }
    let average = trainer::<Flex>(options()).average();
    let strategy = Compose::named(vec![("failing", Box::new(Failing("model_for")) as Boxed)]);
    assert!(strategy.model_for(0, &average).is_err());
    let strategy = Compose::named(vec![("failing", Box::new(Failing("stored_images")) as Boxed)]);
    assert!(Strategy::<B, Model>::stored_images(&strategy).is_err());
}

/// A strategy of which one hook fails.
#[derive(Debug)]
struct Failing(&'static str);

impl Failing {
    fn at<T>(&self, hook: &str, otherwise: T) -> Result<T, StrategyError> {
        if self.0 != hook {
            return Ok(otherwise);
        }
        let (value, expected) = ("there".into(), "expected to fail".into());
        Err(StrategyError::Config { key: hook.into(), value, expected })
    }
}

impl Strategy<B, Model> for Failing {
    fn training_data(
        &self,
        _: &data_streams::Stream,
        _: usize,
    ) -> Result<Option<ImageDataset>, StrategyError> {
        self.at("training_data", None)
    }

    fn start_from(&mut self, _: &Boundary<'_, B, Model>) -> Result<Option<Model>, StrategyError> {
        self.at("start_from", None)
    }

    fn replace(&mut self, _: &Boundary<'_, B, Model>, _: usize) -> Result<Option<Model>, StrategyError> {
        self.at("replace", None)
    }

    fn loss(&mut self, _: &Step<'_, B, Model>, loss: Tensor<B, 1>) -> Result<Tensor<B, 1>, StrategyError> {
        self.at("loss", loss)
    }

    fn gradients(
        &mut self,
        _: &Step<'_, B, Model>,
        grads: GradientsParams,
    ) -> Result<GradientsParams, StrategyError> {
        self.at("gradients", grads)
    }

    fn optimizer(&mut self) -> Option<&mut dyn StepTaker<B, Model>> {
        if self.0 == "take_step" { Some(self) } else { None }
    }

    fn after_step(&mut self, _: &Model) -> Result<(), StrategyError> {
        self.at("after_step", ())
    }

    fn after_experience(&mut self, _: &Boundary<'_, B, Model>) -> Result<(), StrategyError> {
        self.at("after_experience", ())
    }

    fn model_for(&self, _: usize, _: &UNet2D<Flex>) -> Result<Option<UNet2D<Flex>>, StrategyError> {
        self.at("model_for", None)
    }

    fn stored_images(&self) -> Result<Option<ImageDataset>, StrategyError> {
        self.at("stored_images", None)
    }
}

impl StepTaker<B, Model> for Failing {
    fn take_step(
        &mut self,
        model: Model,
        _: GradientsParams,
        _: f64,
        _: Option<f64>,
    ) -> Result<Model, StrategyError> {
        self.at("take_step", model)
    }
}
