//! Weights and draws of timesteps, the baseline and its running mean, by value.

use burn::tensor::TensorData;

use super::*;
use crate::{
    buffer::Ring,
    test_support::{B, Fixture, Line, line},
};

const KEY: Key = Key::new(3, Purpose::named("test of timestep-aware rehearsal"));

fn strategy(emphasis: Emphasis) -> TimestepReplay {
    let buffer = BufferConfig::of(Ring { per_experience: 40 });
    let config = TimestepReplayConfig { rehearsal_coefficient: 0.7, batch_size: Some(6), emphasis, buffer };
    TimestepReplay::new(config).unwrap()
}

fn floats(data: TensorData) -> Vec<f64> {
    data.iter::<f64>().collect()
}

/// The losses `(w x_t - eps)^2` of a noisy batch.
fn losses(batch: &NoisyBatch<B>, w: f64) -> Vec<f64> {
    let (x_t, eps) = (floats(batch.x_t.to_data()), floats(batch.eps.to_data()));
    x_t.into_iter().zip(eps).map(|(x_t, eps)| (w * x_t - eps).powi(2)).collect()
}

fn assert_near(found: f64, expected: f64) {
    assert!((found - expected).abs() < 1e-4 * expected.abs().max(1e-3), "{found} instead of {expected}");
}

/// (1 + p) u^p with u = 1/8, 3/8, 5/8 and 7/8.
#[test]
fn a_power_weighs_timesteps_by_their_place() {
    assert_eq!(TimestepReplay::weights(1.0, &[0, 3, 1, 2], 4), [0.25, 1.75, 0.75, 1.25]);
    assert_eq!(TimestepReplay::weights(0.0, &[0, 3], 4), [1.0, 1.0]);
    let clean = TimestepReplay::weights(-0.5, &[0, 3], 4);
    assert!((clean[0] - 0.5 * 8.0_f64.sqrt()).abs() < 1e-12 && clean[0] > clean[1]);
    // 1 on average over all timesteps.
    for exponent in [0.5, 2.0] {
        let t: Vec<usize> = (0..1000).collect();
        let mean = TimestepReplay::weights(exponent, &t, 1000).iter().sum::<f64>() / 1000.0;
        assert!((mean - 1.0).abs() < 1e-4, "{exponent}: {mean}");
    }
}

/// Timesteps drawn uniformly, and by importance: these weights stand beside those of the power.
#[test]
fn the_loss_on_the_buffer_is_weighed_by_the_power() {
    for fixture in [Fixture::new().of_timesteps(8), Fixture::new().drawn_by(8, |t| 1.0 + 3.0 * t as f64)] {
        let mut strategy = strategy(Emphasis::Power { exponent: 2.0 });
        let model = line(0.2);
        Strategy::<B, Line<B>>::after_experience(&mut strategy, &fixture.boundary(&line(0.0))).unwrap();
        let current = fixture.batch(&model);
        let step = fixture.step(&model, &current);
        let stored = strategy.buffer.contents().unwrap().clone();
        let batch = step.noisy(&stored, &buffer::draw(40, 6, step.key), REPLAYED);
        let weights = batch.weights.clone().unwrap_or_else(|| vec![1.0; 6]);
        let of = |i: usize| 3.0 * ((batch.t[i] as f64 + 0.5) / 8.0).powi(2) * weights[i];
        let losses = losses(&batch, f64::from(0.2_f32));
        let expected = 3.0 + 0.7 * (0..6).map(|i| of(i) * losses[i]).sum::<f64>() / 6.0;
        let loss = Tensor::<B, 1>::from_floats([3.0], &Default::default());
        assert_near(floats(strategy.loss(&step, loss).unwrap().into_data())[0], expected);
    }
}

/// Rises of 0, 2, none (a loss that fell) and 0, beside a floor of 0.5: shares of 1, 5, 1 and 1 of 8.
#[test]
fn timesteps_are_drawn_where_more_was_forgotten() {
    let mut strategy = strategy(Emphasis::Forgetting { bins: 4, floor: 0.5 });
    strategy.losses = vec![(1.0, 1.0), (2.0, 6.0), (1.0, 0.5), (4.0, 4.0)];
    let drawn = strategy.timesteps(8000, 0.5, 40, KEY);
    let mut counts = [0_usize; 40];
    drawn.iter().for_each(|t| counts[*t] += 1);
    // Each bin of ten timesteps is drawn from evenly: 100 or 500 of each, five standard deviations of 10 and 22.
    for (t, count) in counts.into_iter().enumerate() {
        let (expected, most) = if t / 10 == 1 { (500_usize, 110) } else { (100, 50) };
        assert!(count.abs_diff(expected) < most, "{t}: {count} for {expected}");
    }
    assert_eq!(drawn, strategy.timesteps(8000, 0.5, 40, KEY));
    assert_ne!(drawn, strategy.timesteps(8000, 0.5, 40, KEY.step(1)));
}

#[test]
fn a_running_mean_moves_by_a_twentieth_to_each_loss_of_its_bin() {
    let mut strategy = strategy(Emphasis::Forgetting { bins: 4, floor: 0.5 });
    strategy.losses = vec![(1.0, 1.0); 4];
    strategy.record(&[0, 9, 10, 39], &[3.0, 5.0, 7.0, 9.0], 40);
    let now: Vec<f64> = strategy.losses.iter().map(|(before, now)| now - before).collect();
    // 1 + 0.05 * 2 = 1.1, then 1.1 + 0.05 * 3.9 = 1.295.
    for (found, expected) in now.into_iter().zip([0.295, 0.3, 0.0, 0.4]) {
        assert!((found - expected).abs() < 1e-12, "{found} instead of {expected}");
    }
}

/// At the end of each experience both numbers of a bin are its loss then; a step is trained on timesteps drawn by them, and
/// its losses go into the second.
#[test]
fn the_baseline_is_the_loss_of_each_bin_at_the_end_of_the_last_experience() {
    let mut fixture = Fixture::new().of_timesteps(8);
    let mut strategy = strategy(Emphasis::Forgetting { bins: 4, floor: 0.5 });
    for (seed, w) in [(10, 0.4_f32), (20, -0.6)] {
        fixture.seed = seed;
        let then = line(w);
        let boundary = fixture.boundary(&then);
        Strategy::<B, Line<B>>::after_experience(&mut strategy, &boundary).unwrap();
        for (bin, found) in strategy.losses.iter().enumerate() {
            let key = boundary.key.within(BASELINE).step(bin);
            let t = |i: usize| key.rng(i as u64).random_range(2 * bin..2 * bin + 2);
            let eps = key.within(NOISE).normal_values(0, 32, 1);
            let loss = |i: usize| {
                let (abar, eps) = (fixture.process.alpha_cumprod(t(i)), f64::from(eps[i]));
                (f64::from(w) * ((1.0 - abar).sqrt() * eps - abar.sqrt()) - eps).powi(2)
            };
            let expected = (0..32).map(loss).sum::<f64>() / 32.0;
            assert_near(found.0, expected);
            assert_eq!(found.0, found.1);
        }
        let model = line(0.2);
        let current = fixture.batch(&model);
        let step = fixture.step(&model, &current);
        let stored = strategy.buffer.contents().unwrap().clone();
        let t = strategy.timesteps(6, 0.5, 8, step.key.within(REPLAYED));
        let batch = step.noisy_at(&stored, &buffer::draw(stored.len(), 6, step.key), t, REPLAYED);
        let (of_step, mut means) = (losses(&batch, f64::from(0.2_f32)), strategy.losses.clone());
        let loss = Tensor::<B, 1>::from_floats([3.0], &Default::default());
        let found = floats(strategy.loss(&step, loss).unwrap().into_data())[0];
        assert_near(found, 3.0 + 0.7 * of_step.iter().sum::<f64>() / 6.0);
        for (t, loss) in batch.t.iter().zip(of_step) {
            means[t / 2].1 = 0.95 * means[t / 2].1 + 0.05 * loss;
        }
        for (found, expected) in strategy.losses.iter().zip(means) {
            assert_eq!(found.0, expected.0);
            assert_near(found.1, expected.1);
        }
    }
}

#[test]
fn bins_are_drawn_by_their_rise_and_losses_that_are_not_finite_say_nothing() {
    const KEY: Key = Key::new(3, Purpose::named("test"));
    assert_eq!((risen((2.0, 3.0)), risen((2.0, 1.0)), risen((0.0, 1e300))), (0.5, 0.0, MOST_RISEN));
    for unknown in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
        assert_eq!((risen((1.0, unknown)), risen((unknown, 1.0))), (0.0, 0.0));
    }
    let mut replay = TimestepReplay::new(TimestepReplayConfig::default()).unwrap();
    let mut drawn = |losses: &[(f64, f64)], floor: f64| {
        replay.losses = losses.to_vec();
        replay.timesteps(200, floor, 10, KEY)
    };
    assert_eq!(drawn(&[], 0.1), KEY.timesteps(200, 10));
    assert_eq!(drawn(&[(1.0, 2.0), (1.0, 1.0)], 1e308), KEY.timesteps(200, 10));
    // The second half has risen by half, so that it has 0.6 of the weight 0.7.
    let late = drawn(&[(1.0, 1.0), (2.0, 3.0)], 0.1).iter().filter(|t| **t >= 5).count();
    assert!((150..195).contains(&late), "{late}");
    assert_eq!(drawn(&[(1.0, 1.0), (1.0, f64::INFINITY)], 0.1), drawn(&[(1.0, 1.0), (1.0, f64::NAN)], 0.1));
}
