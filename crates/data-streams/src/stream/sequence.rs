//! A stream itself: a sequence of experiences over one data set.

use crate::{DataError, DatasetPair, ImageDataset, ImageShape};

/// One stretch of a stream; a task, where boundaries are known.
#[derive(Debug, Clone)]
pub struct Experience {
    /// The name of the experience.
    pub name: String,
    /// Its classes, as numbered by the source: those of `eval`. Training images may be of others where experiences
    /// overlap.
    pub classes: Vec<usize>,
    /// The images that models can be trained on.
    pub train: ImageDataset,
    /// The images that models are measured against.
    pub eval: ImageDataset,
    /// The classes that models are to lose in it: its training images have their labels and are none of theirs. Empty
    /// where nothing is to be lost.
    pub removes: Vec<usize>,
}

impl Experience {
    /// Whether it is there to remove classes, and has no training images that are to be learned.
    pub fn is_removal(&self) -> bool {
        !self.removes.is_empty()
    }
}

/// How training images arrive.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Arrival {
    /// All images of an experience are there for its duration, and are visited in shuffled epochs.
    Epochs,
    /// Every image comes once, in the order of `Experience::train`.
    Once,
}

/// A sequence of experiences over one data set.
#[derive(Debug, Clone)]
pub struct Stream {
    name: String,
    source: DatasetPair,
    experiences: Vec<Experience>,
    arrival: Arrival,
    tells_boundaries: bool,
    domains: bool,
}

/// The most experiences that an image's tag can tell apart.
const MOST_EXPERIENCES: usize = 1 << 16;

impl Stream {
    /// A stream of given experiences over `source`, whose images are tagged with the experience's position.
    ///
    /// # Errors
    /// [`DataError::Inconsistent`] if there are none or too many, one has no images, or one removes classes and leaves none.
    pub fn new(
        name: String,
        source: DatasetPair,
        mut experiences: Vec<Experience>,
    ) -> Result<Self, DataError> {
        for (k, e) in experiences.iter_mut().enumerate().take(MOST_EXPERIENCES) {
            (e.train, e.eval) = (e.train.with_task(k), e.eval.with_task(k));
        }
        Self::tagged(name, source, experiences)
    }

    /// A stream whose images are tagged already: that of a stream made from another.
    ///
    /// # Errors
    /// As [`Stream::new`].
    pub fn tagged(
        name: String,
        source: DatasetPair,
        experiences: Vec<Experience>,
    ) -> Result<Self, DataError> {
        if experiences.len() > MOST_EXPERIENCES {
            let problem = format!("{} experiences: expected at most {MOST_EXPERIENCES}", experiences.len());
            return Err(DataError::Inconsistent { name, problem });
        }
        if experiences.is_empty() {
            return Err(DataError::Inconsistent { name, problem: "the stream has no experiences".into() });
        }
        if let Some(e) = experiences.iter().find(|e| e.train.is_empty() || e.eval.is_empty()) {
            let problem = format!(
                "experience \"{}\" has {} training and {} evaluation images",
                e.name,
                e.train.len(),
                e.eval.len()
            );
            return Err(DataError::Inconsistent { name, problem });
        }
        if experiences[0].is_removal() {
            let problem = "its first experience removes classes, which no model has learned by then".into();
            return Err(DataError::Inconsistent { name, problem });
        }
        let (arrival, tells_boundaries, domains) = (Arrival::Epochs, true, false);
        let stream = Self { name, source, experiences, arrival, tells_boundaries, domains };
        let leaves = |k: usize| !stream.experiences[k].is_removal() || !stream.kept_train(k).is_empty();
        let empty = (0..stream.len()).find(|&k| !leaves(k));
        if let Some(k) = empty {
            let problem = format!("experience \"{}\" leaves no class", stream.experiences[k].name);
            return Err(DataError::Inconsistent { name: stream.name, problem });
        }
        Ok(stream)
    }

    /// The same stream, whose images arrive in a way, with the ends of experiences told or not.
    #[must_use]
    pub fn arriving(self, arrival: Arrival, tells_boundaries: bool) -> Self {
        Self { arrival, tells_boundaries, ..self }
    }

    /// The same stream, in which images of one class are of another distribution in each experience, or not.
    #[must_use]
    pub fn in_domains(mut self, domains: bool) -> Self {
        for e in &mut self.experiences {
            (e.train, e.eval) = (e.train.clone().with_domains(domains), e.eval.clone().with_domains(domains));
        }
        Self { domains, ..self }
    }

    /// Whether some class has images in several experiences, of another distribution in each. The class of an image does
    /// not tell then which experience it could be from: where only the images of a class are shared out among
    /// experiences, it does not matter.
    pub fn shares_classes_across_domains(&self) -> bool {
        let mut classes: Vec<usize> = self.experiences.iter().flat_map(|e| e.classes.clone()).collect();
        classes.sort_unstable();
        self.domains && classes.windows(2).any(|pair| pair[0] == pair[1])
    }

    /// The data set that the experiences are of.
    pub fn source(&self) -> &DatasetPair {
        &self.source
    }

    /// How training images arrive.
    pub fn arrival(&self) -> Arrival {
        self.arrival
    }

    /// Whether strategies are told where an experience ends.
    pub fn tells_boundaries(&self) -> bool {
        self.tells_boundaries
    }

    /// The name of the stream.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The shape of every image.
    pub fn shape(&self) -> ImageShape {
        self.source.train.shape()
    }

    /// The names of all classes of the source.
    pub fn class_names(&self) -> &[String] {
        self.source.train.class_names()
    }

    /// The experiences in their order.
    pub fn experiences(&self) -> &[Experience] {
        &self.experiences
    }

    /// The number of experiences.
    pub fn len(&self) -> usize {
        self.experiences.len()
    }

    /// Whether there are no experiences, which [`Stream::new`] does not allow.
    pub fn is_empty(&self) -> bool {
        self.experiences.is_empty()
    }

    /// The classes that are removed in one of the experiences 0 to `k`, in ascending order.
    pub fn removed_by(&self, k: usize) -> Vec<usize> {
        let so_far = self.experiences.iter().take(k.saturating_add(1));
        let mut removed: Vec<usize> = so_far.flat_map(|e| e.removes.iter().copied()).collect();
        removed.sort_unstable();
        removed.dedup();
        removed
    }

    /// The classes that are removed in some experience.
    pub fn removed(&self) -> Vec<usize> {
        self.removed_by(self.len())
    }

    /// The training images of all experiences, but of those that remove classes.
    pub fn all_train(&self) -> ImageDataset {
        self.learned(self.len())
    }

    /// The training images of the experiences 0 to `k` that are to be known after experience `k`: of no class that is
    /// removed by then.
    pub fn kept_train(&self, k: usize) -> ImageDataset {
        let (all, removed) = (self.learned(k.saturating_add(1)), self.removed_by(k));
        if removed.is_empty() {
            return all;
        }
        let kept: Vec<usize> = (0..all.len()).filter(|&i| !removed.contains(&all.label(i))).collect();
        all.select(&kept)
    }

    /// The evaluation images of all experiences.
    pub fn all_eval(&self) -> ImageDataset {
        let parts: Vec<&ImageDataset> = self.experiences.iter().map(|e| &e.eval).collect();
        pooled(&parts)
    }

    /// The training images of the first `n` experiences, but of those that remove classes.
    fn learned(&self, n: usize) -> ImageDataset {
        let learning = self.experiences.iter().take(n).filter(|e| !e.is_removal());
        pooled(&learning.map(|e| &e.train).collect::<Vec<_>>())
    }
}

fn pooled(parts: &[&ImageDataset]) -> ImageDataset {
    ImageDataset::concat(parts).expect("the experiences of a stream are views of one source")
}
