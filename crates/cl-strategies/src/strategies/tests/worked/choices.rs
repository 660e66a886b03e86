//! Options away from their defaults: DER's noise, GEM's memory and margin, the weights of teachers, images of 8 bits.

use burn::tensor::Tensor;
use ddpm_core::{
    noise::Purpose,
    sampler::{Ddim, SamplerConfig},
};
use rand::Rng;

use super::{Sample, assert_near, end, loss, mean, samples};
use crate::{
    DarkNoise, Der, DerConfig, DerPlusPlusConfig, Gem, GemConfig, GenerativeDistillation,
    GenerativeDistillationConfig, GeneratorConfig, Inputs, Lwf, LwfConfig, Mixing,
    PartialSamplingDistillation, PartialSamplingDistillationConfig, Strategy, TeacherWeights,
    test_support::{B, Fixture, Line, gradients, lines, numbers},
};

const STORED: Purpose = Purpose::named("what dark experience replay stores");
const FRESH: Purpose = Purpose::named("fresh noise of dark experience replay");
const REFERENCE: Purpose = Purpose::named("gradients of the memory");

/// The samples of a step's batch of stored images, which all look alike, with noise that the step draws.
fn drawn(fixture: &Fixture, images: &Fixture, n: usize, purpose: Purpose) -> Vec<Sample> {
    let model = lines(&[0.0]);
    let batch = fixture.batch(&model);
    let step = fixture.step(&model, &batch);
    samples(&step.noisy(&images.experience.train, &(0..n).collect::<Vec<_>>(), purpose))
}

/// The experience whose stored images a step of DER draws, of so many.
fn chosen(fixture: &Fixture, experiences: usize) -> usize {
    let model = lines(&[0.0]);
    let batch = fixture.batch(&model);
    let key = fixture.step(&model, &batch).key.within(STORED);
    key.rng(0).random_range(0..experiences)
}

/// Two and three experiences: the model of the experience that is drawn is asked at noise of the step's own. Of a model with
/// one parameter one number is kept for each experience.
#[test]
fn dark_experience_replay_with_fresh_noise_asks_the_model_of_the_experience() {
    let uniform = Fixture::new().of_timesteps(8);
    let weighted = Fixture::new().drawn_by(8, |t| 1.0 + 3.0 * t as f64);
    for mut fixture in [uniform, weighted] {
        let (w, n, noise) = ([0.2], 5, DarkNoise::Fresh);
        let config =
            DerConfig { alpha: 0.7, batch_size: Some(n), per_experience: 6, noise, ..Default::default() };
        let mut der = Der::<B>::new(config).unwrap();
        let mut chosen_ones = std::collections::BTreeSet::new();
        let models = [[0.4], [-0.3], [1.1]];
        for (k, then) in models.iter().enumerate() {
            end(&mut der, &fixture, then);
            for seed in 0..20 {
                fixture.seed = 100 + seed;
                let of = chosen(&fixture, k + 1);
                chosen_ones.insert(of);
                let batch = drawn(&fixture, &fixture, n, FRESH);
                let expected = 3.0 + 0.7 * mean(&batch, |s| s.apart(&w, &models[of]));
                assert_near(loss(&mut der, &fixture, &w, 3.0), expected, "DER with fresh noise");
            }
        }
        assert_eq!(chosen_ones.len(), 3);
        assert_eq!(Strategy::<B, Line<B>>::memory(&der).extra_parameters, 3);
    }
}

/// DER++ hands both options on, and its loss on stored images stays.
#[test]
fn der_plus_plus_has_the_choices_of_der() {
    let fixture = Fixture::new().of_timesteps(8).averaging(&[-0.6]);
    let (w, n, noise, teacher) = ([0.2], 5, DarkNoise::Fresh, TeacherWeights::Average);
    let config = |alpha, beta| {
        let config = DerPlusPlusConfig {
            alpha,
            beta,
            batch_size: Some(n),
            per_experience: 6,
            noise,
            teacher,
            ..Default::default()
        };
        let mut der = Der::<B>::plus_plus(config).unwrap();
        end(&mut der, &fixture, &[0.4]);
        loss(&mut der, &fixture, &w, 0.0)
    };
    let dark = 0.7 * mean(&drawn(&fixture, &fixture, n, FRESH), |s| s.apart(&w, &[-0.6]));
    assert_near(config(0.7, 0.0), dark, "alpha");
    assert_near(config(0.7, 0.3), dark + config(0.0, 0.3), "alpha and beta");
}

/// The parameter is 0.4 as trained and -0.6 on average: the squared difference of the predictions is that to one or the other.
#[test]
fn a_teacher_has_the_weights_that_it_is_told_to_have() {
    let (w, raw, average) = ([0.2_f32], [0.4_f32], [-0.6_f32]);
    let fixture = Fixture::new().of_timesteps(8).averaging(&average);
    for (teacher, then) in [(TeacherWeights::Raw, raw), (TeacherWeights::Average, average)] {
        let mut lwf =
            Lwf::<B, Line<B>>::new(LwfConfig { lambda: 0.7, teacher, ..Default::default() }).unwrap();
        end(&mut lwf, &fixture, &raw);
        let batch = samples(&fixture.batch(&lines(&w)));
        let expected = 3.0 + 0.7 * mean(&batch, |s| s.apart(&w, &then));
        assert_near(loss(&mut lwf, &fixture, &w, 3.0), expected, &format!("LwF, {teacher:?}"));

        // The process has fewer timesteps than the steps of the default sampler, which draws nothing here.
        let sampler = SamplerConfig::of(Ddim { steps: 1, ..Ddim::default() });
        let generator = GeneratorConfig { sampler, teacher, ..GeneratorConfig::default() };
        let config = GenerativeDistillationConfig {
            inputs: Inputs::Lwf,
            distillation_coefficient: 0.7,
            mixing: Mixing::TwoMeans,
            generator,
            ..Default::default()
        };
        let mut distillation = GenerativeDistillation::<B, Line<B>>::new(config).unwrap();
        end(&mut distillation, &fixture, &raw);
        let found = loss(&mut distillation, &fixture, &w, 3.0);
        assert_near(found, expected, &format!("distillation, {teacher:?}"));

        // Predictions are linear in the parameter, so that a model is held to the stored ones alone.
        let config =
            DerConfig { alpha: 0.7, batch_size: Some(5), per_experience: 6, teacher, ..Default::default() };
        let mut der = Der::<B>::new(config).unwrap();
        end(&mut der, &fixture, &raw);
        assert_eq!(loss(&mut der, &fixture, &then, 3.0), 3.0, "DER, {teacher:?}");
        let (near, far) =
            (loss(&mut der, &fixture, &[then[0] + 0.1], 0.0), loss(&mut der, &fixture, &w, 0.0));
        assert_near(far / near, f64::from((w[0] - then[0]) / 0.1).powi(2), &format!("DER, {teacher:?}"));

        let config = PartialSamplingDistillationConfig { batch_size: Some(5), teacher, ..Default::default() };
        let mut partial = PartialSamplingDistillation::<B, Line<B>>::new(config).unwrap();
        end(&mut partial, &fixture, &raw);
        let apart = loss(&mut partial, &fixture, &then, 3.0) - 3.0;
        assert!(apart.abs() < 1e-5, "partial sampling, {teacher:?}: {apart} at the teacher");
        assert!(loss(&mut partial, &fixture, &w, 3.0) > 3.001, "partial sampling, {teacher:?}");
    }
}

/// Two past experiences of a class each, so that their gradients G_0 and G_1 have a component each and v_k is
/// max(margin, -g_k / G_k) where g points against one of them. Six stored images of each are asked, or two.
#[test]
fn gem_moves_the_gradient_by_the_whole_memory_and_the_margin() {
    let w = [0.2_f32, -0.7, 0.9, 0.0];
    let fixtures = [0, 1].map(|class| Fixture::labelled(&[class; 8], 3).of_timesteps(8).told(0.0));
    let now = Fixture::labelled(&[2; 8], 3).of_timesteps(8).told(0.0);
    let model = lines(&w);
    let batch = now.batch(&model);
    let step = now.step(&model, &batch);
    for (batch_size, n) in [(None, 6), (Some(2), 2)] {
        let past =
            [0, 1].map(|k| mean(&drawn(&now, &fixtures[k], n, REFERENCE.numbered(k)), |s| s.gradient(&w)));
        for (margin, along, expected) in [
            // Against the first by less than the margin, by more, against none, and against both without a margin.
            (0.3, [-0.2, 3.0], [0.1, 3.3]),
            (0.3, [-2.0, 3.0], [0.0, 3.3]),
            (0.3, [0.5, 3.0], [0.5, 3.0]),
            (0.0, [-2.0, -0.5], [0.0, 0.0]),
        ] {
            let mut gem = Gem::new(GemConfig { per_experience: 6, batch_size, margin }).unwrap();
            fixtures.iter().for_each(|fixture| end(&mut gem, fixture, &w));
            let g = [along[0] * past[0], along[1] * past[1], 0.7, 0.0].map(|g| g as f32);
            let moved = Strategy::<B, Line<B>>::gradients(&mut gem, &step, gradients(&model, &g)).unwrap();
            let found = numbers(&model, moved);
            for k in 0..2 {
                let error = (found[k] - expected[k] * past[k]).abs();
                let what = format!("{batch_size:?}, margin {margin}, {along:?}: {found:?} of {past:?}");
                assert!(error < 1e-4 * (1.0 + past[k].abs()), "{what}");
            }
            assert!((found[2] - 0.7).abs() < 1e-6 && found[3] == 0.0, "{found:?}");
        }
    }
}

/// Whole numbers from 0 to 255, mapped to [-1, 1]: 0.1 is 140.25, 0.5 is 191.25, -0.3 is 89.25, -0.999 is 0.1275.
#[test]
fn a_quantised_image_has_the_values_of_8_bits() {
    let x = [0.1, 0.5, -0.3, -0.999, 1.0, -1.0];
    let x = Tensor::<burn_flex::Flex, 1>::from_floats(x, &Default::default()).reshape([1, 1, 2, 3]);
    let found = crate::strategies::shared::generator::quantised(x).into_data();
    let expected = [140.0, 191.0, 89.0, 0.0, 255.0, 0.0].map(|v: f64| v / 127.5 - 1.0);
    for (found, expected) in found.iter::<f64>().zip(expected) {
        assert!((found - expected).abs() < 1e-6, "{found} instead of {expected}");
    }
}
