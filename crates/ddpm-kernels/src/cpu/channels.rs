//! Feature maps whose channels lie in two tensors, read as if these were joined: a skip connection without a copy.
#![allow(unsafe_code)]

use std::ops::Range;

use super::memory::{Shared, filled};

/// Feature maps `[images, channels, pixels]`, in one slice or in two: the channels of the second follow those of the
/// first.
#[derive(Debug, Clone, Copy)]
pub struct Channels<'a> {
    parts: [&'a [f32]; 2],
    /// Of each part.
    counts: [usize; 2],
    pixels: usize,
}

/// Some channels of an image that lie side by side.
#[derive(Debug, Clone, Copy)]
pub(super) struct Run<'a> {
    /// The first of them.
    pub first: usize,
    pub count: usize,
    /// `[count, pixels]`
    pub planes: &'a [f32],
}

impl<'a> Channels<'a> {
    /// # Shapes
    /// - `x`: `[images, channels, pixels]`
    pub fn one(x: &'a [f32], channels: usize, pixels: usize) -> Self {
        Self { parts: [x, &[]], counts: [channels, 0], pixels }
    }

    /// # Shapes
    /// - `parts`: `[images, counts[0], pixels]` and `[images, counts[1], pixels]`
    pub fn two(parts: [&'a [f32]; 2], counts: [usize; 2], pixels: usize) -> Self {
        Self { parts, counts, pixels }
    }

    /// Panics, in the name of an operation, if these are not feature maps of this shape.
    pub(super) fn check(self, what: &str, [images, channels, pixels]: [usize; 3]) {
        let counts_fit = self.counts[0] + self.counts[1] == channels;
        let parts_fit =
            self.parts.iter().zip(self.counts).all(|(part, count)| part.len() == images * count * pixels);
        assert!(counts_fit && parts_fit && self.pixels == pixels, "{what}: the input's size");
    }

    /// Whether there are two slices.
    pub(super) fn is_split(self) -> bool {
        self.counts[1] > 0
    }

    /// The channels of each slice.
    pub fn ranges(self) -> impl Iterator<Item = Range<usize>> {
        let [first, second] = self.counts;
        [0..first, first..first + second].into_iter().filter(|range| !range.is_empty())
    }

    /// Some channels of an image: as many runs as slices that they lie in.
    pub(super) fn runs(self, image: usize, channels: Range<usize>) -> impl Iterator<Item = Run<'a>> {
        (0..2).filter_map(move |part| {
            let (own, begin) = cut(self.counts, part, &channels)?;
            let from = (image * self.counts[part] + own.start) * self.pixels;
            let planes = &self.parts[part][from..][..own.len() * self.pixels];
            Some(Run { first: begin, count: own.len(), planes })
        })
    }

    /// Some channels of an image, if they lie in one slice.
    pub(super) fn slice(self, image: usize, channels: Range<usize>) -> Option<&'a [f32]> {
        let count = channels.len();
        self.runs(image, channels).next().filter(|run| run.count == count).map(|run| run.planes)
    }

    /// The slice in which `channels` lie, from the first of them in `image` on, and its numbers of an image.
    pub(super) fn rest(self, image: usize, channels: &Range<usize>) -> (&'a [f32], usize) {
        let part = usize::from(channels.start >= self.counts[0]);
        let channel = channels.start - part * self.counts[0];
        (
            &self.parts[part][(image * self.counts[part] + channel) * self.pixels..],
            self.counts[part] * self.pixels,
        )
    }
}

/// The part of `channels` that lies in a part: its channels there, and the first of them as a channel of both.
fn cut(counts: [usize; 2], part: usize, channels: &Range<usize>) -> Option<(Range<usize>, usize)> {
    let before = part * counts[0];
    let begin = channels.start.max(before);
    let end = channels.end.min(before + counts[part]);
    (begin < end).then(|| (begin - before..end - before, begin))
}

/// Feature maps that several threads write, each channels of its own.
#[derive(Clone, Copy)]
pub(super) struct SharedChannels {
    parts: [Shared; 2],
    counts: [usize; 2],
    pixels: usize,
}

impl SharedChannels {
    /// The place of a channel of an image; those behind it in its slice follow.
    pub fn at(self, image: usize, channel: usize) -> *mut f32 {
        let part = usize::from(channel >= self.counts[0]);
        let channel = channel - part * self.counts[0];
        self.parts[part].at((image * self.counts[part] + channel) * self.pixels)
    }

    /// Copies some channels of an image, `[channels, pixels]`, to where they belong.
    ///
    /// # Safety
    /// Nobody else touches these channels meanwhile.
    pub unsafe fn write(self, image: usize, channels: Range<usize>, planes: &[f32]) {
        for part in 0..2 {
            let Some((own, first)) = cut(self.counts, part, &channels) else { continue };
            let from = &planes[(first - channels.start) * self.pixels..][..own.len() * self.pixels];
            let place = (image * self.counts[part] + own.start) * self.pixels;
            // SAFETY: these channels of the image lie in this slice; by the caller nobody else touches them.
            unsafe { self.parts[part].slice(place, from.len()) }.write_copy_of_slice(from);
        }
    }
}

/// Feature maps of the sizes of `like` that `fill` writes, all of them; the second vector is empty where `like` is one
/// slice.
///
/// # Safety
/// `fill` writes every channel of every image before it returns.
pub(super) unsafe fn filled_channels(like: Channels<'_>, fill: impl FnOnce(SharedChannels)) -> [Vec<f32>; 2] {
    let Channels { parts: [first, second], counts, pixels } = like;
    let mut rest = Vec::new();
    let fill = |a: Shared| {
        let fill = |b: Shared| fill(SharedChannels { parts: [a, b], counts, pixels });
        // SAFETY: by the caller.
        rest = unsafe { filled(second.len(), fill) };
    };
    // SAFETY: by the caller.
    let values = unsafe { filled(first.len(), fill) };
    [values, rest]
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Two images of two channels, and of one; two pixels each.
    const A: [f32; 8] = [1.0, 2.0, 3.0, 4.0, 7.0, 8.0, 9.0, 10.0];
    const B: [f32; 4] = [5.0, 6.0, 11.0, 12.0];

    #[test]
    fn runs_follow_the_joined_order() {
        let both = Channels::two([&A, &B], [2, 1], 2);
        both.check("test", [2, 3, 2]);
        let joined: Vec<f32> =
            (0..2).flat_map(|image| both.runs(image, 0..3)).flat_map(|run| run.planes.to_vec()).collect();
        assert_eq!(joined, (1..=12).map(|i| i as f32).collect::<Vec<_>>());
        let places = |channels| both.runs(1, channels).map(|run| (run.first, run.count)).collect::<Vec<_>>();
        assert_eq!(places(1..3), [(1, 1), (2, 1)]);
        assert_eq!(places(2..3), [(2, 1)]);
        assert_eq!(both.slice(1, 2..3), Some(&B[2..]));
        assert_eq!(both.slice(1, 0..2), Some(&A[4..]));
        assert_eq!(both.slice(1, 1..3), None);
        assert_eq!(both.rest(1, &(2..3)), (&B[2..], 2));
    }

    #[test]
    fn what_is_written_is_read_back() {
        let both = Channels::two([&A, &B], [2, 1], 2);
        let fill = |to: SharedChannels| {
            for image in 0..2 {
                let planes: Vec<f32> = both.runs(image, 0..3).flat_map(|run| run.planes.to_vec()).collect();
                // SAFETY: nobody else is there.
                unsafe { to.write(image, 0..1, &planes[..2]) };
                // SAFETY: as above.
                unsafe { to.write(image, 1..3, &planes[2..]) };
            }
        };
        // SAFETY: all channels of both images are written.
        let [a, b] = unsafe { filled_channels(both, fill) };
        assert_eq!((a, b), (A.to_vec(), B.to_vec()));
    }
}
