//! Models that are trained from scratch, and gradients that are projected, where only differences from finetuning were known.

use ddpm_core::{noise::Purpose, parameters::ParameterVector};

use super::{Sample, assert_all_near, samples};
use crate::{
    AGem, AGemConfig, Ensemble, Gdumb, GdumbConfig, Strategy,
    buffer::{self, BufferConfig, Ring},
    test_support::{B, Fixture, Line, gradients, line, lines, numbers, parameter},
};

/// Every model but the first starts from the parameters that the first one started from, whatever was learned since.
#[test]
fn models_start_from_the_untrained_one() {
    let mut fixture = Fixture::new();
    let both: [Box<dyn Strategy<B, Line<B>>>; 2] =
        [Box::new(Ensemble::default()), Box::new(Gdumb::new(GdumbConfig::default()).unwrap())];
    for mut strategy in both {
        for (k, w) in [0.3_f32, 0.9, -0.4].into_iter().enumerate() {
            fixture.k = k;
            let model = line(w);
            strategy.before_experience(&fixture.boundary(&model)).unwrap();
            let start = strategy.start_from(&fixture.boundary(&model)).unwrap();
            let expected = (k > 0).then_some(f64::from(0.3_f32));
            assert_eq!(start.map(|start| parameter(&start)), expected, "experience {k}");
            strategy.after_experience(&fixture.boundary(&model)).unwrap();
        }
    }
}

/// The k-th model is the moving average at the end of the k-th experience; a task that has none yet has the one in training.
#[test]
fn a_member_of_an_ensemble_is_the_average_at_its_end() {
    let mut ensemble = Ensemble::<B, Line<B>>::default();
    for (k, average) in [0.5_f32, -0.7, 1.5].into_iter().enumerate() {
        let mut fixture = Fixture::new().averaging(&[average]);
        fixture.k = k;
        let model = line(9.0);
        ensemble.before_experience(&fixture.boundary(&model)).unwrap();
        ensemble.after_experience(&fixture.boundary(&model)).unwrap();
    }
    let asked = burn::module::AutodiffModule::valid(&line(7.0));
    let of = |task| {
        let model = Strategy::<B, Line<B>>::model_for(&ensemble, task, &asked).unwrap();
        model.map(|model| ParameterVector::of(&model).to_floats()[0])
    };
    assert_eq!([of(0), of(1), of(2), of(3)], [Some(0.5), Some(-0.7), Some(1.5), None]);
    // All but the one that every strategy has.
    assert_eq!(Strategy::<B, Line<B>>::memory(&ensemble).extra_parameters, 2);
}

/// g - min(g . r, 0) / |r|^2 r, with r the mean gradient of five stored images, which are drawn for the step.
#[test]
fn the_averaged_projection_is_on_the_gradient_of_the_buffer() {
    let fixture = Fixture::labelled(&[0, 1, 1, 0, 1, 0, 0, 1], 2).of_timesteps(8).told(0.0);
    let buffer = BufferConfig::of(Ring { per_experience: 8 });
    let mut a_gem = AGem::new(AGemConfig { batch_size: Some(5), buffer: buffer.clone() }).unwrap();
    let w = [0.4_f32, -0.3, 0.0];
    let model = lines(&w);
    let batch = fixture.batch(&model);
    let projected = |a_gem: &mut AGem, g: [f32; 3]| {
        let step = fixture.step(&model, &batch);
        numbers(&model, Strategy::<B, Line<B>>::gradients(a_gem, &step, gradients(&model, &g)).unwrap())
    };
    assert_all_near(&projected(&mut a_gem, [1.0, -2.0, 0.0]), &[1.0, -2.0, 0.0], "an empty buffer");
    Strategy::<B, Line<B>>::after_experience(&mut a_gem, &fixture.boundary(&model)).unwrap();
    let mut same = buffer.build();
    same.absorb(&fixture.experience.train, fixture.boundary(&model).key).unwrap();
    let step = fixture.step(&model, &batch);
    let positions = buffer::draw(8, 5, step.key);
    let replayed = step.noisy(same.contents().unwrap(), &positions, Purpose::named("reference gradient"));
    let r = reference(&samples(&replayed), &w);
    assert!(r[0] != 0.0 && r[1] != 0.0, "{r:?} has images of both classes");
    for sign in [1.0, -1.0] {
        // g . r = sign (2 r_0^2 + r_1^2 / 2): along with r, and against it.
        let g = [sign * 2.0 * r[0], sign * 0.5 * r[1]];
        let share = (g[0] * r[0] + g[1] * r[1]).min(0.0) / (r[0].powi(2) + r[1].powi(2));
        assert_eq!(share < 0.0, sign < 0.0);
        let expected = [g[0] - share * r[0], g[1] - share * r[1], 0.0];
        let found = projected(&mut a_gem, [g[0] as f32, g[1] as f32, 0.0]);
        assert_all_near(&found, &expected, &format!("{sign}"));
    }
}

/// The mean gradient of some samples.
fn reference(samples: &[Sample], w: &[f32]) -> [f64; 2] {
    [0, 1].map(|label| {
        let of_label = samples.iter().filter(|s| s.y == label).map(|s| s.gradient(w));
        of_label.sum::<f64>() / samples.len() as f64
    })
}
