//! Counts and moments of a data set.

use data_streams::ImageDataset;
use serde::Serialize;

/// The images of a split in numbers.
#[derive(Debug, PartialEq, Serialize)]
pub(super) struct Statistics {
    pub name: String,
    pub split: &'static str,
    pub images: usize,
    /// Channels, height, width.
    pub shape: [usize; 3],
    pub classes: Vec<ClassCount>,
    /// Of each channel, with 255 as 1.
    pub mean: Vec<f64>,
    /// Of each channel, over all pixels, with 255 as 1.
    pub standard_deviation: Vec<f64>,
}

/// How many images a class has.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub(super) struct ClassCount {
    pub name: String,
    pub images: usize,
}

pub(super) fn statistics(data: &ImageDataset, split: &'static str) -> Statistics {
    let shape = data.shape();
    let counts = data.class_names().iter().zip(data.counts_per_class());
    let moments: Vec<(f64, f64)> = histograms(data).iter().map(moments).collect();
    Statistics {
        name: data.name().into(),
        split,
        images: data.len(),
        shape: [shape.channels, shape.height, shape.width],
        classes: counts.map(|(name, images)| ClassCount { name: name.clone(), images }).collect(),
        mean: moments.iter().map(|(mean, _)| *mean).collect(),
        standard_deviation: moments.iter().map(|(_, deviation)| *deviation).collect(),
    }
}

/// How often each value occurs in each channel: whole numbers, so that no sum is ever rounded.
fn histograms(data: &ImageDataset) -> Vec<[u64; 256]> {
    let shape = data.shape();
    let mut histograms = vec![[0; 256]; shape.channels];
    for i in 0..data.len() {
        let planes = data.pixels_of(i).chunks_exact(shape.height * shape.width);
        for (histogram, plane) in histograms.iter_mut().zip(planes) {
            plane.iter().for_each(|&value| histogram[usize::from(value)] += 1);
        }
    }
    histograms
}

/// Mean and standard deviation.
fn moments(histogram: &[u64; 256]) -> (f64, f64) {
    let count: u64 = histogram.iter().sum();
    let weighted = |of: &dyn Fn(f64) -> f64| {
        let sum: f64 =
            histogram.iter().enumerate().map(|(value, &n)| n as f64 * of(value as f64 / 255.0)).sum();
        sum / count.max(1) as f64
    };
    let mean = weighted(&|value| value);
    (mean, weighted(&|value| (value - mean).powi(2)).sqrt())
}

#[cfg(test)]
mod tests {
    use data_streams::ImageShape;

    use super::*;

    #[test]
    fn channels_are_counted_apart() {
        let shape = ImageShape { channels: 2, height: 1, width: 2 };
        let names = vec!["a".to_owned(), "b".to_owned(), "c".to_owned()];
        let data =
            ImageDataset::new("x", shape, names, vec![0, 255, 51, 51, 0, 255, 51, 51], vec![2, 0]).unwrap();
        let found = statistics(&data, "train");
        assert_eq!(found.classes.iter().map(|class| class.images).collect::<Vec<_>>(), [1, 0, 1]);
        assert_eq!((found.mean, found.shape), (vec![0.5, 0.2], [2, 1, 2]));
        assert!((found.standard_deviation[0] - 0.5).abs() < 1e-12 && found.standard_deviation[1] < 1e-12);
    }
}
