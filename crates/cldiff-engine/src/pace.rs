//! How long a network takes, measured before a run on a few images, so that the run can say how long it will take.

use std::time::{Duration, Instant};

use data_streams::Stream;
use ddpm_core::{
    AnyNetwork, Denoiser, Kernels,
    noise::{Key, NormalNoise, Purpose, indices},
};

use crate::CellSpec;

const NOISE: Purpose = Purpose::named("pace");

/// Images of a pass.
const IMAGES: u32 = 8;

/// Passes, of which the shortest counts: the first finds the program on disk and caches cold, and on a busy machine others
/// wait too.
const PASSES: usize = 5;

/// No pass begins after this time.
const LONG_ENOUGH: Duration = Duration::from_secs(3);

/// The time that one image takes in a pass without gradient, in the batches of [`IMAGES`].
pub(crate) fn of_a_pass<B: Kernels>(
    network: &AnyNetwork<B>,
    spec: &CellSpec,
    stream: &Stream,
    device: &B::Device,
) -> Duration {
    let (shape, n) = (stream.shape(), IMAGES as usize);
    let size = [n, shape.channels, shape.height, shape.width];
    let x_t = Key::new(0, NOISE).normal::<B>(0, size, device);
    let conditions = spec.training.condition_on.cardinality(stream.class_names().len(), stream.len());
    let pass = || {
        let start = Instant::now();
        let (t, y) = (indices(&vec![0; n], device), conditions.map(|_| indices(&vec![0; n], device)));
        // A number of the output is there when all of it is.
        let _ = network.denoise(x_t.clone(), t, y).slice([0..1, 0..1, 0..1, 0..1]).into_data();
        start.elapsed()
    };
    let start = Instant::now();
    let mut least = pass();
    for _ in 1..PASSES {
        if start.elapsed() > LONG_ENOUGH {
            break;
        }
        least = least.min(pass());
    }
    least / IMAGES
}
