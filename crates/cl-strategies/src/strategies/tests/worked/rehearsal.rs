//! Losses on past data and teachers.

use ddpm_core::{
    noise::Purpose,
    sampler::{Ddim, SamplerConfig},
};
use rand::Rng;

use super::{Sample, assert_near, end, loss, mean, samples};
use crate::{
    Der, DerConfig, DerPlusPlusConfig, GenerativeDistillation, GenerativeDistillationConfig, GeneratorConfig,
    Inputs, Lwf, LwfConfig, Mixing, Strategy, buffer,
    test_support::{B, Fixture, Line, lines},
};

const STORED: Purpose = Purpose::named("what dark experience replay stores");

/// Timesteps drawn uniformly, and by importance.
fn fixtures() -> [Fixture; 2] {
    [Fixture::new().of_timesteps(8), Fixture::new().drawn_by(8, |t| 1.0 + 3.0 * t as f64)]
}

/// The teacher is that of the last experience, whatever was before.
#[test]
fn lwf_holds_to_the_last_model() {
    for fixture in fixtures() {
        let (w, mut lwf) =
            ([0.2], Lwf::<B, Line<B>>::new(LwfConfig { lambda: 0.7, ..Default::default() }).unwrap());
        assert_near(loss(&mut lwf, &fixture, &w, 3.0), 3.0, "no teacher");
        for teacher in [[0.4], [-0.3], [1.1]] {
            end(&mut lwf, &fixture, &teacher);
            let batch = samples(&fixture.batch(&lines(&w)));
            let expected = 3.0 + 0.7 * mean(&batch, |s| s.apart(&w, &teacher));
            assert_near(loss(&mut lwf, &fixture, &w, 3.0), expected, "LwF");
        }
    }
}

/// The images that are stored of an experience.
fn stored(fixture: &Fixture, n: usize) -> Vec<Sample> {
    let model = lines(&[0.0]);
    let boundary = fixture.boundary(&model);
    samples(&boundary.noisy(&boundary.draw(n, STORED), boundary.key.within(STORED)))
}

/// The mean squared difference to the predictions of one experience, drawn for the step.
fn dark(fixture: &Fixture, stored: &[(Vec<Sample>, [f32; 1])], n: usize, w: &[f32]) -> f64 {
    let model = lines(w);
    let batch = fixture.batch(&model);
    let key = fixture.step(&model, &batch).key.within(STORED);
    let (samples, then) = &stored[key.rng(0).random_range(0..stored.len())];
    let drawn: Vec<Sample> = buffer::draw(samples.len(), n, key).iter().map(|i| samples[*i]).collect();
    mean(&drawn, |s| s.apart(w, then))
}

/// alpha and beta apart from each other, two and three experiences.
#[test]
fn dark_experience_replay_holds_to_stored_predictions() {
    for mut fixture in fixtures() {
        let (w, n, per_experience) = ([0.2], 5, 6);
        let der = DerConfig { alpha: 0.7, batch_size: Some(n), per_experience, ..Default::default() };
        let mut der = Der::<B>::new(der).unwrap();
        let plus_plus = |alpha, beta| {
            let config =
                DerPlusPlusConfig { alpha, beta, batch_size: Some(n), per_experience, ..Default::default() };
            Der::<B>::plus_plus(config).unwrap()
        };
        let (mut both, mut second) = (plus_plus(0.7, 0.3), plus_plus(0.0, 0.3));
        let mut kept = Vec::new();
        for (k, then) in [[0.4], [-0.3], [1.1]].into_iter().enumerate() {
            fixture.seed = 10 * (k as u64 + 1);
            kept.push((stored(&fixture, per_experience), then));
            for strategy in [&mut der, &mut both, &mut second] {
                end(strategy, &fixture, &then);
            }
            let dark = dark(&fixture, &kept, n, &w);
            assert_near(loss(&mut der, &fixture, &w, 3.0), 3.0 + 0.7 * dark, "DER");
            let replayed = replayed(&fixture, per_experience * (k + 1), n, &w);
            assert_near(loss(&mut second, &fixture, &w, 3.0), 3.0 + 0.3 * replayed, "beta");
            let expected = 3.0 + 0.7 * dark + 0.3 * replayed;
            assert_near(loss(&mut both, &fixture, &w, 3.0), expected, "DER++");
        }
    }
}

/// The loss on stored images, which all look alike.
fn replayed(fixture: &Fixture, len: usize, n: usize, w: &[f32]) -> f64 {
    let model = lines(w);
    let batch = fixture.batch(&model);
    let step = fixture.step(&model, &batch);
    let key = step.key.within(Purpose::named("second draw of dark experience replay"));
    let positions = buffer::draw(len, n, key);
    let images = &fixture.experience.train;
    let batch = step.noisy(images, &positions, Purpose::named("replayed batch"));
    mean(&samples(&batch), |s| s.loss(w))
}

/// Pure noise, its timesteps' weights, the last teacher, and the three ways to mix.
#[test]
fn gaussian_distillation_mixes_with_the_current_loss_as_it_is_told() {
    let (w, m, lambda) = ([0.2], 5, 0.7);
    for fixture in &mut fixtures() {
        for mixing in [Mixing::TwoMeans, Mixing::Concatenated, Mixing::TaskShares] {
            let one_step = Ddim { steps: 1, ..Ddim::default() };
            let config = GenerativeDistillationConfig {
                inputs: Inputs::Gaussian,
                // The process has fewer timesteps than the steps of the default sampler, which draws nothing here.
                generator: GeneratorConfig { sampler: SamplerConfig::of(one_step), ..Default::default() },
                distillation_coefficient: lambda,
                batch_size: Some(m),
                mixing,
                ..Default::default()
            };
            let mut strategy = GenerativeDistillation::<B, Line<B>>::new(config).unwrap();
            for (k, teacher) in [[0.4], [-0.3], [1.1]].into_iter().enumerate() {
                fixture.at = k + 1;
                end(&mut strategy, fixture, &teacher);
                let distilled = gaussian(fixture, m, &w, &teacher);
                let (current, added) = match mixing {
                    Mixing::TwoMeans => (1.0, lambda),
                    Mixing::Concatenated => (3.0 / (3.0 + 3.5), 3.5 / (3.0 + 3.5)),
                    Mixing::TaskShares => {
                        (1.0 / (k as f64 + 2.0), lambda * (k as f64 + 1.0) / (k as f64 + 2.0))
                    }
                };
                let found = loss(&mut strategy, fixture, &w, 3.0);
                assert_near(found, current * 3.0 + added * distilled, &format!("{mixing:?}, {k}"));
            }
        }
    }
}

fn gaussian(fixture: &Fixture, n: usize, w: &[f32], teacher: &[f32]) -> f64 {
    let model = lines(w);
    let batch = fixture.batch(&model);
    let key = fixture.step(&model, &batch).key.within(Purpose::named("gaussian inputs of a distillation"));
    let timesteps = key.within(Purpose::named("timesteps of a distillation"));
    let weights = fixture.timesteps.draw(n, timesteps).1.unwrap_or_else(|| vec![1.0; n]);
    let x_t = key.normal_values(0, n, 1);
    let sample = |(x_t, weight)| Sample { x_t: f64::from(x_t), eps: 0.0, y: 0, weight };
    let samples: Vec<Sample> = x_t.into_iter().zip(weights).map(sample).collect();
    mean(&samples, |s| s.apart(w, teacher))
}

/// 7 of 10 images of three experiences are of class 0, 1 of class 1, 2 of class 2: the minor class of a blurry stream is
/// asked for as well. Teacher and model differ in class 1 and 2: E x^2 (0.1 * 1 + 0.2 * 4), with E x^2 = 1.
#[test]
fn a_teacher_is_asked_for_classes_as_they_occurred() {
    let config = GenerativeDistillationConfig {
        inputs: Inputs::Gaussian,
        batch_size: Some(20_000),
        mixing: Mixing::TwoMeans,
        ..Default::default()
    };
    let mut strategy = GenerativeDistillation::<B, Line<B>>::new(config).unwrap();
    let teacher = [0.0, 1.0, 2.0, 0.0];
    for labels in [[0, 0, 0, 0, 1], [0, 0, 2, 0, 2]] {
        // The second experience is mostly of class 0, which is not one of its own.
        let mut fixture = Fixture::labelled(&labels, 3).told(0.0);
        fixture.experience.classes = vec![labels[4]];
        Strategy::<B, Line<B>>::after_experience(&mut strategy, &fixture.boundary(&lines(&teacher))).unwrap();
    }
    let mut fixture = Fixture::labelled(&[1; 5], 3).told(0.0);
    fixture.at = 2;
    let found = loss(&mut strategy, &fixture, &[0.0; 4], 0.0);
    // The variance of an image's x^2 d^2 is 3 (0.1 + 0.2 * 16) - 0.81, nearly 9.1; five standard errors.
    assert!((found - 0.9).abs() < 5.0 * (9.1_f64 / 20_000.0).sqrt(), "{found} instead of 0.9");
}
