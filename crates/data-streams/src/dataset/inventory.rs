//! How many images each class has, and which classes a run should not be trusted on.

use serde::{Deserialize, Serialize};

use super::DatasetPair;
use crate::{Experience, ImageDataset, Stream, listed};

/// A class with fewer images than this share of what the median class has is tiny.
const TINY_SHARE: f64 = 0.1;

/// The images of a class.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClassImages {
    /// The name of the class.
    pub name: String,
    /// Images to train on.
    pub train: usize,
    /// Images to measure against.
    pub eval: usize,
}

/// The images of every class, in the order of the classes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Inventory(pub Vec<ClassImages>);

impl Inventory {
    /// Counts both halves of a data set.
    pub fn of(data: &DatasetPair) -> Self {
        let counts = |half: &ImageDataset| half.counts_per_class();
        Self::counted(data.train.class_names(), &counts(&data.train), &counts(&data.eval))
    }

    /// Counts what the experiences of a stream hold together. An image that is in several counts for each.
    pub fn of_stream(stream: &Stream) -> Self {
        let sums = |half: fn(&Experience) -> &ImageDataset| {
            let mut sums = vec![0; stream.class_names().len()];
            for counts in stream.experiences().iter().map(|e| half(e).counts_per_class()) {
                sums.iter_mut().zip(counts).for_each(|(sum, count)| *sum += count);
            }
            sums
        };
        Self::counted(stream.class_names(), &sums(|e| &e.train), &sums(|e| &e.eval))
    }

    fn counted(names: &[String], train: &[usize], eval: &[usize]) -> Self {
        let class = |(i, name): (usize, &String)| ClassImages {
            name: name.clone(),
            train: train.get(i).copied().unwrap_or(0),
            eval: eval.get(i).copied().unwrap_or(0),
        };
        Self(names.iter().enumerate().map(class).collect())
    }

    /// A sentence on the classes that a stream of these images measures and never trains on, though there are images of
    /// them to train on: part of them may be left out of the stream.
    pub fn never_trained_in(&self, stream: &Self) -> Option<String> {
        let has = |(whole, part): &(&ClassImages, &ClassImages)| {
            whole.train > 0 && part.train == 0 && part.eval > 0
        };
        let names: Vec<String> =
            self.0.iter().zip(&stream.0).filter(has).map(|(class, _)| class.name.clone()).collect();
        let lack = "is measured, but no experience has images of it to train on";
        match names.len() {
            0 => None,
            1 => Some(format!("class {} {lack}", shown(&names))),
            n => Some(format!("each of {n} classes {lack}: {}", shown(&names))),
        }
    }

    /// A sentence for each kind of classes that a method cannot learn or that cannot be measured: without any images,
    /// never trained on, with nothing to measure against, and tiny.
    pub fn doubts(&self) -> Vec<String> {
        let median = self.median();
        let is_tiny = |class: &ClassImages| class.train > 0 && (class.train as f64) < TINY_SHARE * median;
        let trained = self.names(|class| class.train > 0);
        let tiny = |class: &ClassImages| format!("{} ({})", class.name, class.train);
        let kinds: [(Vec<String>, &str, String); 4] = [
            (self.names(|class| class.train == 0 && class.eval == 0), "no images", String::new()),
            (
                self.names(|class| class.train == 0 && class.eval > 0),
                "no images to train on, though there are some to measure against",
                format!("; there are for {}", shown(&trained)),
            ),
            (
                self.names(|class| class.train > 0 && class.eval == 0),
                "no images to measure against, though there are some to train on",
                String::new(),
            ),
            (
                self.0.iter().filter(|class| is_tiny(class)).map(tiny).collect(),
                "few images to train on",
                format!("; the median class has {median}"),
            ),
        ];
        let doubt = |(names, lack, more): (Vec<String>, &str, String)| match names.len() {
            0 => None,
            1 => Some(format!("class {} has {lack}{more}", shown(&names))),
            n => Some(format!("{n} classes have {lack}: {}{more}", shown(&names))),
        };
        kinds.into_iter().filter_map(doubt).collect()
    }

    /// Warns of every doubt.
    pub fn warn(&self, name: &str) {
        self.doubts().iter().for_each(|doubt| tracing::warn!("{name}: {doubt}"));
    }

    fn names(&self, has: impl Fn(&ClassImages) -> bool) -> Vec<String> {
        self.0.iter().filter(|class| has(class)).map(|class| class.name.clone()).collect()
    }

    /// Training images of the median class of those that have some.
    fn median(&self) -> f64 {
        let mut counts: Vec<usize> =
            self.0.iter().map(|class| class.train).filter(|count| *count > 0).collect();
        counts.sort_unstable();
        match counts.len() {
            0 => 0.0,
            n if n % 2 == 1 => counts[n / 2] as f64,
            n => (counts[n / 2 - 1] + counts[n / 2]) as f64 / 2.0,
        }
    }
}

fn shown(names: &[String]) -> String {
    listed(names.iter().map(String::as_str))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ImageShape;

    fn doubts(counts: &[(usize, usize)]) -> Vec<String> {
        let names: Vec<String> = (0..counts.len()).map(|i| char::from(b'a' + i as u8).to_string()).collect();
        let half = |of: fn(&(usize, usize)) -> usize| {
            let labels: Vec<usize> = counts.iter().enumerate().flat_map(|(i, n)| vec![i; of(n)]).collect();
            let shape = ImageShape { channels: 1, height: 1, width: 1 };
            ImageDataset::new("x", shape, names.clone(), vec![0; labels.len()], labels).unwrap()
        };
        Inventory::of(&DatasetPair::new(half(|n| n.0), half(|n| n.1)).unwrap()).doubts()
    }

    #[test]
    fn every_lack_is_one_sentence_with_the_classes() {
        assert_eq!(
            doubts(&[(0, 0), (5, 2), (0, 3), (4, 0), (6, 1)]),
            [
                "class \"a\" has no images",
                "class \"c\" has no images to train on, though there are some to measure against; there are for \"b\", \
                 \"d\", \"e\"",
                "class \"d\" has no images to measure against, though there are some to train on",
            ]
        );
        assert_eq!(
            doubts(&[(0, 2), (1, 2), (0, 1)]),
            [
                "2 classes have no images to train on, though there are some to measure against: \"a\", \"c\"; there are \
              for \"b\""
            ]
        );
    }

    /// Class `b` has images to train on, which the stream leaves out.
    #[test]
    fn a_class_that_a_stream_never_trains_on_is_named() {
        let counted = |train: &[usize], eval: &[usize]| {
            Inventory::counted(&["a", "b", "c"].map(str::to_owned), train, eval)
        };
        let whole = counted(&[5, 5, 0], &[2, 2, 2]);
        assert_eq!(
            whole.never_trained_in(&counted(&[5, 0, 0], &[2, 1, 2])).as_deref(),
            Some("class \"b\" is measured, but no experience has images of it to train on")
        );
        assert_eq!(
            whole.never_trained_in(&counted(&[0, 0, 0], &[2, 1, 2])).as_deref(),
            Some(
                "each of 2 classes is measured, but no experience has images of it to train on: \"a\", \"b\""
            )
        );
        assert_eq!(
            whole.never_trained_in(&counted(&[5, 0, 0], &[2, 0, 2])),
            None,
            "neither trained nor measured"
        );
        assert_eq!(whole.never_trained_in(&whole), None);
    }

    #[test]
    fn the_experiences_of_a_stream_are_counted_together() {
        let shape = ImageShape { channels: 1, height: 1, width: 1 };
        let names = ["a", "b"].map(str::to_owned).to_vec();
        let half = |labels: &[usize]| {
            ImageDataset::new("x", shape, names.clone(), vec![0; labels.len()], labels.to_vec()).unwrap()
        };
        let data = DatasetPair::new(half(&[0, 0, 1]), half(&[0, 1, 1])).unwrap();
        let part = |train: &[usize], eval: &[usize]| Experience {
            name: "x".into(),
            classes: vec![0, 1],
            removes: Vec::new(),
            train: data.train.select(train),
            eval: data.eval.select(eval),
        };
        // The image 0 is in both.
        let experiences = vec![part(&[0, 1], &[0]), part(&[0, 2], &[1, 2])];
        let stream = Stream::new("s".into(), data.clone(), experiences).unwrap();
        let counts: Vec<_> =
            Inventory::of_stream(&stream).0.into_iter().map(|class| (class.train, class.eval)).collect();
        assert_eq!(counts, [(3, 1), (1, 2)]);
        let counts: Vec<_> =
            Inventory::of(&data).0.into_iter().map(|class| (class.train, class.eval)).collect();
        assert_eq!(counts, [(2, 1), (1, 2)]);
    }

    #[test]
    fn a_class_is_tiny_beside_the_median_of_those_that_have_images() {
        // The median of 40, 30, 20 and 1 is 25: below 2.5 a class is tiny.
        let told = doubts(&[(40, 1), (1, 1), (30, 1), (20, 1)]);
        assert_eq!(told, ["class \"b (1)\" has few images to train on; the median class has 25"]);
        assert_eq!(doubts(&[(40, 1), (3, 1), (30, 1), (20, 1)]), Vec::<String>::new());
        assert_eq!(doubts(&[(1, 1), (2, 1)]), Vec::<String>::new());
    }
}
