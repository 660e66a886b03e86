//! Strategies in a second and a third task, by hand: teachers are renewed, and shares are those of the task.

use burn::tensor::Tensor;

use crate::{
    Boundary, GenerativeDistillation, GenerativeDistillationConfig, Inputs, Lwf, LwfConfig, Mixing, Replay,
    ReplayConfig, Step, Strategy,
    buffer::{BufferConfig, Ring},
    test_support::{B, Fixture, Line, line},
};

/// The loss that a strategy makes of one of `current`, at w in the task `experience`.
fn loss(
    strategy: &mut dyn Strategy<B, Line<B>>,
    fixture: &Fixture,
    experience: usize,
    w: f32,
    current: f32,
) -> f64 {
    let model = line(w);
    let batch = fixture.batch(&model);
    let step = Step { experience, ..fixture.step(&model, &batch) };
    let loss = strategy.loss(&step, Tensor::from_floats([current], &Default::default())).unwrap();
    f64::from(loss.into_data().to_vec::<f32>().unwrap()[0])
}

/// After the second task the teacher is the model at its end, and no longer the one at the end of the first.
#[test]
fn a_teacher_is_renewed_with_each_task() {
    let fixture = Fixture::new();
    let config = GenerativeDistillationConfig {
        inputs: Inputs::Lwf,
        mixing: Mixing::TwoMeans,
        ..GenerativeDistillationConfig::default()
    };
    let mut strategies: [Box<dyn Strategy<B, Line<B>>>; 2] = [
        Box::new(Lwf::new(LwfConfig { lambda: 2.0, ..Default::default() }).unwrap()),
        Box::new(GenerativeDistillation::new(config).unwrap()),
    ];
    for strategy in &mut strategies {
        for (k, w) in [0.3, 0.7, -0.2].into_iter().enumerate() {
            let model = line(w);
            strategy.after_experience(&Boundary { k, ..fixture.boundary(&model) }).unwrap();
            for other in [0.3, 0.7, -0.2] {
                let distance = loss(&mut **strategy, &fixture, k + 1, other, 0.0);
                assert_eq!(distance == 0.0, other == w, "{other} after {w}: {distance}");
            }
        }
    }
}

/// In the third task, L / 3 + (2 / 3) lambda L_buffer.
#[test]
fn the_third_task_has_a_third() {
    let fixture = Fixture::new();
    let replay = |mixing, rehearsal_coefficient| {
        let buffer = BufferConfig::of(Ring { per_experience: 5 });
        let config = ReplayConfig { mixing, rehearsal_coefficient, buffer, batch_size: None };
        let mut replay = Replay::new(config).unwrap();
        let model = line(0.0);
        Strategy::<B, Line<B>>::after_experience(&mut replay, &fixture.boundary(&model)).unwrap();
        replay
    };
    let mut plain = replay(Mixing::TwoMeans, 1.0);
    let of_buffer = loss(&mut plain, &fixture, 2, 0.5, 0.0);
    assert!(of_buffer > 0.1, "{of_buffer}");
    for (experience, current) in [(0, 1.0), (1, 0.5), (2, 1.0 / 3.0), (4, 0.2)] {
        let mut shares = replay(Mixing::TaskShares, 0.25);
        let found = loss(&mut shares, &fixture, experience, 0.5, 6.0);
        let expected = current * 6.0 + (1.0 - current) * 0.25 * of_buffer;
        assert!((found - expected).abs() < 1e-4, "{experience}: {found} instead of {expected}");
    }
    // Three images of each: a quarter as much for those of the buffer makes 4 / 5 and 1 / 5.
    let mut concatenated = replay(Mixing::Concatenated, 0.25);
    let found = loss(&mut concatenated, &fixture, 2, 0.5, 6.0);
    assert!((found - (0.8 * 6.0 + 0.2 * of_buffer)).abs() < 1e-4, "{found}");
}
