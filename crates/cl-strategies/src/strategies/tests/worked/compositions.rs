//! Several strategies as one: nothing scales another's loss, and nothing integrates another's gradient.

use burn::{optim::GradientsParams, tensor::Tensor};
use burn_flex::Flex;
use ddpm_core::noise::indices;

use super::{Sample, assert_all_near, assert_near, end, loss, mean, samples};
use crate::{
    AddedLoss, Compose, GenerativeDistillation, GenerativeDistillationConfig, GenerativeReplay,
    GenerativeReplayConfig, Mixing, Replay, ReplayConfig, Rwalk, RwalkConfig, Si, SiConfig, Step, Strategy,
    StrategyError,
    buffer::{BufferConfig, Ring},
    test_support::{B, Fixture, Line, gradients, lines, numbers},
};

type Boxed = Box<dyn Strategy<B, Line<B>>>;

/// Adds `factor w_0^2`.
#[derive(Debug)]
struct Adds {
    factor: f64,
    share: f64,
}

impl Strategy<B, Line<B>> for Adds {
    fn added(&mut self, step: &Step<'_, B, Line<B>>) -> Result<Option<AddedLoss<B>>, StrategyError> {
        let one = Tensor::ones([1, 1, 1, 1], step.device);
        let w = step.process.evaluate(step.model, one, &[0], Some(indices(&[0], step.device)));
        let loss = (w.clone() * w).reshape([1]).mul_scalar(self.factor);
        Ok(Some(AddedLoss { loss, share: self.share }))
    }
}

/// Adds 5 to every gradient.
#[derive(Debug)]
struct Pulls;

impl Strategy<B, Line<B>> for Pulls {
    fn gradients(
        &mut self,
        step: &Step<'_, B, Line<B>>,
        grads: GradientsParams,
    ) -> Result<GradientsParams, StrategyError> {
        let pulled: Vec<f32> = numbers(step.model, grads).iter().map(|g| *g as f32 + 5.0).collect();
        Ok(gradients(step.model, &pulled))
    }
}

/// Ten times the loss, as a strategy of one's own may have it.
#[derive(Debug)]
struct Scales;

impl Strategy<B, Line<B>> for Scales {
    fn loss(&mut self, _: &Step<'_, B, Line<B>>, loss: Tensor<B, 1>) -> Result<Tensor<B, 1>, StrategyError> {
        Ok(loss.mul_scalar(10.0))
    }
}

fn adds(factor: f64, share: f64) -> Boxed {
    Box::new(Adds { factor, share })
}

#[test]
fn terms_add_up_and_share_with_the_current_loss_alone() {
    let fixture = Fixture::new();
    // w^2 is 4, the current loss 3.
    for (terms, expected) in [
        (vec![], 3.0),
        (vec![adds(2.0, 1.0)], 3.0 + 8.0),
        (vec![adds(2.0, 0.25)], 0.75 + 8.0),
        (vec![adds(2.0, 0.2), adds(0.5, 0.2)], 0.6 + 8.0 + 2.0),
        (vec![adds(2.0, 1.0), adds(0.5, 0.2)], 0.6 + 8.0 + 2.0),
        (vec![adds(2.0, 0.5), adds(0.5, 0.2), adds(1.0, 0.4)], 0.6 + 8.0 + 2.0 + 4.0),
        (vec![adds(2.0, 0.2), Box::new(Scales)], 6.0 + 8.0),
        (vec![Box::new(Scales), adds(2.0, 0.2)], 6.0 + 8.0),
    ] {
        let found = loss(&mut Compose::new(terms), &fixture, &[2.0], 3.0);
        assert_near(found, expected, "composition");
    }
}

/// In the fifth experience generative replay and distillation have 1/5 and 4/5 each, not 1/25 and 4/25; stored images
/// beside them keep their weight of 0.3.
#[test]
fn generative_terms_do_not_scale_each_other() {
    let mut fixture = Fixture::new().of_timesteps(20);
    fixture.at = 4;
    let replay = || -> Boxed {
        Box::new(GenerativeReplay::<B, Line<B>>::new(GenerativeReplayConfig::default()).unwrap())
    };
    let distillation = || -> Boxed {
        let config = GenerativeDistillationConfig { distillation_coefficient: 0.5, ..Default::default() };
        Box::new(GenerativeDistillation::<B, Line<B>>::new(config).unwrap())
    };
    let stored = || -> Boxed {
        let buffer = BufferConfig::of(Ring { per_experience: 10 });
        let config = ReplayConfig {
            rehearsal_coefficient: 0.3,
            buffer,
            mixing: Mixing::TwoMeans,
            ..ReplayConfig::default()
        };
        Box::new(Replay::new(config).unwrap())
    };
    let composed = |terms: Vec<Boxed>| {
        let mut compose = Compose::new(terms);
        end(&mut compose, &fixture, &[0.4]);
        loss(&mut compose, &fixture, &[0.1], 3.0)
    };
    let alone = [composed(vec![replay()]) - 0.6, composed(vec![distillation()]) - 0.6];
    assert!(alone.iter().all(|added| *added > 0.0), "{alone:?}");
    let both = composed(vec![replay(), distillation()]);
    assert_near(both, 0.6 + alone[0] + alone[1], "both");
    assert_near(composed(vec![distillation(), replay()]), both, "the other way round");
    let beside = composed(vec![stored()]) - 3.0;
    let all = composed(vec![stored(), replay(), distillation()]);
    assert_near(all, both + beside, "with stored images");
}

/// The gradient of the current loss for each parameter, by hand.
fn of_loss(samples: &[Sample], w: &[f32]) -> Vec<f64> {
    let of = |label| mean(samples, |s| if s.y == label { s.gradient(w) } else { 0.0 });
    (0..w.len()).map(of).collect()
}

/// One step of an experience with a composition, from `w` to `to`: the gradients of the step.
fn step(compose: &mut Compose<B, Line<B>>, fixture: &Fixture, w: &[f32], to: &[f32]) -> Vec<f64> {
    let model = lines(w);
    compose.before_experience(&fixture.boundary(&model)).unwrap();
    let batch = fixture.batch(&model);
    let step = fixture.step(&model, &batch);
    let total = compose.loss(&step, step.loss_on(&batch)).unwrap();
    let grads = GradientsParams::from_grads(total.backward(), &model);
    let grads = numbers(&model, compose.gradients(&step, grads).unwrap());
    compose.after_step(&lines(to)).unwrap();
    end(compose, fixture, to);
    grads
}

/// With and without other losses and gradients, a path integral is that of the current loss.
#[test]
fn synaptic_intelligence_integrates_the_current_loss_alone() {
    let (fixture, w, config) = (Fixture::new(), [0.4_f32], SiConfig { c: 0.7, xi: 0.02 });
    let g = of_loss(&samples(&fixture.batch(&lines(&w))), &w)[0];
    // Downhill, so that the integral is above 0.
    let to = [w[0] - 0.3 * g.signum() as f32];
    let si = || -> Boxed { Box::new(Si::<Flex>::new(config).unwrap()) };
    for (terms, expected, pulls) in [
        (vec![si()], g, 0.0),
        (vec![Box::new(Pulls) as Boxed, si()], g + 5.0, 5.0),
        (vec![adds(7.0, 1.0), si()], g + 14.0 * 0.4, 0.0),
        (vec![adds(7.0, 0.25), Box::new(Pulls), si()], 0.25 * g + 14.0 * 0.4 + 5.0, 5.0),
    ] {
        let mut compose = Compose::new(terms);
        assert_all_near(&step(&mut compose, &fixture, &w, &to), &[expected], "the gradient of the step");
        let importance = 0.3 * g.abs() / (0.09 + 0.02);
        let pulled = super::pull(&mut compose, &fixture, &[to[0] + 1.0])[0];
        assert_near(pulled - pulls, 2.0 * 0.7 * importance, "the importance");
    }
}

/// As above; both importances of RWalk are scaled to at most 1, so that it takes two parameters to see them.
#[test]
fn riemannian_walk_integrates_the_current_loss_alone() {
    let mut fixture = Fixture::labelled(&[0, 1, 0, 1], 2).told(0.0);
    fixture.seed = 5;
    let w = [0.4_f32, -0.2];
    let g = of_loss(&samples(&fixture.batch(&lines(&w))), &w);
    assert!(g[0] != 0.0 && g[1] != 0.0);
    let to = [w[0] - 0.3 * g[0].signum() as f32, w[1] - 0.1 * g[1].signum() as f32];
    let config = RwalkConfig { lambda: 0.7, alpha: 0.25, update_every: 10, epsilon: 0.5 };
    let unit = |v: [f64; 2]| v.map(|x| x / v[0].max(v[1]));
    let score = |g: f64, way: f64| g.abs() * way / (0.5 * (g * way).powi(2) + 0.5);
    let (fisher, score) = (unit([g[0].powi(2), g[1].powi(2)]), unit([score(g[0], 0.3), score(g[1], 0.1)]));
    for terms in [vec![], vec![adds(7.0, 1.0)], vec![adds(7.0, 0.25)]] {
        let mut terms: Vec<Boxed> = terms;
        terms.push(Box::new(Rwalk::<Flex>::new(config).unwrap()));
        let mut compose = Compose::new(terms);
        step(&mut compose, &fixture, &w, &to);
        let found = super::pull(&mut compose, &fixture, &[to[0] + 1.0, to[1] + 1.0]);
        let expected = [0, 1].map(|i| 2.0 * 0.7 * (fisher[i] + score[i]));
        assert_all_near(&found, &expected, "the importance");
    }
}

/// With several batches a step, the gradient of the current loss is that of all their images, each as much as every other:
/// three and five images have 3/8 and 5/8.
#[test]
fn the_gradient_of_the_current_loss_is_over_all_batches_of_a_step() {
    let (fixture, w) = (Fixture::new(), [0.4_f32]);
    let model = lines(&w);
    let batches = [&[0, 1, 2][..], &[3, 4, 5, 6, 7]].map(|images| fixture.batch_of(&model, images));
    let of_batch = batches.each_ref().map(|batch| of_loss(&samples(batch), &w)[0]);
    assert!((of_batch[0] - of_batch[1]).abs() > 1e-3 * of_batch[0].abs(), "{of_batch:?}");
    let expected = 3.0 / 8.0 * of_batch[0] + 5.0 / 8.0 * of_batch[1];
    for batch in &batches {
        let step = Step { batches: &batches, ..fixture.step(&model, batch) };
        assert_near(f64::from(step.loss_gradient().to_floats()[0]), expected, "the gradient");
    }
    assert_eq!(fixture.passes.passes().training, 2 * 8);
}
