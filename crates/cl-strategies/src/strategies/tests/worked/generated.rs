//! Images that a teacher draws in one DDIM step from the last timestep: `clip((x_T - b w' x_T) / a)` for the linear denoiser of
//! noise, with a^2 the last alphas_cumprod and b^2 = 1 - a^2.

use burn::tensor::Tensor;
use ddpm_core::{
    NoisyBatch,
    noise::{Key, Purpose},
    sampler::{Ddim, SamplerConfig},
    schedule::Spacing,
};

use super::{Sample, assert_near, end, loss, mean, samples};
use crate::{
    GenerativeDistillation, GenerativeDistillationConfig, GenerativeReplay, GenerativeReplayConfig,
    GeneratorConfig, Mixing, Source, Strategy, buffer,
    test_support::{B, Fixture, Line, lines},
};

const GENERATED: Purpose = Purpose::named("generated images");
const POOL: usize = 9;

pub(super) fn generator(source: Source) -> GeneratorConfig {
    let ddim = Ddim { steps: 1, spacing: Spacing::Trailing, ..Ddim::default() };
    GeneratorConfig { source, sampler: SamplerConfig::of(ddim), ..GeneratorConfig::default() }
}

/// The noise that images start from.
fn starts(key: Key, n: usize) -> Vec<f32> {
    key.within(GENERATED).within(Purpose::named("x_T")).normal_values(0, n, 1)
}

/// The image that a teacher with the parameter `w` makes of its noise.
pub(super) fn image(fixture: &Fixture, w: f32, start: f32) -> f32 {
    let abar = fixture.process.alpha_cumprod(fixture.process.timesteps() - 1);
    let (a, b) = (abar.sqrt(), (1.0 - abar).sqrt());
    ((1.0 - b * f64::from(w)) / a * f64::from(start)).clamp(-1.0, 1.0) as f32
}

/// The noise that the images of a step started from: new ones, or those that are drawn from the pool.
pub(super) fn started(fixture: &Fixture, source: Source, n: usize) -> Vec<f32> {
    let model = lines(&[0.0]);
    let batch = fixture.batch(&model);
    let key = fixture.step(&model, &batch).key;
    match source {
        Source::Fresh => starts(key, n),
        Source::Pool { images } => {
            let pool = starts(fixture.boundary(&model).key, images);
            buffer::draw(images, n, key).into_iter().map(|i| pool[i]).collect()
        }
    }
}

/// The noisy samples of a step's generated images.
pub(super) fn noisy(fixture: &Fixture, images: &[f32]) -> Vec<Sample> {
    let model = lines(&[0.0]);
    let batch = fixture.batch(&model);
    let step = fixture.step(&model, &batch);
    let x_0 = Tensor::<B, 1>::from_floats(images, step.device).reshape([images.len(), 1, 1, 1]);
    let key = step.key.within(Purpose::named("noise on generated images"));
    samples(&NoisyBatch::sampled(step.process, step.timesteps, x_0, None, key))
}

/// Three experiences, each rehearsed by the last teacher: 1/k and (1 - 1/k) lambda, fresh noise as the target of replay
/// and the teacher's prediction as that of distillation.
#[test]
fn generated_images_are_rehearsed_with_the_share_of_the_past() {
    let (w, n, lambda) = ([0.2], 5, 0.7);
    let uniform = Fixture::new().of_timesteps(8);
    let weighted = Fixture::new().drawn_by(8, |t| 1.0 + 3.0 * t as f64);
    for mut fixture in [uniform, weighted] {
        for source in [Source::Fresh, Source::Pool { images: POOL }] {
            let config = GenerativeReplayConfig {
                rehearsal_coefficient: lambda,
                batch_size: Some(n),
                mixing: Mixing::TaskShares,
                generator: generator(source),
            };
            let mut replay = GenerativeReplay::<B, Line<B>>::new(config).unwrap();
            let config = GenerativeDistillationConfig {
                distillation_coefficient: lambda,
                batch_size: Some(n),
                generator: generator(source),
                ..Default::default()
            };
            let mut distillation = GenerativeDistillation::<B, Line<B>>::new(config).unwrap();
            for (k, teacher) in [[0.4_f32], [-0.8], [2.5]].into_iter().enumerate() {
                (fixture.seed, fixture.at) = (10 * (k as u64 + 1), k + 1);
                end(&mut replay, &fixture, &teacher);
                end(&mut distillation, &fixture, &teacher);
                let images: Vec<f32> =
                    started(&fixture, source, n).iter().map(|x| image(&fixture, teacher[0], *x)).collect();
                let samples = noisy(&fixture, &images);
                let share = 1.0 / (k as f64 + 2.0);
                let mixed = |added: f64| share * 3.0 + (1.0 - share) * lambda * added;
                let expected = mixed(mean(&samples, |s| s.loss(&w)));
                assert_near(loss(&mut replay, &fixture, &w, 3.0), expected, &format!("replay, {source:?}"));
                let expected = mixed(mean(&samples, |s| s.apart(&w, &teacher)));
                let found = loss(&mut distillation, &fixture, &w, 3.0);
                assert_near(found, expected, &format!("distillation, {source:?}"));
            }
        }
    }
}

/// Each image as 8 bits have it. The loss on images that are not rounded is another one.
#[test]
fn quantised_images_are_rehearsed_as_8_bits_have_them() {
    let (w, n) = ([0.2], 5);
    let mut apart = 0;
    for source in [Source::Fresh, Source::Pool { images: POOL }] {
        let generator = GeneratorConfig { quantise: true, ..generator(source) };
        let config = GenerativeReplayConfig {
            batch_size: Some(n),
            mixing: Mixing::TwoMeans,
            generator,
            ..Default::default()
        };
        let mut replay = GenerativeReplay::<B, Line<B>>::new(config).unwrap();
        let mut fixture = Fixture::new().of_timesteps(8);
        for (k, teacher) in [[0.4_f32], [-0.8], [2.5]].into_iter().enumerate() {
            (fixture.seed, fixture.at) = (10 * (k as u64 + 1), k + 1);
            end(&mut replay, &fixture, &teacher);
            let images: Vec<f32> =
                started(&fixture, source, n).iter().map(|x| image(&fixture, teacher[0], *x)).collect();
            let rounded: Vec<f32> =
                images.iter().map(|x| ((x + 1.0) * 127.5).round() / 127.5 - 1.0).collect();
            let of = |images: &[f32]| mean(&noisy(&fixture, images), |s| s.loss(&w));
            let (found, expected) = (loss(&mut replay, &fixture, &w, 0.0), of(&rounded));
            let what = format!("{source:?}, {k}: {found} instead of {expected}");
            assert!((found - expected).abs() < 1e-5 * expected.max(1.0), "{what}");
            apart += usize::from((found - of(&images)).abs() > 2e-5 * expected.max(1.0));
        }
    }
    assert!(apart >= 3, "{apart} of 6");
}

/// Of the parameters w_0 with the label and w_1 without, an image is drawn with w_1 + scale (w_0 - w_1). Each image goes through
/// the teacher twice; a scale of 1 draws as without guidance.
#[test]
fn classifier_free_guidance_draws_further_along_the_label() {
    let (w, n, teacher) = ([0.2_f32, 0.0], 5, [2.0_f32, 0.5]);
    for source in [Source::Fresh, Source::Pool { images: POOL }] {
        for scale in [None, Some(0.0), Some(1.0), Some(1.5)] {
            let fixture = Fixture::labelled(&[0; 8], 1).of_timesteps(8).told(0.0);
            let generator = GeneratorConfig { classifier_free_guidance: scale, ..generator(source) };
            let config = GenerativeReplayConfig {
                batch_size: Some(n),
                mixing: Mixing::TwoMeans,
                generator,
                ..Default::default()
            };
            let mut replay = GenerativeReplay::<B, Line<B>>::new(config).unwrap();
            end(&mut replay, &fixture, &teacher);
            let found = loss(&mut replay, &fixture, &w, 0.0);
            let guided = teacher[1] + scale.unwrap_or(1.0) as f32 * (teacher[0] - teacher[1]);
            let starts = started(&fixture, source, n);
            let images: Vec<f32> = starts.iter().map(|x| image(&fixture, guided, *x)).collect();
            let expected = mean(&noisy(&fixture, &images), |s| s.loss(&w));
            assert_near(found, expected, &format!("{source:?}, {scale:?}"));
            let drawn = if source == Source::Fresh { n } else { POOL };
            let passes = drawn * if scale.is_some() { 2 } else { 1 };
            assert_eq!(fixture.passes.passes().generator, passes as u64, "{source:?}, {scale:?}");
        }
    }
}

/// Replay of a generated image a step.
fn one_image_a_step(source: Source) -> GenerativeReplay<B, Line<B>> {
    let config = GenerativeReplayConfig {
        batch_size: Some(1),
        mixing: Mixing::TwoMeans,
        generator: generator(source),
        ..Default::default()
    };
    GenerativeReplay::new(config).unwrap()
}

/// One image at a time: it is of the class that it is trained as, whichever that is.
#[test]
fn a_generated_image_goes_with_its_label() {
    let (w, teacher) = ([0.2_f32, -0.9, 0.0], [0.0_f32, 8.0, 0.0]);
    for source in [Source::Fresh, Source::Pool { images: POOL }] {
        let mut found_classes = [0; 2];
        for seed in 0..30 {
            let mut fixture = Fixture::labelled(&[0, 1, 0, 1], 2).of_timesteps(8).told(0.0);
            fixture.seed = seed;
            let mut replay = one_image_a_step(source);
            end(&mut replay, &fixture, &teacher);
            let found = loss(&mut replay, &fixture, &w, 0.0);
            let start = started(&fixture, source, 1)[0];
            let expected = |of_image: usize, of_label: usize| {
                let sample = noisy(&fixture, &[image(&fixture, teacher[of_image], start)])[0];
                Sample { y: of_label, ..sample }.loss(&w)
            };
            let near = |expected: f64| (found - expected).abs() < 2e-4 * expected.max(1e-2);
            match (near(expected(0, 0)), near(expected(1, 1))) {
                (true, _) => found_classes[0] += 1,
                (_, true) => found_classes[1] += 1,
                _ => panic!("{found} is that of no class: {} and {}", expected(0, 0), expected(1, 1)),
            }
        }
        // Each class has a chance of 1/2.
        assert!(found_classes.iter().all(|count| *count >= 3), "{found_classes:?}");
    }
}

/// A pool of one image of either class. The removal of its class empties it: no step draws another, and before the removal's
/// experience one of the other class takes its place.
#[test]
fn a_pool_that_a_removal_empties_is_filled_with_what_is_kept() {
    let (w, teacher, source) = ([0.2_f32, -0.9, 0.0], [0.0_f32, 8.0, 0.0], Source::Pool { images: 1 });
    let numbers = |replay: &GenerativeReplay<B, Line<B>>| replay.memory().extra_parameters;
    for seed in 0..10 {
        let mut emptied = 0;
        for class in [0, 1] {
            let mut fixture = Fixture::labelled(&[0, 1, 0, 1], 2).of_timesteps(8).told(0.0);
            fixture.seed = seed;
            let mut replay = one_image_a_step(source);
            end(&mut replay, &fixture, &teacher);
            let full = numbers(&replay);
            replay.remove_classes(&[class]).unwrap();
            let lost = full - numbers(&replay);
            if lost > 0 {
                assert_eq!(loss(&mut replay, &fixture, &w, 3.0), 3.0);
            }
            fixture.experience.removes = vec![class];
            replay.before_experience(&fixture.boundary(&lines(&teacher))).unwrap();
            assert_eq!(numbers(&replay), full);
            let found = loss(&mut replay, &fixture, &w, 0.0);
            // One image at the end of the experience, and one in its place.
            assert_eq!(fixture.passes.passes().generator, 1 + lost);
            let (kept, start) = (1 - class, started(&fixture, source, 1)[0]);
            let sample = noisy(&fixture, &[image(&fixture, teacher[kept], start)])[0];
            let expected = Sample { y: kept, ..sample }.loss(&w);
            let what = format!("{seed}, without {class}: {found} instead of {expected}");
            assert!((found - expected).abs() < 2e-4 * expected.max(1e-2), "{what}");
            emptied += lost;
        }
        assert_eq!(emptied, 1, "an image of one pixel is of one class");
    }
}
