//! Training of the feature classifier: cross-entropy with smoothed labels (Szegedy et al. 2015), AdamW, a learning rate
//! that rises over the first tenth of the steps and falls with a cosine to 0, images moved by some pixels, and the moving
//! average of the weights as the result. All draws come from keys.

use burn::{nn::loss::CrossEntropyLossConfig, optim::GradientsParams, tensor::Tensor};
use data_streams::{EpochOrder, ImageDataset};
use ddpm_core::{
    AdamW, AdamWConfig, Ema, Kernels, TrainBackend,
    ema::EmaConfig,
    nn::Initializer,
    noise::{self, Key, Purpose},
};
use rand::Rng;

use super::{Classifier, ClassifierConfig, batch, scaled};

const INIT: Purpose = Purpose::named("feature classifier");
const SUBSET: Purpose = Purpose::named("images of the feature classifier");
const SHIFT: Purpose = Purpose::named("shifts of the feature classifier");

/// The part of a label that is shared among all classes.
const SMOOTHING: f32 = 0.05;
const WEIGHT_DECAY: f32 = 0.05;
/// Decay of the moving average of the weights.
const AVERAGE: f64 = 0.98;
/// The share of the steps over which the learning rate rises.
const WARM_UP: f64 = 0.1;

/// Trains a classifier on all classes of `data`. The result is the average of the weights.
pub(super) fn train<B: TrainBackend>(
    config: &ClassifierConfig,
    data: &ImageDataset,
    device: &B::Device,
) -> Classifier<B::InnerBackend> {
    let data = data.select(&data.stratified(config.max_train_images, Key::new(config.seed, SUBSET)));
    let classes = data.class_names().len();
    let init = &mut Initializer::new(Key::new(config.seed, INIT), device);
    let mut classifier = Classifier::<B>::new(config, data.shape(), classes, init);
    let mut optimizer = AdamW::new(AdamWConfig { weight_decay: WEIGHT_DECAY, ..AdamWConfig::default() });
    let mut average = Ema::new(EmaConfig { decay: AVERAGE, ..EmaConfig::default() }, &classifier);
    let loss_function = CrossEntropyLossConfig::new().with_smoothing(Some(SMOOTHING)).init(device);
    let mut order = EpochOrder::new(config.seed, 0, data.len());
    let steps = (data.len() * config.epochs).div_ceil(config.batch_size).max(config.min_steps);
    for step in 0..steps {
        let chosen = order.batch(step as u64, config.batch_size);
        let labels: Vec<usize> = chosen.iter().map(|&i| data.label(i)).collect();
        let (_, logits) = classifier.forward(moved(&data, &chosen, config, step, device));
        let loss = loss_function.forward(logits, noise::indices(&labels, device));
        let grads = GradientsParams::from_grads(loss.backward(), &classifier);
        let rate = config.learning_rate * share_of_rate(step, steps);
        classifier = optimizer.step::<B, _>(classifier, grads, rate, None, &mut average);
    }
    average.averaged(&classifier)
}

/// The learning rate as a share of the highest.
fn share_of_rate(step: usize, steps: usize) -> f64 {
    let progress = (step as f64 + 0.5) / steps as f64;
    if progress < WARM_UP {
        return progress / WARM_UP;
    }
    0.5 * (1.0 + (std::f64::consts::PI * (progress - WARM_UP) / (1.0 - WARM_UP)).cos())
}

/// The images of a step, each moved by up to `max_shift` pixels; black follows them in.
fn moved<B: Kernels>(
    data: &ImageDataset,
    positions: &[usize],
    config: &ClassifierConfig,
    step: usize,
    device: &B::Device,
) -> Tensor<B, 4> {
    let (shape, most) = (data.shape(), config.max_shift as i32);
    let key = Key::new(config.seed, SHIFT).step(step);
    let from = |at: usize, by: isize, size: usize| at.checked_add_signed(-by).filter(|&at| at < size);
    let mut values = Vec::with_capacity(positions.len() * shape.len());
    for (n, &position) in positions.iter().enumerate() {
        let mut rng = key.rng(n as u64);
        let mut draw = || rng.random_range(-most..=most) as isize;
        let (down, right) = (draw(), draw());
        for plane in data.pixels_of(position).chunks(shape.height * shape.width) {
            for row in 0..shape.height {
                let line =
                    from(row, down, shape.height).map(|row| &plane[row * shape.width..][..shape.width]);
                let pixel = |x| line.zip(from(x, right, shape.width)).map_or(0, |(line, x)| line[x]);
                values.extend((0..shape.width).map(|x| scaled(pixel(x))));
            }
        }
    }
    batch(shape, values, device)
}

#[cfg(test)]
mod tests {
    use burn_flex::Flex;
    use data_streams::ImageShape;

    use super::*;

    #[test]
    fn the_rate_rises_over_a_tenth_and_falls_to_nothing() {
        let all: Vec<f64> = (0..100).map(|step| share_of_rate(step, 100)).collect();
        // The middle of the first of 10 steps of warm-up.
        assert!((all[0] - 0.05).abs() < 1e-12);
        assert!(all[..10].is_sorted() && all[10..].iter().rev().is_sorted());
        assert!(all[10] > 0.999 && all[99] < 1e-3, "{} {}", all[10], all[99]);
    }

    #[test]
    fn images_are_moved_whole_and_by_no_more_than_is_asked_for() {
        let shape = ImageShape { channels: 1, height: 3, width: 3 };
        // One bright pixel in the middle of black.
        let mut pixels = [0_u8; 9];
        pixels[4] = 255;
        let names = vec!["dot".to_owned()];
        let data = ImageDataset::new("dot", shape, names, pixels.repeat(200), vec![0; 200]).unwrap();
        let chosen: Vec<usize> = (0..200).collect();
        let of = |max_shift, step| {
            let config = ClassifierConfig { max_shift, ..ClassifierConfig::default() };
            let images = moved::<Flex>(&data, &chosen, &config, step, &Default::default());
            images.into_data().to_vec::<f32>().unwrap()
        };
        let places = |values: Vec<f32>| -> Vec<usize> {
            let images = values.chunks(9).map(|image| image.iter().position(|&x| x == 1.0));
            images.map(|place| place.expect("the dot stays inside")).collect()
        };
        assert_eq!(places(of(0, 0)), vec![4; 200]);
        let found = places(of(1, 0));
        assert!((0..9).all(|place| found.contains(&place)), "{found:?}");
        assert_eq!(found, places(of(1, 0)));
        assert_ne!(found, places(of(1, 1)));
    }
}
