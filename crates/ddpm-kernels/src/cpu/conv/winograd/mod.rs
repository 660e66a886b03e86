//! Convolutions with kernels of 3 x 3 by Winograd's minimal filtering, F(4x4, 3x3): 36 products for a tile of 4 x 4
//! pixels, where their definition has 144 (Lavin & Gray 2016, arXiv 1509.09308).
//!
//! Tiles of 6 x 6 input pixels and the kernels are transformed; what lies at each of the 36 places of the transforms is
//! one product of matrices, tiles by channels by channels; tiles of 4 x 4 output pixels are transformed back
//! ([`forward`]). The gradient with respect to the weights is the derivative of that ([`gradient`]).
//!
//! The transforms evaluate polynomials at 0, ±1/√2, ±√2 and infinity. With these reciprocal points (Alam et al. 2022,
//! arXiv 2201.10369) the root mean square error in f32 is below twice that of the sums as defined; the usual 0, ±1, ±2
//! have four times it.
#![allow(unsafe_code)]

mod forward;
mod gradient;
mod spread;
mod transform;

pub(super) use forward::convolve;
pub(super) use gradient::grad_weight;

use super::plan::{Phase, Planes};

/// Output pixels of a tile, in each direction.
const OUT: usize = 4;

/// Input pixels of a tile, in each direction.
const IN: usize = 6;

/// Places of a transformed tile.
const PLACES: usize = IN * IN;

/// With fewer channels on either side the transforms cost more than they save.
const CHANNELS: usize = 16;

/// Whether the way through the transforms is worth it. Nothing here depends on the number of images, so that what is
/// computed for one does not depend on those beside it.
pub(super) fn pays(c_from: usize, to: Planes) -> bool {
    let tiles = Tiles::of(to);
    let waste = tiles.count() * OUT * OUT;
    c_from >= CHANNELS && to.channels >= CHANNELS && waste <= 2 * to.pixels()
}

/// The tiles of an image.
#[derive(Debug, Clone, Copy)]
struct Tiles {
    rows: usize,
    columns: usize,
}

impl Tiles {
    fn of(to: Planes) -> Self {
        Self { rows: to.height.div_ceil(OUT), columns: to.width.div_ceil(OUT) }
    }

    fn count(self) -> usize {
        self.rows * self.columns
    }

    /// Rows and columns of a padded plane.
    fn padded(self) -> (usize, usize) {
        (self.rows * OUT + IN - OUT, self.columns * OUT + IN - OUT)
    }

    /// The first row and column of a tile.
    fn first(self, tile: usize) -> (usize, usize) {
        (tile / self.columns * OUT, tile % self.columns * OUT)
    }
}

/// The taps of a phase by row and column under a pixel, if they are the 3 x 3 neighbours.
pub(super) fn neighbours(phase: &Phase, padded_width: usize) -> Option<[usize; 9]> {
    let mut taps = [usize::MAX; 9];
    for (index, offset) in phase.offsets.iter().enumerate() {
        let (row, column) = (offset / padded_width, offset % padded_width);
        if row >= 3 || column >= 3 {
            return None;
        }
        taps[row * 3 + column] = index;
    }
    (phase.offsets.len() == 9 && taps.iter().all(|tap| *tap < 9)).then_some(taps)
}
