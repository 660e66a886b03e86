//! The losses and gradients of strategies, against answers worked out by hand for a denoiser of one parameter.

use burn::{
    module::AutodiffModule,
    tensor::{Tensor, TensorData},
};
use burn_flex::Flex;
use ddpm_core::parameters::ParameterVector;

use crate::{
    Der, DerConfig, Ewc, EwcConfig, Fisher, L2, L2Config, Lwf, LwfConfig, Mas, MasConfig, Si, SiConfig,
    Strategy, minimise, project,
    test_support::{B, Fixture, Line, gradient, line, parameter},
};

/// The gradient that a strategy makes of one that is zero.
fn pull<S: Strategy<B, Line<B>>>(strategy: &mut S, fixture: &Fixture, model: &Line<B>) -> f64 {
    let batch = fixture.batch(model);
    let step = fixture.step(model, &batch);
    let mut grads = strategy.gradients(&step, gradient(model, 0.0)).unwrap();
    let found = ddpm_core::parameters::take_gradients::<B, _>(model, &mut grads);
    f64::from(found.to_floats()[0])
}

#[test]
fn l2_pulls_back_in_proportion_to_the_distance() {
    let fixture = Fixture::new();
    let mut l2 = L2::<Flex>::new(L2Config { lambda: 0.5 }).unwrap();
    assert_eq!(pull(&mut l2, &fixture, &line(3.0)), 0.0);
    l2.after_experience(&fixture.boundary(&line(1.0))).unwrap();
    assert!((pull(&mut l2, &fixture, &line(3.0)) - 0.5 * 2.0).abs() < 1e-6);
}

/// With w = 0 and x_0 = -1, a sample's gradient is g = -2 x_t e = 2 a e - 2 b e^2, where a^2 is alphas_cumprod and
/// b^2 = 1 - a^2: E g^2 = 4 (a^2 + 3 b^2), E g = -2 b, averaged over the timesteps. The square of the mean over a
/// minibatch of B is (E g)^2 + (E g^2 - (E g)^2) / B on average.
#[test]
fn the_fisher_information_of_a_linear_denoiser_is_known() {
    let fixture = Fixture::new();
    let total = fixture.process.timesteps();
    let mean = |f: &dyn Fn(f64) -> f64| {
        (0..total).map(|t| f(fixture.process.alpha_cumprod(t))).sum::<f64>() / total as f64
    };
    let samples = 1000;
    let fisher = |fisher: Fisher| {
        let config = EwcConfig { lambda: 1.0, fisher, samples, timesteps_per_sample: 3, batch_size: Some(4) };
        let mut ewc = Ewc::<Flex>::new(config).unwrap();
        ewc.after_experience(&fixture.boundary(&line(0.0))).unwrap();
        // At a distance of 1 the pull is the importance.
        pull(&mut ewc, &fixture, &line(1.0))
    };
    let squared = mean(&|abar| 4.0 * (abar + 3.0 * (1.0 - abar)));
    let found = fisher(Fisher::PerSample);
    // The square of g has a standard deviation of about three times its mean.
    assert!((found / squared - 1.0).abs() < 5.0 * 3.0 / 3000.0_f64.sqrt(), "{found} instead of {squared}");
    let mean_squared = mean(&|abar| -2.0 * (1.0 - abar).sqrt()).powi(2);
    // For one parameter the outer product of the mean gradient, with its coefficient, is the Fisher information itself.
    let rank_one = fisher(Fisher::RankOne);
    assert!((rank_one / found - 1.0).abs() < 1e-4, "{rank_one} instead of {found}");
    let of_batches = mean_squared + (squared - mean_squared) / 4.0;
    let found = fisher(Fisher::BatchMean);
    assert!((found / of_batches - 1.0).abs() < 0.3, "{found} instead of {of_batches}");
    assert!(found > 1.2 * mean_squared, "{found} is the square of one mean, or near it");
}

/// Two experiences: the sum of their penalties, whatever way it is stored.
#[test]
fn penalties_of_two_experiences_add_up() {
    let fixture = Fixture::new();
    let config = EwcConfig { lambda: 2.0, samples: 20, timesteps_per_sample: 1, ..EwcConfig::default() };
    let alone = |at: f32| {
        let mut ewc = Ewc::<Flex>::new(config).unwrap();
        ewc.after_experience(&fixture.boundary(&line(at))).unwrap();
        pull(&mut ewc, &fixture, &line(2.0))
    };
    let mut both = Ewc::<Flex>::new(config).unwrap();
    both.after_experience(&fixture.boundary(&line(0.2))).unwrap();
    both.after_experience(&fixture.boundary(&line(-0.7))).unwrap();
    let (found, expected) = (pull(&mut both, &fixture, &line(2.0)), alone(0.2) + alone(-0.7));
    assert!((found / expected - 1.0).abs() < 1e-5, "{found} instead of {expected}");
}

/// Small steps down a parabola: the path integral is the height that was lost, and the importance that over the squared
/// distance.
#[test]
fn synaptic_intelligence_on_a_parabola_is_the_height_lost() {
    let fixture = Fixture::new();
    let config = SiConfig { c: 0.5, xi: 0.01 };
    let mut si = Si::<Flex>::new(config).unwrap();
    let (curvature, start, rate) = (3.0, 1.0_f32, 1e-3);
    let mut model = line(start);
    si.before_experience(&fixture.boundary(&model)).unwrap();
    for _ in 0..400 {
        let batch = fixture.batch(&model);
        let g = curvature * parameter(&model) as f32;
        let step = fixture.step(&model, &batch);
        Strategy::<B, Line<B>>::gradients(&mut si, &step, gradient(&model, g)).unwrap();
        model = line(parameter(&model) as f32 - rate * g);
        Strategy::<B, Line<B>>::after_step(&mut si, &model).unwrap();
    }
    let end = parameter(&model);
    si.after_experience(&fixture.boundary(&model)).unwrap();
    let height = 0.5 * f64::from(curvature) * (f64::from(start).powi(2) - end.powi(2));
    let importance = height / ((f64::from(start) - end).powi(2) + config.xi);
    let found = pull(&mut si, &fixture, &line(end as f32 + 1.0)) / (2.0 * config.c);
    assert!((found / importance - 1.0).abs() < 0.01, "{found} instead of {importance}");
}

/// The squared norm of the output is w^2 x_t^2, and x_t^2 is 1 on average, since the process keeps the variance.
#[test]
fn the_sensitivity_of_a_linear_denoiser_is_known() {
    let fixture = Fixture::new();
    let mut mas = Mas::<Flex>::new(MasConfig { lambda: 0.5, samples: 3000 }).unwrap();
    mas.after_experience(&fixture.boundary(&line(-0.4))).unwrap();
    let found = pull(&mut mas, &fixture, &line(0.6));
    assert!((found - 0.8).abs() < 5.0 * 0.8 * 1.5 / 3000.0_f64.sqrt(), "{found} instead of 0.8");
}

#[test]
fn distillation_vanishes_at_the_teacher_and_grows_from_it() {
    let fixture = Fixture::new();
    let loss = |strategy: &mut dyn Strategy<B, Line<B>>, w: f32| {
        let model = line(w);
        let batch = fixture.batch(&model);
        let zero = Tensor::<B, 1>::zeros([1], &Default::default());
        let loss = strategy.loss(&fixture.step(&model, &batch), zero).unwrap();
        f64::from(loss.into_data().to_vec::<f32>().unwrap()[0])
    };
    let mut lwf = Lwf::<B, Line<B>>::new(LwfConfig { lambda: 2.0, ..Default::default() }).unwrap();
    let mut der = Der::<B>::new(DerConfig {
        alpha: 2.0,
        batch_size: Some(8),
        per_experience: 10,
        ..Default::default()
    })
    .unwrap();
    for strategy in [&mut lwf as &mut dyn Strategy<B, Line<B>>, &mut der] {
        assert_eq!(loss(strategy, 0.9), 0.0);
        strategy.after_experience(&fixture.boundary(&line(0.3))).unwrap();
        assert_eq!(loss(strategy, 0.3), 0.0);
        // The difference is (w - w') x_t: four times as much at twice the distance.
        let (near, far) = (loss(strategy, 0.4), loss(strategy, 0.5));
        assert!(near > 0.0 && (far / near - 4.0).abs() < 1e-4, "{near}, {far}");
    }
}

/// A-GEM's projection is the solution of GEM's problem with one constraint and no margin.
#[test]
fn the_averaged_projection_solves_the_problem_of_one_constraint() {
    let vector = |values: [f32; 3]| {
        let linear = burn::nn::LinearConfig::new(3, 1).with_bias(false).init::<B>(&Default::default());
        let valid = linear.valid();
        ParameterVector::<Flex>::of(&valid)
            .map(|t| t * 0.0 + Tensor::from_data(TensorData::new(values.to_vec(), [3]), &Default::default()))
    };
    for (g, r) in [([1.0, 2.0, -1.0], [0.5, -2.0, 0.3]), ([1.0, 2.0, 0.0], [1.0, 0.5, 2.0])] {
        let dot = |a: [f32; 3], b: [f32; 3]| a.iter().zip(b).map(|(a, b)| f64::from(a * b)).sum::<f64>();
        let v = minimise(&[dot(r, r)], &[dot(g, r)], 0.0)[0];
        let expected: Vec<f64> = g.iter().zip(r).map(|(g, r)| f64::from(*g) + v * f64::from(r)).collect();
        let found = project(vector(g), vector(r)).to_floats();
        for (found, expected) in found.iter().zip(&expected) {
            assert!((f64::from(*found) - expected).abs() < 1e-6, "{found} instead of {expected}");
        }
    }
}
