//! A metric does not depend on the order of images or on the batches in which features were extracted. Noise changes it.

use burn_autodiff::Autodiff;
use burn_flex::Flex;
use cl_metrics::{
    features::{
        FeatureExtractor, FeatureMatrix,
        classifier::{ClassifierCache, ClassifierConfig},
    },
    sample::{
        ImageSet, SampleMetric,
        fid::frechet_distance_of,
        kid::{kid_of_all, kid_of_subsets},
        measure,
    },
};
use data_streams::{DatasetPair, ImageDataset, dataset::glyphs::GlyphsConfig};
use proptest::prelude::*;

fn glyphs() -> DatasetPair {
    let config =
        GlyphsConfig { size: 8.into(), train_per_class: 40, eval_per_class: 40, ..GlyphsConfig::default() };
    config.build().unwrap()
}

fn extractor(data: &DatasetPair) -> Box<dyn FeatureExtractor> {
    let config = ClassifierConfig { channels: vec![8, 16], features: 12, epochs: 3, ..Default::default() };
    let cache = ClassifierCache::default();
    cache.extractor::<Autodiff<Flex>>(&config, &data.train, &Default::default()).unwrap()
}

/// Every `step`-th image at a time.
fn in_parts(extractor: &dyn FeatureExtractor, images: &ImageDataset, size: usize) -> FeatureMatrix {
    let parts: Vec<FeatureMatrix> = (0..images.len())
        .step_by(size)
        .map(|first| {
            let positions: Vec<usize> = (first..images.len().min(first + size)).collect();
            extractor.describe(&images.select(&positions)).unwrap().features
        })
        .collect();
    FeatureMatrix::concat(&parts.iter().collect::<Vec<_>>()).unwrap()
}

#[test]
fn the_batch_in_which_images_are_described_does_not_matter() {
    let data = glyphs();
    let extractor = extractor(&data);
    let together = extractor.describe(&data.eval).unwrap().features;
    for size in [1, 7, 256] {
        let parts = in_parts(&*extractor, &data.eval, size);
        assert_eq!(parts, together, "batches of {size}");
        let kid = |features| kid_of_subsets(features, &together, 4, 50, 1).unwrap();
        assert_eq!(kid(&parts), kid(&together));
    }
}

#[test]
fn noise_on_images_raises_every_distance() {
    let data = glyphs();
    let extractor = extractor(&data);
    let real = extractor.describe(&data.train).unwrap().features;
    let noisy = |share: u64| {
        let pixels = (0..data.eval.len()).flat_map(|i| {
            let image = data.eval.pixels_of(i).to_vec();
            image.into_iter().enumerate().map(move |(j, pixel)| {
                let drawn = ((i * 64 + j) as u64 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32;
                if drawn % 100 < share { (drawn >> 8) as u8 } else { pixel }
            })
        });
        let names = data.eval.class_names().to_vec();
        let images =
            ImageDataset::new("noisy", data.eval.shape(), names, pixels.collect(), data.eval.labels())
                .unwrap();
        extractor.describe(&images).unwrap().features
    };
    let levels: Vec<FeatureMatrix> = [0, 10, 30, 60].into_iter().map(noisy).collect();
    for pair in levels.windows(2) {
        let fid = |set| frechet_distance_of(&real, set).unwrap();
        let kid = |set| kid_of_all(&real, set).unwrap().kid;
        assert!(fid(&pair[1]) > fid(&pair[0]), "{} and {}", fid(&pair[0]), fid(&pair[1]));
        assert!(kid(&pair[1]) > kid(&pair[0]), "{} and {}", kid(&pair[0]), kid(&pair[1]));
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(16))]

    #[test]
    fn the_order_of_images_does_not_matter(
        values in proptest::collection::vec(-3.0_f32..3.0, 60 * 3),
        keys in proptest::collection::vec(0_u32..1000, 40),
    ) {
        let all = FeatureMatrix::new(3, values).unwrap();
        let (real, samples) = (all.select(&(0..20).collect::<Vec<_>>()), all.select(&(20..60).collect::<Vec<_>>()));
        let mut order: Vec<usize> = (0..40).collect();
        order.sort_by_key(|&i| keys[i]);
        let shuffled = samples.select(&order);
        let wanted = ["fid", "kid", "precision", "recall", "density", "coverage", "swd"]
            .map(|name| SampleMetric::named(name).unwrap());
        let of = |set: &FeatureMatrix| {
            let with_pixels = |features| ImageSet { pixels: Some(features), ..ImageSet::of_features(features) };
            measure(&wanted, &with_pixels(&real), &with_pixels(set), None).unwrap()
        };
        let (one, other) = (of(&samples), of(&shuffled));
        prop_assert_eq!(one.len(), wanted.len());
        for (metric, value) in one {
            let (value, other) = (value.unwrap().value, other[&metric].clone().unwrap().value);
            prop_assert!((value - other).abs() < 1e-9 * (1.0 + value.abs()), "{:?}", metric);
        }
    }
}
