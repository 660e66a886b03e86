//! Batches made ahead of their use by one thread, so that the accelerator does not wait for pixels.
//!
//! The content of a batch is a function of its step alone ([`Loader::batch`]); the thread ([`Prefetcher`]) only makes it
//! earlier. It is at most `depth` batches ahead, ends when it is no longer wanted, and what goes wrong in it is an
//! error of whoever asks for the next batch.

use std::{
    any::Any,
    ops::Range,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::mpsc::{Receiver, sync_channel},
    thread::{Builder, JoinHandle},
};

use crate::{ArrivalOrder, Augmentation, AugmentationKey, DataError, EpochOrder, ImageDataset, ImageShape};

/// In which order images are visited.
#[derive(Debug, Clone)]
pub enum Order {
    /// In shuffled epochs, without end.
    Epochs(EpochOrder),
    /// Once, as they arrive.
    Arrival(ArrivalOrder),
}

/// The number format of a batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PixelFormat {
    /// 0 to 255.
    U8,
    /// -1 to 1.
    F32,
}

/// The pixels of a batch, image after image.
#[derive(Debug, Clone, PartialEq)]
pub enum Pixels {
    /// 0 to 255.
    U8(Vec<u8>),
    /// -1 to 1.
    F32(Vec<f32>),
}

impl Pixels {
    /// The numbers from -1 to 1.
    pub fn into_floats(self) -> Vec<f32> {
        match self {
            Self::U8(values) => values.into_iter().map(|value| f32::from(value) / 127.5 - 1.0).collect(),
            Self::F32(values) => values,
        }
    }
}

/// Images to train on.
#[derive(Debug, Clone, PartialEq)]
pub struct Batch {
    /// The step that it is for.
    pub step: u64,
    /// Where its images are in the data set.
    pub positions: Vec<usize>,
    /// Their pixels, after augmentation.
    pub pixels: Pixels,
    /// The shape of each.
    pub shape: ImageShape,
    /// Their classes.
    pub labels: Vec<usize>,
    /// The experiences that they belong to.
    pub tasks: Vec<usize>,
}

/// Makes the batches of one experience.
#[derive(Debug, Clone)]
pub struct Loader {
    /// The images.
    pub data: ImageDataset,
    /// In which order they are visited.
    pub order: Order,
    /// Images in a batch; the last of a single pass may have fewer.
    pub batch_size: usize,
    /// The random changes of the images.
    pub augmentation: Augmentation,
    /// The seed of the augmentation.
    pub seed: u64,
    /// The experience that is trained on, part of the augmentation's key.
    pub experience: u64,
    /// The number format of the batches.
    pub format: PixelFormat,
}

impl Loader {
    /// The batch of a step.
    ///
    /// # Errors
    /// [`DataError::Loading`] for a step after the end of a single pass, and where there is nothing to load.
    pub fn batch(&mut self, step: u64) -> Result<Batch, DataError> {
        if self.data.is_empty() || self.batch_size == 0 {
            let problem = format!("{} images in batches of {}", self.data.len(), self.batch_size);
            return Err(DataError::Loading { problem });
        }
        let positions = match &mut self.order {
            Order::Epochs(order) => order.batch(step, self.batch_size),
            Order::Arrival(order) => order.batch(step, self.batch_size),
        };
        if positions.is_empty() {
            let problem = format!("step {step} is after the end of the single pass over {}", self.data.len());
            return Err(DataError::Loading { problem });
        }
        let pixels = Pixels::U8(self.pixels(step, &positions));
        Ok(Batch {
            step,
            pixels: match self.format {
                PixelFormat::U8 => pixels,
                PixelFormat::F32 => Pixels::F32(pixels.into_floats()),
            },
            shape: self.data.shape(),
            labels: positions.iter().map(|&i| self.data.label(i)).collect(),
            tasks: positions.iter().map(|&i| self.data.task(i)).collect(),
            positions,
        })
    }

    fn pixels(&self, step: u64, positions: &[usize]) -> Vec<u8> {
        let shape = self.data.shape();
        let mut pixels = Vec::with_capacity(positions.len() * shape.len());
        for (sample, &i) in positions.iter().enumerate() {
            let start = pixels.len();
            pixels.extend_from_slice(self.data.pixels_of(i));
            let key =
                AugmentationKey { seed: self.seed, experience: self.experience, step, sample: sample as u64 };
            self.augmentation.apply(&mut pixels[start..], shape, key);
        }
        pixels
    }
}

/// Batches, or what is made of them, in the order of their steps, made by a thread of its own.
#[derive(Debug)]
pub struct Prefetcher<T = Batch> {
    receiver: Option<Receiver<Result<T, DataError>>>,
    thread: Option<JoinHandle<()>>,
}

impl Prefetcher {
    /// Begins to make the batches of `steps`, at most `depth` ahead of the one that is asked for.
    ///
    /// # Errors
    /// [`DataError::Loading`] if the system gives no thread.
    pub fn new(mut loader: Loader, steps: Range<u64>, depth: usize) -> Result<Self, DataError> {
        Self::of(move |step| loader.batch(step), steps, depth)
    }
}

impl<T: Send + 'static> Prefetcher<T> {
    /// As [`new`](Prefetcher::new), of whatever a function makes for a step.
    ///
    /// # Errors
    /// [`DataError::Loading`] if the system gives no thread.
    pub fn of(
        mut make: impl FnMut(u64) -> Result<T, DataError> + Send + 'static,
        steps: Range<u64>,
        depth: usize,
    ) -> Result<Self, DataError> {
        let (sender, receiver) = sync_channel(depth.max(1));
        let work = move || {
            for step in steps {
                let made = catch_unwind(AssertUnwindSafe(|| make(step)));
                let made =
                    made.unwrap_or_else(|panic| Err(DataError::Loading { problem: message(panic.as_ref()) }));
                let failed = made.is_err();
                // Nobody is there any more, or nothing can follow.
                if sender.send(made).is_err() || failed {
                    return;
                }
            }
        };
        let thread = Builder::new().name("prefetch".into()).spawn(work);
        let thread = thread.map_err(|error| DataError::Loading { problem: error.to_string() })?;
        Ok(Self { receiver: Some(receiver), thread: Some(thread) })
    }
}

impl<T> Iterator for Prefetcher<T> {
    type Item = Result<T, DataError>;

    fn next(&mut self) -> Option<Self::Item> {
        self.receiver.as_ref()?.recv().ok()
    }
}

impl<T> Drop for Prefetcher<T> {
    fn drop(&mut self) {
        // Without a receiver the thread's next send fails, and it ends.
        drop(self.receiver.take());
        if let Some(thread) = self.thread.take() {
            // Its panics were caught and told.
            let _ = thread.join();
        }
    }
}

fn message(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    text.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_else(|| "a panic".into())
}

#[cfg(test)]
mod tests {
    use std::{
        sync::{
            Arc,
            atomic::{AtomicU64, Ordering},
        },
        time::Duration,
    };

    use super::*;

    fn loader(order: Order, format: PixelFormat) -> Loader {
        let shape = ImageShape { channels: 1, height: 2, width: 2 };
        let names = vec!["a".to_owned(), "b".to_owned()];
        let labels = (0..10).map(|i| i % 2).collect();
        let data = ImageDataset::new("x", shape, names, (0..40).collect(), labels).unwrap();
        let tasks: Vec<usize> = (0..10).map(|i| i / 5).collect();
        Loader {
            data: data.with_tasks(&tasks),
            order,
            batch_size: 4,
            augmentation: Augmentation { horizontal_flip: true, padding_crop: 1 },
            seed: 7,
            experience: 1,
            format,
        }
    }

    fn epochs() -> Order {
        Order::Epochs(EpochOrder::new(7, 1, 10))
    }

    #[test]
    fn a_thread_makes_the_batches_that_would_be_made_without_it() {
        let direct: Vec<Batch> = {
            let mut loader = loader(epochs(), PixelFormat::U8);
            (3..30).map(|step| loader.batch(step).unwrap()).collect()
        };
        for depth in [0, 1, 5, 100] {
            let ahead = Prefetcher::new(loader(epochs(), PixelFormat::U8), 3..30, depth).unwrap();
            assert_eq!(ahead.map(Result::unwrap).collect::<Vec<_>>(), direct);
        }
    }

    #[test]
    fn a_batch_is_what_its_positions_say() {
        let mut plain = loader(epochs(), PixelFormat::F32);
        plain.augmentation = Augmentation::default();
        let batch = plain.batch(2).unwrap();
        let Pixels::F32(values) = &batch.pixels else { panic!("{:?}", batch.pixels) };
        for (slot, &i) in batch.positions.iter().enumerate() {
            assert_eq!(batch.labels[slot], i % 2);
            assert_eq!(batch.tasks[slot], i / 5);
            assert_eq!(values[4 * slot], (4 * i) as f32 / 127.5 - 1.0);
        }
        assert!(values.iter().all(|v| (-1.0..=1.0).contains(v)));
    }

    #[test]
    fn a_single_pass_visits_everything_in_order_and_ends() {
        let mut once = loader(Order::Arrival(ArrivalOrder::new(10)), PixelFormat::U8);
        let visited: Vec<usize> = (0..3).flat_map(|step| once.batch(step).unwrap().positions).collect();
        assert_eq!(visited, (0..10).collect::<Vec<_>>());
        assert!(once.batch(3).unwrap_err().to_string().contains("single pass over 10"));
        let mut ahead = Prefetcher::new(once, 2..9, 4).unwrap();
        assert!(ahead.next().unwrap().is_ok());
        assert!(ahead.next().unwrap().is_err());
        assert!(ahead.next().is_none());
    }

    #[test]
    fn a_panic_is_an_error_of_the_consumer() {
        let mut good = loader(epochs(), PixelFormat::U8);
        let make = move |step| if step == 2 { panic!("no image {step}") } else { good.batch(step) };
        let mut ahead = Prefetcher::of(make, 0..9, 4).unwrap();
        assert!(ahead.next().unwrap().is_ok() && ahead.next().unwrap().is_ok());
        let message = ahead.next().unwrap().unwrap_err().to_string();
        assert_eq!(message, "the loading thread has failed: no image 2");
        assert!(ahead.next().is_none());
    }

    #[test]
    fn it_is_never_far_ahead_and_ends_when_it_is_dropped() {
        let made = Arc::new(AtomicU64::new(0));
        let (count, mut good) = (Arc::clone(&made), loader(epochs(), PixelFormat::U8));
        let make = move |step| {
            count.fetch_add(1, Ordering::SeqCst);
            good.batch(step)
        };
        let mut ahead = Prefetcher::of(make, 0..u64::MAX, 3).unwrap();
        let first = ahead.next().unwrap().unwrap();
        assert_eq!(first.step, 0);
        std::thread::sleep(Duration::from_millis(50));
        // One taken, three waiting, one more that waits for a place.
        assert!(made.load(Ordering::SeqCst) <= 5);
        drop(ahead);
        // The thread has been joined: its closure, and with it the other count, is gone.
        assert_eq!(Arc::strong_count(&made), 1);
    }
}
