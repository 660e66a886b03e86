//! Labelled 8-bit images in memory: stored once, looked at in views.

use std::{ops::Range, sync::Arc};

#[cfg(feature = "burn-dataset")]
use burn_dataset::Dataset;
use sha2::{Digest, Sha256};

use super::ImageShape;
use crate::DataError;

/// One labelled image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImageItem {
    /// Channel after channel, row after row.
    pub pixels: Vec<u8>,
    /// The class.
    pub label: usize,
    /// The experience that it belongs to.
    pub task: usize,
}

/// A data set among several that were joined.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Part {
    /// The name of the data set.
    pub name: String,
    /// Its classes, as the joined set numbers them.
    pub classes: Range<usize>,
}

/// One image of a view.
#[derive(Debug, Clone, Copy)]
struct Entry {
    index: u32,
    task: u16,
}

/// The images themselves, which all views of them share.
#[derive(Debug)]
struct Storage {
    name: String,
    shape: ImageShape,
    class_names: Vec<String>,
    parts: Vec<Part>,
    pixels: Vec<u8>,
    labels: Vec<u16>,
}

/// A view of a set of labelled images of one shape; cloning and selecting copy no pixels.
///
/// Every image carries the experience (task) that it belongs to: 0 until a stream says which. Views of views,
/// selections and pools keep it.
#[derive(Debug, Clone)]
pub struct ImageDataset {
    storage: Arc<Storage>,
    view: Arc<[Entry]>,
    domains: bool,
}

impl ImageDataset {
    /// A data set of images stored one after another.
    ///
    /// # Errors
    /// [`DataError::Inconsistent`] if pixels, labels and class names do not fit each other.
    pub fn new(
        name: &str,
        shape: ImageShape,
        class_names: Vec<String>,
        pixels: Vec<u8>,
        labels: Vec<usize>,
    ) -> Result<Self, DataError> {
        let inconsistent = |problem: String| DataError::Inconsistent { name: name.into(), problem };
        if labels.len().checked_mul(shape.len()) != Some(pixels.len()) {
            let problem = format!(
                "{} labels of {shape} images do not make {} bytes of pixels",
                labels.len(),
                pixels.len()
            );
            return Err(inconsistent(problem));
        }
        if let Some(label) = labels.iter().find(|label| **label >= class_names.len()) {
            return Err(inconsistent(format!(
                "label {label} is out of range: there are {} classes",
                class_names.len()
            )));
        }
        let too_many = |_| inconsistent(format!("{} images or classes are too many", labels.len()));
        let count = u32::try_from(labels.len()).map_err(too_many)?;
        let labels = labels.iter().map(|&l| u16::try_from(l).map_err(too_many)).collect::<Result<_, _>>()?;
        let whole = Part { name: name.into(), classes: 0..class_names.len() };
        let storage = Storage { name: name.into(), shape, class_names, parts: vec![whole], pixels, labels };
        let view = (0..count).map(|index| Entry { index, task: 0 }).collect();
        Ok(Self { storage: Arc::new(storage), view, domains: false })
    }

    /// The same set, known to be joined from `parts`.
    ///
    /// # Panics
    /// If the set is shared already.
    pub(crate) fn with_parts(mut self, parts: Vec<Part>) -> Self {
        Arc::get_mut(&mut self.storage).expect("a set is told its parts as it is made").parts = parts;
        self
    }

    /// The name of the source.
    pub fn name(&self) -> &str {
        &self.storage.name
    }

    /// The shape of every image.
    pub fn shape(&self) -> ImageShape {
        self.storage.shape
    }

    /// The names of all classes of the source, in the view or not.
    pub fn class_names(&self) -> &[String] {
        &self.storage.class_names
    }

    /// The data sets that this one was joined from; itself, if from no others.
    pub fn parts(&self) -> &[Part] {
        &self.storage.parts
    }

    /// The number of images.
    pub fn len(&self) -> usize {
        self.view.len()
    }

    /// Whether there are no images.
    pub fn is_empty(&self) -> bool {
        self.view.is_empty()
    }

    /// The position in the source of the i-th image: its identity, whatever the view.
    pub fn source_index(&self, i: usize) -> usize {
        self.view[i].index as usize
    }

    /// The experience that the i-th image belongs to.
    pub fn task(&self, i: usize) -> usize {
        usize::from(self.view[i].task)
    }

    /// The experiences that all images belong to.
    pub fn tasks(&self) -> Vec<usize> {
        self.view.iter().map(|entry| usize::from(entry.task)).collect()
    }

    /// The same images, all of one experience.
    ///
    /// # Panics
    /// If there are more experiences than 65536.
    #[must_use]
    pub fn with_task(&self, task: usize) -> Self {
        self.with_tasks_from(|_| task)
    }

    /// The same images, the i-th of experience `tasks[i]`.
    ///
    /// # Panics
    /// If there are not as many tasks as images, or more experiences than 65536.
    #[must_use]
    pub fn with_tasks(&self, tasks: &[usize]) -> Self {
        assert_eq!(tasks.len(), self.len(), "one task an image");
        self.with_tasks_from(|i| tasks[i])
    }

    fn with_tasks_from(&self, task: impl Fn(usize) -> usize) -> Self {
        let retag = |(i, entry): (usize, &Entry)| {
            let task = u16::try_from(task(i)).expect("fewer experiences than 65536");
            Entry { task, ..*entry }
        };
        let view = self.view.iter().enumerate().map(retag).collect();
        Self { storage: Arc::clone(&self.storage), view, domains: self.domains }
    }

    /// The same images, where images of one class are of another distribution in each experience, or not.
    #[must_use]
    pub fn with_domains(self, domains: bool) -> Self {
        Self { domains, ..self }
    }

    /// Whether images of one class are of another distribution in each experience: a stream says so. Views, selections
    /// and pools keep it.
    pub fn changes_domains(&self) -> bool {
        self.domains
    }

    /// The pixels of the i-th image.
    pub fn pixels_of(&self, i: usize) -> &[u8] {
        let n = self.storage.shape.len();
        let at = self.source_index(i) * n;
        &self.storage.pixels[at..at + n]
    }

    /// The class of the i-th image.
    pub fn label(&self, i: usize) -> usize {
        usize::from(self.storage.labels[self.source_index(i)])
    }

    /// The classes of all images.
    pub fn labels(&self) -> Vec<usize> {
        (0..self.len()).map(|i| self.label(i)).collect()
    }

    /// How many images each class of the source has in this view.
    pub fn counts_per_class(&self) -> Vec<usize> {
        let mut counts = vec![0; self.class_names().len()];
        for i in 0..self.len() {
            counts[self.label(i)] += 1;
        }
        counts
    }

    /// The images at some positions of this view.
    ///
    /// # Panics
    /// If a position is out of range.
    #[must_use]
    pub fn select(&self, positions: &[usize]) -> Self {
        let view = positions.iter().map(|&i| self.view[i]).collect();
        Self { storage: Arc::clone(&self.storage), view, domains: self.domains }
    }

    /// The images of some classes, in their order.
    #[must_use]
    pub fn of_classes(&self, classes: &[usize]) -> Self {
        let positions: Vec<usize> = (0..self.len()).filter(|&i| classes.contains(&self.label(i))).collect();
        self.select(&positions)
    }

    /// The first `n` images, or all.
    #[must_use]
    pub fn take(&self, n: usize) -> Self {
        let view = self.view.iter().copied().take(n).collect();
        Self { storage: Arc::clone(&self.storage), view, domains: self.domains }
    }

    /// Several sets as one; views of one source copy no pixels.
    ///
    /// # Errors
    /// [`DataError::Inconsistent`] if there are none, or their shapes or classes differ.
    pub fn concat(parts: &[&Self]) -> Result<Self, DataError> {
        let Some((first, rest)) = parts.split_first() else {
            return Err(DataError::Inconsistent { name: "pooled".into(), problem: "nothing to pool".into() });
        };
        let domains = parts.iter().any(|part| part.domains);
        if rest.iter().all(|part| Arc::ptr_eq(&part.storage, &first.storage)) {
            let view = parts.iter().flat_map(|part| part.view.iter().copied()).collect();
            return Ok(Self { storage: Arc::clone(&first.storage), view, domains });
        }
        if let Some(other) =
            rest.iter().find(|p| p.shape() != first.shape() || p.class_names() != first.class_names())
        {
            let problem = format!(
                "its {} images do not pool with the {} ones of \"{}\", or their classes differ",
                first.shape(),
                other.shape(),
                other.name()
            );
            return Err(DataError::Inconsistent { name: first.name().into(), problem });
        }
        let images: usize = parts.iter().map(|part| part.len()).sum();
        let mut pixels = Vec::with_capacity(images * first.shape().len());
        for part in parts {
            (0..part.len()).for_each(|i| pixels.extend_from_slice(part.pixels_of(i)));
        }
        let labels = parts.iter().flat_map(|part| part.labels()).collect();
        let tasks: Vec<usize> = parts.iter().flat_map(|part| part.tasks()).collect();
        let copied = Self::new(first.name(), first.shape(), first.class_names().to_vec(), pixels, labels)?;
        Ok(copied.with_parts(first.parts().to_vec()).with_tasks(&tasks).with_domains(domains))
    }

    /// SHA-256 over shape, class names, labels and pixels in this view's order, in hexadecimal.
    pub fn content_hash(&self) -> String {
        let mut hash = Sha256::new();
        hash.update(format!("{}\n{:?}\n", self.shape(), self.class_names()));
        for i in 0..self.len() {
            hash.update(self.storage.labels[self.source_index(i)].to_le_bytes());
            hash.update(self.pixels_of(i));
        }
        hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
    }
}

#[cfg(feature = "burn-dataset")]
impl Dataset<ImageItem> for ImageDataset {
    fn get(&self, index: usize) -> Option<ImageItem> {
        (index < self.len()).then(|| ImageItem {
            pixels: self.pixels_of(index).to_vec(),
            label: self.label(index),
            task: self.task(index),
        })
    }

    fn len(&self) -> usize {
        self.view.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn four() -> ImageDataset {
        let shape = ImageShape { channels: 1, height: 1, width: 2 };
        let names = vec!["a".to_owned(), "b".to_owned()];
        ImageDataset::new("four", shape, names, (0..8).collect(), vec![0, 1, 0, 1]).unwrap()
    }

    #[test]
    fn views_and_pools_keep_that_domains_change() {
        let (plain, other) = (four(), four().with_domains(true));
        assert!(!plain.changes_domains() && !plain.select(&[1]).with_task(2).changes_domains());
        assert!(other.select(&[1]).with_task(2).take(1).changes_domains());
        assert!(ImageDataset::concat(&[&plain, &other]).unwrap().changes_domains());
        assert!(ImageDataset::concat(&[&other, &other.select(&[0])]).unwrap().changes_domains());
        assert!(!ImageDataset::concat(&[&plain, &four()]).unwrap().changes_domains());
    }

    #[test]
    fn views_of_views_keep_their_images() {
        let b = four().of_classes(&[1]);
        assert_eq!((b.len(), b.pixels_of(1), b.label(1)), (2, &[6, 7][..], 1));
        let again = b.select(&[1]);
        assert_eq!(again.source_index(0), 3);
        let both = ImageDataset::concat(&[&again, &four().take(1)]).unwrap();
        assert_eq!((both.pixels_of(0), both.pixels_of(1)), (&[6, 7][..], &[0, 1][..]));
    }

    #[cfg(feature = "burn-dataset")]
    #[test]
    fn burn_sees_the_images_of_a_view() {
        let b = four().of_classes(&[1]);
        assert_eq!(Dataset::get(&b, 0), Some(ImageItem { pixels: vec![2, 3], label: 1, task: 0 }));
        assert_eq!(Dataset::get(&b, 2), None);
    }

    #[test]
    fn the_task_of_an_image_stays_with_it() {
        let (first, second) = (four().take(2).with_task(3), four().select(&[2, 3]).with_tasks(&[5, 7]));
        assert_eq!((second.task(1), four().task(0)), (7, 0));
        assert_eq!(second.of_classes(&[1]).select(&[0]).take(1).tasks(), [7]);
        // Of one source, and copied from two.
        assert_eq!(ImageDataset::concat(&[&second, &second.take(1)]).unwrap().tasks(), [5, 7, 5]);
        let copied = ImageDataset::concat(&[&second, &first]).unwrap();
        assert_eq!(copied.tasks(), [5, 7, 3, 3]);
        assert_eq!(copied.pixels_of(0), [4, 5]);
        // Identity and content do not depend on it.
        assert_eq!(second.source_index(1), 3);
        assert_eq!(four().content_hash(), four().with_task(9).content_hash());
    }

    #[test]
    fn what_does_not_fit_is_refused() {
        let shape = ImageShape { channels: 1, height: 1, width: 2 };
        let new = |pixels, labels| ImageDataset::new("x", shape, vec!["a".to_owned()], pixels, labels);
        assert!(new(vec![0; 3], vec![0]).unwrap_err().to_string().contains("3 bytes"));
        assert!(new(vec![0; 2], vec![1]).unwrap_err().to_string().contains("label 1 is out of range"));
        assert!(ImageDataset::concat(&[]).is_err());
    }

    #[test]
    fn the_hash_sees_order_labels_and_pixels() {
        let data = four();
        assert_ne!(data.content_hash(), data.select(&[1, 0, 2, 3]).content_hash());
        assert_eq!(data.content_hash(), four().content_hash());
    }
}
