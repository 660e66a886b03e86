//! Importances that are estimated at the end of an experience.

use burn_flex::Flex;
use ddpm_core::noise::Purpose;

use super::{Sample, assert_all_near, assert_near, end, mean, pull, samples};
use crate::{
    Ewc, EwcConfig, Fisher, Mas, MasConfig, OnlineEwcConfig,
    test_support::{Fixture, lines},
};

const FISHER: Purpose = Purpose::named("fisher information");

/// Three images, two timesteps each.
const CONFIG: EwcConfig = EwcConfig {
    lambda: 0.7,
    fisher: Fisher::PerSample,
    samples: 3,
    timesteps_per_sample: 2,
    batch_size: None,
};

/// The samples of `CONFIG`, as single ones.
fn single(fixture: &Fixture, w: &[f32]) -> Vec<Sample> {
    let model = lines(w);
    let boundary = fixture.boundary(&model);
    let images = boundary.draw(CONFIG.samples, FISHER);
    let of = |i: usize| samples(&boundary.noisy(&[images[i / 2]], boundary.key.within(FISHER).step(i)))[0];
    (0..6).map(of).collect()
}

/// The mean of the squared gradient in each parameter.
fn diagonal(fixture: &Fixture, w: &[f32]) -> Vec<f64> {
    let samples = single(fixture, w);
    let of = |label| mean(&samples, |s| if s.y == label { s.gradient(w).powi(2) } else { 0.0 });
    (0..w.len()).map(of).collect()
}

/// Images of two classes, of which both are among the samples.
fn two_classes(w: &[f32]) -> Fixture {
    let mut fixture = Fixture::labelled(&[0, 1, 1, 0, 1, 0, 0, 1], 2).told(0.0);
    let both = |fixture: &Fixture| {
        let samples = single(fixture, w);
        samples.iter().any(|s| s.y == 0) && samples.iter().any(|s| s.y == 1)
    };
    while !both(&fixture) {
        fixture.seed += 1;
    }
    fixture
}

#[test]
fn rank_one_is_the_outer_product_of_the_mean_gradient_with_its_coefficient() {
    let w = [0.4, -0.3];
    let fixture = two_classes(&w);
    let samples = single(&fixture, &w);
    let mu = [0, 1].map(|label| mean(&samples, |s| if s.y == label { s.gradient(&w) } else { 0.0 }));
    let norm = mu[0].powi(2) + mu[1].powi(2);
    let c = mean(&samples, |s| (mu[s.y] * s.gradient(&w)).powi(2)) / norm.powi(2);
    let mut ewc = Ewc::<Flex>::new(EwcConfig { fisher: Fisher::RankOne, ..CONFIG }).unwrap();
    end(&mut ewc, &fixture, &w);
    let found = pull(&mut ewc, &fixture, &[w[0] + 1.0, w[1] - 0.5]);
    let along = mu[0] - 0.5 * mu[1];
    assert_all_near(&found, &[0.7 * c * along * mu[0], 0.7 * c * along * mu[1]], "rank one");
}

#[test]
fn batch_mean_averages_the_squares_of_minibatch_means() {
    let w = [0.4, -0.3];
    let fixture = two_classes(&w);
    let model = lines(&w);
    let boundary = fixture.boundary(&model);
    let images = boundary.draw(3, FISHER);
    let repeated = [images.clone(), images].concat();
    for size in [1, 2, 4, 6, 50] {
        let config = EwcConfig { fisher: Fisher::BatchMean, batch_size: Some(size), ..CONFIG };
        let mut ewc = Ewc::<Flex>::new(config).unwrap();
        end(&mut ewc, &fixture, &w);
        let mut expected = [0.0; 2];
        for (i, images) in repeated.chunks(size).enumerate() {
            let samples = samples(&boundary.noisy(images, boundary.key.within(FISHER).step(i)));
            for (label, expected) in expected.iter_mut().enumerate() {
                let of_batch = mean(&samples, |s| if s.y == label { s.gradient(&w) } else { 0.0 });
                *expected += of_batch.powi(2) * images.len() as f64 / 6.0;
            }
        }
        let found = pull(&mut ewc, &fixture, &[w[0] + 1.0, w[1] + 2.0]);
        assert_all_near(&found, &[0.7 * expected[0], 1.4 * expected[1]], &format!("batches of {size}"));
    }
}

/// The penalties of three experiences add up, each around its own parameters, in both forms.
#[test]
fn ewc_holds_on_to_every_experience() {
    let mut fixture = Fixture::new();
    let ends = [[0.4_f32], [-0.3], [1.1]];
    for fisher in [Fisher::PerSample, Fisher::RankOne] {
        let mut ewc = Ewc::<Flex>::new(EwcConfig { fisher, ..CONFIG }).unwrap();
        let mut expected = 0.0;
        for (k, w) in ends.iter().enumerate() {
            fixture.seed = 10 * (k as u64 + 1);
            end(&mut ewc, &fixture, w);
            expected += 0.7 * diagonal(&fixture, w)[0] * (2.0 - f64::from(w[0]));
            assert_all_near(&pull(&mut ewc, &fixture, &[2.0]), &[expected], &format!("{fisher:?}, {k}"));
        }
    }
}

/// F_3 + F_2 / 2 + F_1 / 4 around the last parameters.
#[test]
fn online_ewc_halves_what_is_past() {
    let mut fixture = Fixture::new();
    let config = OnlineEwcConfig { lambda: 0.7, decay: 0.5, samples: 3, timesteps_per_sample: 2 };
    let mut ewc = Ewc::<Flex>::online(config).unwrap();
    let mut fisher = 0.0;
    for (k, w) in [[0.4_f32], [-0.3], [1.1]].iter().enumerate() {
        fixture.seed = 10 * (k as u64 + 1);
        end(&mut ewc, &fixture, w);
        fisher = 0.5 * fisher + diagonal(&fixture, w)[0];
        let expected = 0.7 * fisher * (2.0 - f64::from(w[0]));
        assert_all_near(&pull(&mut ewc, &fixture, &[2.0]), &[expected], "online EWC");
    }
}

/// The sum over experiences of the mean of |2 w x_t^2|, around the last parameters.
#[test]
fn mas_adds_up_sensitivities() {
    let mut fixture = Fixture::new();
    let purpose = Purpose::named("importance of outputs");
    let mut mas = Mas::<Flex>::new(MasConfig { lambda: 0.3, samples: 4 }).unwrap();
    let mut importance = 0.0;
    for (k, w) in [[0.4_f32], [-0.3], [1.1]].iter().enumerate() {
        fixture.seed = 10 * (k as u64 + 1);
        end(&mut mas, &fixture, w);
        importance += sensitivity(&fixture, w, purpose)[0];
        let expected = 2.0 * 0.3 * importance * (2.0 - f64::from(w[0]));
        assert_all_near(&pull(&mut mas, &fixture, &[2.0]), &[expected], "MAS");
    }
}

fn sensitivity(fixture: &Fixture, w: &[f32], purpose: Purpose) -> Vec<f64> {
    let model = lines(w);
    let boundary = fixture.boundary(&model);
    let images = boundary.draw(4, purpose);
    let of = |(i, image): (usize, &usize)| {
        samples(&boundary.noisy(&[*image], boundary.key.within(purpose).step(i)))[0]
    };
    let samples: Vec<Sample> = images.iter().enumerate().map(of).collect();
    let of = |label| {
        let one = |s: Sample| (2.0 * f64::from(w[label]) * s.x_t.powi(2)).abs();
        mean(&samples, |s| if s.y == label { one(s) } else { 0.0 })
    };
    (0..w.len()).map(of).collect()
}

/// Timesteps drawn from q: E_q[w g^2], not E_q[(w g)^2].
#[test]
fn importance_weights_keep_the_expectation_of_an_importance() {
    let fixture = Fixture::new().drawn_by(8, |t| 1.0 + 3.0 * t as f64);
    let w = [0.4];
    let weights: Vec<f64> = single(&fixture, &w).iter().map(|s| s.weight).collect();
    assert!(weights.iter().any(|weight| (weight - 1.0).abs() > 0.2), "{weights:?}");
    for fisher in [Fisher::PerSample, Fisher::RankOne] {
        let mut ewc = Ewc::<Flex>::new(EwcConfig { fisher, ..CONFIG }).unwrap();
        end(&mut ewc, &fixture, &w);
        let found = pull(&mut ewc, &fixture, &[w[0] + 1.0]);
        // mean(w (mu g)^2) / mu^4 mu^2 is mean(w g^2).
        assert_near(found[0], 0.7 * diagonal(&fixture, &w)[0], &format!("{fisher:?}"));
    }
    let mut mas = Mas::<Flex>::new(MasConfig { lambda: 0.3, samples: 4 }).unwrap();
    end(&mut mas, &fixture, &w);
    let expected = sensitivity(&fixture, &w, Purpose::named("importance of outputs"))[0];
    assert_near(pull(&mut mas, &fixture, &[w[0] + 1.0])[0], 0.6 * expected, "MAS");
}

/// The branch without labels has the importance that its share of the training gives it.
#[test]
fn importances_know_the_branch_without_labels() {
    for probability in [0.0, 0.5, 1.0] {
        let mut fixture = Fixture::labelled(&[0; 50], 1).told(probability);
        fixture.seed = 3;
        let (w, far) = ([0.4, -0.3], [1.4, 0.7]);
        let expected: Vec<f64> = diagonal(&fixture, &w).iter().map(|fisher| 0.7 * fisher).collect();
        assert!(probability > 0.0 || expected[1] == 0.0, "no label is dropped");
        assert!(probability < 1.0 || expected[0] == 0.0, "every label is dropped");
        let mut ewc = Ewc::<Flex>::new(CONFIG).unwrap();
        let online = OnlineEwcConfig { lambda: 0.7, decay: 0.5, samples: 3, timesteps_per_sample: 2 };
        let mut online = Ewc::<Flex>::online(online).unwrap();
        for strategy in [&mut ewc, &mut online] {
            end(strategy, &fixture, &w);
            assert_all_near(&pull(strategy, &fixture, &far), &expected, "EWC");
        }
        let mut mas = Mas::<Flex>::new(MasConfig { lambda: 0.3, samples: 4 }).unwrap();
        end(&mut mas, &fixture, &w);
        let expected = sensitivity(&fixture, &w, Purpose::named("importance of outputs"));
        let expected: Vec<f64> = expected.iter().map(|importance| 0.6 * importance).collect();
        assert_all_near(&pull(&mut mas, &fixture, &far), &expected, "MAS");
    }
}
