//! A convolution as sums over taps: which padded pixels, times which weights, make which output pixels.

use super::{Conv, winograd};

/// From input to output, or from the output's gradient to the input's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Direction {
    Forward,
    Backward,
}

/// One or more phases that together make every pixel of the result.
#[derive(Debug)]
pub(super) struct Plan {
    pub images: usize,
    pub from: Planes,
    pub to: Planes,
    /// Zero rows above and zero columns to the left of each plane.
    pub before: usize,
    /// Size of a padded plane.
    pub padded: (usize, usize),
    /// Distance, in padded pixels, of neighbours in the result.
    pub step: usize,
    pub phases: Vec<Phase>,
    /// How the weight `[c_out, c_in, tap]` lies: numbers from one channel of the result to the next, and from one
    /// channel that is summed over to the next.
    pub weight_strides: (usize, usize),
    /// Whether to go through Winograd's transforms, if the taps are 3 x 3 neighbours.
    pub transforms: bool,
}

/// Channels, rows and columns of an image.
#[derive(Debug, Clone, Copy)]
pub(super) struct Planes {
    pub channels: usize,
    pub height: usize,
    pub width: usize,
}

/// The pixels (first.0 + spread i, first.1 + spread j) of the result, which share their taps.
#[derive(Debug)]
pub(super) struct Phase {
    pub rows: usize,
    pub columns: usize,
    pub first: (usize, usize),
    pub spread: usize,
    /// Where a tap reads, counted from the padded pixel (step i, step j).
    pub offsets: Vec<usize>,
    /// The index of each tap's weight in a kernel.
    pub taps: Vec<usize>,
}

impl Planes {
    pub fn pixels(self) -> usize {
        self.height * self.width
    }

    pub fn size(self) -> usize {
        self.channels * self.pixels()
    }
}

impl Plan {
    pub fn new(conv: &Conv, direction: Direction) -> Self {
        let (mut height, mut width) = (conv.height, conv.width);
        let (mut out_height, mut out_width) = (conv.out_height(), conv.out_width());
        if conv.is_pointwise() {
            (height, width, out_height, out_width) = (1, height * width, 1, out_height * out_width);
        }
        let input = Planes { channels: conv.c_in, height, width };
        let output = Planes { channels: conv.c_out, height: out_height, width: out_width };
        let taps = conv.taps();
        match direction {
            Direction::Forward => {
                let padded = (height + 2 * conv.padding, width + 2 * conv.padding);
                let at = |tap: usize| tap / conv.kernel * padded.1 + tap % conv.kernel;
                let phase = Phase {
                    rows: out_height,
                    columns: out_width,
                    first: (0, 0),
                    spread: 1,
                    offsets: (0..taps).map(at).collect(),
                    taps: (0..taps).collect(),
                };
                Self {
                    images: conv.images,
                    from: input,
                    to: output,
                    before: conv.padding,
                    padded,
                    step: conv.stride,
                    phases: vec![phase],
                    weight_strides: (conv.c_in * taps, taps),
                    transforms: conv.stride == 1 && winograd::pays(input.channels, output),
                }
            }
            Direction::Backward => Self::backward(conv, input, output),
        }
    }

    /// Input pixel y is under tap k of output pixel (y + padding - k) / stride, where that is a whole number: which
    /// taps these are depends on the remainder of y alone.
    fn backward(conv: &Conv, input: Planes, output: Planes) -> Self {
        let Conv { kernel, stride, padding, .. } = *conv;
        // Of input row `stride i + a`: the taps, and their output rows less i.
        let under = |a: usize| {
            (0..kernel).filter(move |k| (a + padding + kernel * stride - k).is_multiple_of(stride)).map(
                move |k| {
                    (k, (a + padding + kernel * stride - k) as isize / stride as isize - kernel as isize)
                },
            )
        };
        let shifts = || (0..stride).flat_map(under).map(|(_, shift)| shift);
        let before = shifts().min().unwrap_or(0).min(0).unsigned_abs();
        let after = shifts().max().unwrap_or(0).max(0).unsigned_abs();
        // The last input pixels may lie beyond the reach of the output.
        let padded_size =
            |size: usize, out: usize| (before + size.div_ceil(stride) + after).max(before + out);
        let padded = (padded_size(input.height, output.height), padded_size(input.width, output.width));
        let mut phases = Vec::new();
        for first in (0..stride).flat_map(|a| (0..stride).map(move |b| (a, b))) {
            let count = |size: usize, first: usize| size.saturating_sub(first).div_ceil(stride);
            let (mut offsets, mut taps) = (Vec::new(), Vec::new());
            for (ky, y) in under(first.0) {
                for (kx, x) in under(first.1) {
                    let place = |shift: isize| shift.wrapping_add(before as isize) as usize;
                    offsets.push(place(y) * padded.1 + place(x));
                    taps.push(ky * kernel + kx);
                }
            }
            let (rows, columns) = (count(input.height, first.0), count(input.width, first.1));
            phases.push(Phase { rows, columns, first, spread: stride, offsets, taps });
        }
        Self {
            images: conv.images,
            from: output,
            to: input,
            before,
            padded,
            step: 1,
            phases,
            weight_strides: (conv.taps(), conv.c_in * conv.taps()),
            transforms: stride == 1 && winograd::pays(output.channels, input),
        }
    }

    /// The same for the first `channels` of the result: each is computed as it is beside the others.
    pub fn narrowed(self, channels: usize) -> Self {
        Self { to: Planes { channels, ..self.to }, ..self }
    }

    /// Numbers of a padded image.
    pub fn padded_size(&self) -> usize {
        self.from.channels * self.padded.0 * self.padded.1
    }

    pub fn is_padded(&self) -> bool {
        self.padded != (self.from.height, self.from.width)
    }
}

/// (start, length) of the fewest parts of at most `most`.
pub(super) fn even_parts(len: usize, most: usize) -> impl Iterator<Item = (usize, usize)> {
    let parts = len.div_ceil(most);
    (0..parts).map(move |i| {
        let (start, end) = (i * len / parts, (i + 1) * len / parts);
        (start, end - start)
    })
}
