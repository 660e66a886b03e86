//! Selective amnesia: the Fisher information of whole images, the weights of its terms, and classes that are removed.

use data_streams::{ImageDataset, ImageShape};
use ddpm_core::noise::{Key, Purpose};
use rand::Rng;

use super::{
    Sample, assert_all_near, assert_near, end,
    generated::{generator, image, noisy, started},
    loss, mean, pull, samples,
};
use crate::{
    Der, DerConfig, GenerativeReplay, GenerativeReplayConfig, Mixing, SelectiveAmnesia,
    SelectiveAmnesiaConfig, Source, Strategy, TeacherWeights, buffer,
    test_support::{B, Fixture, Line, lines},
};

const FISHER: Purpose = Purpose::named("fisher information of whole images");
const NOISE: Purpose = Purpose::named("noise of a summed gradient");
const TIMESTEPS: Purpose = Purpose::named("timesteps of a summed gradient");
const TOTAL: usize = 6;

fn config() -> SelectiveAmnesiaConfig {
    SelectiveAmnesiaConfig {
        lambda: 0.7,
        gamma: 0.3,
        batch_size: Some(5),
        generator: generator(Source::Fresh),
        samples: 3,
        timesteps_per_sample: None,
        timesteps_at_once: 4,
    }
}

/// Black images of two pixels, and a process of six timesteps.
fn two_pixels(labels: usize) -> Fixture {
    let mut fixture = Fixture::labelled(&[0; 10], labels).of_timesteps(TOTAL);
    let shape = ImageShape { channels: 1, height: 1, width: 2 };
    let names = (0..labels).map(|label| label.to_string()).collect();
    let data = ImageDataset::new("black", shape, names, vec![0; 20], vec![0; 10]).unwrap();
    (fixture.experience.train, fixture.experience.eval) = (data.clone(), data);
    fixture
}

/// The timesteps of an image, all or one of each of `n` stretches.
fn timesteps(key: Key, n: Option<usize>) -> Vec<usize> {
    let of = |n: usize, i: usize| {
        let (from, to) = (i * TOTAL / n, (i + 1) * TOTAL / n);
        key.within(TIMESTEPS).rng(i as u64).random_range(from..to)
    };
    n.map_or_else(|| (0..TOTAL).collect(), |n| (0..n).map(|i| of(n, i)).collect())
}

/// The mean over three images, which the model `drawn` drew, of the square of the gradient in `w` summed over the timesteps.
/// The loss of an image is the mean over its two pixels of (w x_t - eps)^2.
fn fisher(fixture: &Fixture, drawn: f32, w: f64, n: Option<usize>) -> f64 {
    let model = lines(&[0.0]);
    let key = fixture.boundary(&model).key.within(FISHER);
    let starts = key.within(Purpose::named("x_T")).normal_values(0, 3, 2);
    let summed = |i: usize| {
        let (key, t) = (key.step(i), timesteps(key.step(i), n));
        let noise = key.within(NOISE).normal_values(0, t.len(), 2);
        let of_pixel = |place: usize, t: usize, pixel: usize| {
            let (abar, eps) = (fixture.process.alpha_cumprod(t), f64::from(noise[2 * place + pixel]));
            let x_0 = f64::from(image(fixture, drawn, starts[2 * i + pixel]));
            let x_t = abar.sqrt() * x_0 + (1.0 - abar).sqrt() * eps;
            2.0 * x_t * (w * x_t - eps) / 2.0
        };
        let sum: f64 =
            (0..t.len()).map(|place| (0..2).map(|p| of_pixel(place, t[place], p)).sum::<f64>()).sum();
        (sum * TOTAL as f64 / t.len() as f64).powi(2)
    };
    (0..3).map(summed).sum::<f64>() / 3.0
}

/// 2 lambda D F (theta - theta*), D = 2, with F and theta* of the last experience alone; how many timesteps go through the
/// network at once does not matter.
#[test]
fn the_penalty_is_that_of_whole_images() {
    for (n, timesteps_at_once) in
        [(None, 1), (None, 4), (None, 100), (Some(3), 2), (Some(6), 6), (Some(4), 1)]
    {
        let mut fixture = two_pixels(1);
        let options = SelectiveAmnesiaConfig { timesteps_per_sample: n, timesteps_at_once, ..config() };
        let mut strategy = SelectiveAmnesia::<B, Line<B>>::new(options).unwrap();
        assert_all_near(&pull(&mut strategy, &fixture, &[2.0]), &[0.0], "before the first experience");
        for (k, w) in [[0.4_f32], [-0.3], [1.1]].into_iter().enumerate() {
            fixture.seed = 10 * (k as u64 + 1);
            end(&mut strategy, &fixture, &w);
            let f = fisher(&fixture, w[0], f64::from(w[0]), n);
            let expected = 2.0 * 0.7 * 2.0 * f * (2.0 - f64::from(w[0]));
            assert_all_near(&pull(&mut strategy, &fixture, &[2.0]), &[expected], &format!("{n:?}, {k}"));
        }
    }
}

/// Images are drawn from the moving average where that is the teacher, and F is the model's as trained around its own
/// parameters.
#[test]
fn images_are_of_the_average_and_the_penalty_of_the_model() {
    let fixture = two_pixels(1).averaging(&[-0.6]);
    let mut options = config();
    options.generator.teacher = TeacherWeights::Average;
    let mut strategy = SelectiveAmnesia::<B, Line<B>>::new(options).unwrap();
    end(&mut strategy, &fixture, &[0.4]);
    let expected = 2.0 * 0.7 * 2.0 * fisher(&fixture, -0.6, f64::from(0.4_f32), None);
    assert_all_near(&pull(&mut strategy, &fixture, &[1.4]), &[expected], "average");
    let default = SelectiveAmnesiaConfig::default();
    assert_eq!((default.lambda, default.gamma, default.timesteps_per_sample), (10.0, 1.0, None));
    assert!(default.generator.teacher == TeacherWeights::Average && default.generator.quantise);
}

/// Every label dropped: the branch without labels, the second parameter, has all of the importance.
#[test]
fn labels_are_dropped_as_in_training() {
    for (probability, at) in [(0.0, 0), (1.0, 1)] {
        let fixture = two_pixels(1).told(probability);
        let mut strategy = SelectiveAmnesia::<B, Line<B>>::new(config()).unwrap();
        let w = [0.4, 0.4];
        end(&mut strategy, &fixture, &w);
        let mut expected = [0.0; 2];
        expected[at] = 2.0 * 0.7 * 2.0 * fisher(&fixture, 0.4, f64::from(0.4_f32), None);
        assert_all_near(&pull(&mut strategy, &fixture, &[1.4, 1.4]), &expected, &format!("{probability}"));
    }
}

/// L + gamma L(generated): the current loss keeps its weight in every experience.
#[test]
fn generated_images_count_gamma_times() {
    let (w, n) = ([0.2], 5);
    let mut fixture = Fixture::new().of_timesteps(8);
    let mut strategy = SelectiveAmnesia::<B, Line<B>>::new(config()).unwrap();
    assert_near(loss(&mut strategy, &fixture, &w, 3.0), 3.0, "no teacher");
    for (k, teacher) in [[0.4_f32], [-0.8], [2.5]].into_iter().enumerate() {
        (fixture.seed, fixture.at) = (10 * (k as u64 + 1), k + 1);
        end(&mut strategy, &fixture, &teacher);
        let starts = started(&fixture, Source::Fresh, n);
        let images: Vec<f32> = starts.iter().map(|x| image(&fixture, teacher[0], *x)).collect();
        let expected = 3.0 + 0.3 * mean(&noisy(&fixture, &images), |s| s.loss(&w));
        assert_near(loss(&mut strategy, &fixture, &w, 3.0), expected, "gamma");
    }
}

/// One image at a time: of thirty none is of the class that was removed, from fresh images or a pool.
#[test]
fn nothing_is_asked_for_of_a_removed_class() {
    let (w, teacher) = ([0.2_f32, -0.9, 0.0], [0.0_f32, 8.0, 0.0]);
    for source in [Source::Fresh, Source::Pool { images: 9 }] {
        for seed in 0..30 {
            let mut fixture = Fixture::labelled(&[0, 1, 0, 1], 2).of_timesteps(8).told(0.0);
            fixture.seed = seed;
            let replay = GenerativeReplayConfig {
                batch_size: Some(1),
                mixing: Mixing::TwoMeans,
                generator: generator(source),
                ..Default::default()
            };
            let amnesia = SelectiveAmnesiaConfig {
                batch_size: Some(1),
                gamma: 1.0,
                generator: generator(source),
                ..config()
            };
            let both: [Box<dyn Strategy<B, Line<B>>>; 2] = [
                Box::new(GenerativeReplay::new(replay).unwrap()),
                Box::new(SelectiveAmnesia::new(amnesia).unwrap()),
            ];
            for mut strategy in both {
                end(&mut *strategy, &fixture, &teacher);
                strategy.remove_classes(&[0]).unwrap();
                let found = loss(&mut *strategy, &fixture, &w, 0.0);
                // Any image of a pool may be left; a pool without any is drawn anew.
                let fresh = started(&fixture, Source::Fresh, 1);
                let starts = match source {
                    Source::Fresh => fresh,
                    Source::Pool { images } => [pool(&fixture, images), fresh].concat(),
                };
                let of_class = |class: usize, start: f32| {
                    let sample = noisy(&fixture, &[image(&fixture, teacher[class], start)])[0];
                    Sample { y: class, ..sample }.loss(&w)
                };
                let near = |class: usize| {
                    let near = |e: f64| (found - e).abs() < 2e-4 * e.max(1e-2);
                    starts.iter().any(|start| near(of_class(class, *start)))
                };
                assert!(near(1), "{source:?}, {seed}: {found} is not of class 1");
            }
        }
    }
}

/// The noise that the images of a pool started from.
fn pool(fixture: &Fixture, images: usize) -> Vec<f32> {
    let model = lines(&[0.0]);
    let key = fixture.boundary(&model).key.within(Purpose::named("generated images"));
    key.within(Purpose::named("x_T")).normal_values(0, images, 1)
}

/// Noise in the place of a class is not a class that is seen: the next teacher is not asked for it.
#[test]
fn a_removal_teaches_a_generator_no_class() {
    let (w, teacher) = ([0.2_f32, -0.9, 0.0], [0.0_f32, 8.0, 0.0]);
    let mut fixture = Fixture::labelled(&[0, 1, 0, 1], 2).of_timesteps(8).told(0.0);
    let options = SelectiveAmnesiaConfig { batch_size: Some(40), gamma: 1.0, ..config() };
    let mut strategy = SelectiveAmnesia::<B, Line<B>>::new(options).unwrap();
    end(&mut strategy, &fixture, &[0.0; 3]);
    Strategy::<B, Line<B>>::remove_classes(&mut strategy, &[0]).unwrap();
    fixture.experience.removes = vec![0];
    end(&mut strategy, &fixture, &teacher);
    let starts = started(&fixture, Source::Fresh, 40);
    let images: Vec<f32> = starts.iter().map(|x| image(&fixture, teacher[1], *x)).collect();
    let expected = mean(&noisy(&fixture, &images), |s| Sample { y: 1, ..s }.loss(&w));
    assert_near(loss(&mut strategy, &fixture, &w, 0.0), expected, "class 1 alone");
}

/// Stored predictions go with their images.
#[test]
fn a_removed_class_takes_its_predictions_along() {
    let stored = Purpose::named("what dark experience replay stores");
    let (w, then, n) = ([0.2_f32, -0.5, 0.0], [0.4_f32, 1.0, 0.0], 5);
    let fixture = Fixture::labelled(&[0, 1, 0, 1, 1, 0, 1, 0], 2).of_timesteps(8).told(0.0);
    let options = DerConfig { alpha: 0.7, batch_size: Some(n), per_experience: 8, ..Default::default() };
    let mut der = Der::<B>::new(options).unwrap();
    end(&mut der, &fixture, &then);
    Strategy::<B, Line<B>>::remove_classes(&mut der, &[0]).unwrap();
    let model = lines(&w);
    let boundary = fixture.boundary(&model);
    let all = samples(&boundary.noisy(&boundary.draw(8, stored), boundary.key.within(stored)));
    let kept: Vec<Sample> = all.into_iter().filter(|s| s.y == 1).collect();
    assert_eq!((kept.len(), Strategy::<B, Line<B>>::memory(&der).extra_parameters), (4, 8));
    let batch = fixture.batch(&model);
    let key = fixture.step(&model, &batch).key.within(stored);
    let drawn: Vec<Sample> = buffer::draw(4, n, key).into_iter().map(|i| kept[i]).collect();
    let expected = 3.0 + 0.7 * mean(&drawn, |s| s.apart(&w, &then));
    assert_near(loss(&mut der, &fixture, &w, 3.0), expected, "DER");
    Strategy::<B, Line<B>>::remove_classes(&mut der, &[1]).unwrap();
    assert_near(loss(&mut der, &fixture, &w, 3.0), 3.0, "nothing is left");
}
