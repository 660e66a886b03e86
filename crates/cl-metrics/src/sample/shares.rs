//! The requests to a model: samples of the classes in the shares that these have in the real images that the samples
//! are compared with.
//!
//! Frequencies of classes are a part of a distribution. Asked for other shares, a perfect model would be at a distance
//! from the real images: by its divergence of class frequencies, and by every other metric of distributions too.

use data_streams::{ImageDataset, apportion, proportional_sequence};

/// The classes that `n` samples are asked for, to be compared with some real images. The classes of any number of
/// first samples are in their shares as far as whole numbers can be; with at least as many samples as classes, each
/// class is there.
pub fn requested_classes(real: &ImageDataset, n: usize) -> Vec<usize> {
    proportional_sequence(&real.counts_per_class(), n)
}

/// How many of each task's first samples make `n` samples of all tasks together, in the shares of their real images.
pub fn pooled_shares(real: &[&ImageDataset], n: usize) -> Vec<usize> {
    apportion(&real.iter().map(|images| images.len()).collect::<Vec<_>>(), n)
}

#[cfg(test)]
mod tests {
    use data_streams::ImageShape;

    use super::*;
    use crate::sample::{ard::ard, kld::kld};

    /// Images of a task, of which there are so many of each class from `first` on.
    fn task(classes: usize, first: usize, counts: &[usize]) -> ImageDataset {
        let shape = ImageShape { channels: 1, height: 1, width: 1 };
        let names = (0..classes).map(|class| class.to_string()).collect();
        let labels: Vec<usize> =
            counts.iter().enumerate().flat_map(|(i, &count)| vec![first + i; count]).collect();
        ImageDataset::new("task", shape, names, vec![0; labels.len()], labels).unwrap()
    }

    /// The classes of the real images of the first tasks, and those of the samples of a model that draws what it is
    /// asked for.
    fn pooled(tasks: &[ImageDataset], n: usize) -> (Vec<usize>, Vec<usize>) {
        let all: Vec<&ImageDataset> = tasks.iter().collect();
        let shares = pooled_shares(&all, n);
        let drawn =
            all.iter().zip(shares).flat_map(|(real, share)| requested_classes(real, n)[..share].to_vec());
        (all.iter().flat_map(|real| real.labels()).collect(), drawn.collect())
    }

    /// Five, two and three of ten classes. With as many samples of each task, a perfect model would have 0.066 and 0.33.
    #[test]
    fn a_perfect_model_of_uneven_tasks_has_the_frequencies_of_the_data() {
        let tasks = [task(10, 0, &[40; 5]), task(10, 5, &[40; 2]), task(10, 7, &[40; 3])];
        for (k, n) in [(1, 80), (2, 70), (3, 80)] {
            let (real, seen) = pooled(&tasks[..k], n);
            assert_eq!((seen.len(), ard(&real, &seen, 10).unwrap()), (n, 0.0));
        }
        let (real, seen) = pooled(&tasks, 80);
        assert!(kld(&real, &seen, 10).unwrap().abs() < 0.001);
        // 13 or 12 of 128 in place of 12.8: off by 1/64 of it eight times and by 1/16 twice.
        let (real, seen) = pooled(&tasks, 128);
        assert!((ard(&real, &seen, 10).unwrap() - 0.025).abs() < 1e-12);
        assert!(kld(&real, &seen, 10).unwrap() < 0.01);
    }

    /// MNIST, Fashion-MNIST and glyphs: `configs/several`. With as many samples of each, a perfect model would have 0.165
    /// and 1.066. A whole number of samples is left to differ from 1.16 of each of ten classes.
    #[test]
    fn a_perfect_model_of_data_sets_of_other_sizes_has_the_frequencies_of_the_data() {
        let mnist = [980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009];
        let tasks = [task(30, 0, &mnist), task(30, 10, &[1000; 10]), task(30, 20, &[200; 10])];
        let (real, seen) = pooled(&tasks, 128);
        let (kld, ard) = (kld(&real, &seen, 30).unwrap(), ard(&real, &seen, 30).unwrap());
        assert!(seen.len() == 128 && kld < 0.02 && ard < 0.13, "{kld} {ard}");
        let (real, seen) = pooled(&tasks, 2200);
        assert!(ard_of(&real, &seen) < 0.005);
    }

    fn ard_of(real: &[usize], seen: &[usize]) -> f64 {
        ard(real, seen, 30).unwrap()
    }

    #[test]
    fn with_fewer_samples_than_classes_some_are_left_out() {
        let real = task(10, 0, &[4; 10]);
        assert_eq!(requested_classes(&real, 5), [0, 1, 2, 3, 4]);
        assert_eq!(requested_classes(&real, 12)[8..], [8, 9, 0, 1]);
        assert_eq!(pooled_shares(&[&real, &real, &real], 2), [1, 1, 0]);
        assert_eq!(pooled_shares(&[&real], 7), [7]);
    }
}
