//! 2-D convolution as a matrix product for each image: the patches under the kernel as columns (im2col), times the
//! weights as rows. A kernel of size 1 needs no patches.

use std::cell::RefCell;

use faer::{Accum, MatMut, MatRef, Par, linalg::matmul::matmul};
use rayon::prelude::*;

/// The sizes of a convolution with a square kernel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Conv {
    /// Images.
    pub images: usize,
    /// Channels of the input.
    pub c_in: usize,
    /// Channels of the output.
    pub c_out: usize,
    /// Rows of the input.
    pub height: usize,
    /// Columns of the input.
    pub width: usize,
    /// Rows and columns of the kernel.
    pub kernel: usize,
    /// Distance of two patches.
    pub stride: usize,
    /// Zeros around the input.
    pub padding: usize,
}

/// Images whose weight gradients are summed one after another; the sums of these groups are added in their order.
const GROUP: usize = 4;

thread_local! {
    static PATCHES: RefCell<Vec<f32>> = const { RefCell::new(Vec::new()) };
}

impl Conv {
    /// Rows of the output.
    pub fn out_height(&self) -> usize {
        (self.height + 2 * self.padding - self.kernel) / self.stride + 1
    }

    /// Columns of the output.
    pub fn out_width(&self) -> usize {
        (self.width + 2 * self.padding - self.kernel) / self.stride + 1
    }

    fn input(&self) -> usize {
        self.c_in * self.height * self.width
    }

    /// Pixels of an output channel.
    fn pixels(&self) -> usize {
        self.out_height() * self.out_width()
    }

    fn output(&self) -> usize {
        self.c_out * self.pixels()
    }

    /// Numbers of a patch: rows of the matrix of patches.
    fn patch(&self) -> usize {
        self.c_in * self.kernel * self.kernel
    }

    fn is_product(&self) -> bool {
        self.kernel == 1 && self.stride == 1 && self.padding == 0
    }

    /// Calls `body` with the patches of an image, `[patch, pixels]`.
    fn with_patches<R>(&self, x: &[f32], body: impl FnOnce(&[f32]) -> R) -> R {
        if self.is_product() {
            return body(x);
        }
        with_scratch(self.patch() * self.pixels(), |patches| {
            self.im2col(x, patches);
            body(patches)
        })
    }

    /// Whether a tap shifts whole planes: the output is as large as the input.
    fn keeps_size(&self) -> bool {
        self.stride == 1 && self.kernel == 2 * self.padding + 1
    }

    /// The part of a plane that a tap moves, in the plane and in its shifted copy.
    fn shifted(&self, (ky, kx): (usize, usize)) -> (std::ops::Range<usize>, std::ops::Range<usize>) {
        let pixels = self.height * self.width;
        let centre = self.padding * self.width + self.padding;
        let tap = ky * self.width + kx;
        let (back, ahead) = (centre.saturating_sub(tap).min(pixels), tap.saturating_sub(centre).min(pixels));
        (ahead..pixels - back, back..pixels - ahead)
    }

    /// Zeros the columns of a shifted plane that came from the neighbouring rows.
    fn clear_edges(&self, kx: usize, row: &mut [f32]) {
        let (first, last) = self.inside(kx);
        for line in row.chunks_exact_mut(self.width) {
            line[..first].fill(0.0);
            line[last..].fill(0.0);
        }
    }

    /// Copies every pixel to the places that it has in patches.
    fn im2col(&self, x: &[f32], patches: &mut [f32]) {
        if self.keeps_size() {
            let mut rows = patches.chunks_exact_mut(self.pixels());
            for plane in x.chunks_exact(self.height * self.width) {
                for tap in self.taps() {
                    let row = rows.next().expect("one row for each channel and tap");
                    let (from, to) = self.shifted(tap);
                    row[..to.start].fill(0.0);
                    row[to.end..].fill(0.0);
                    row[to].copy_from_slice(&plane[from]);
                    self.clear_edges(tap.1, row);
                }
            }
            return;
        }
        let mut rows = patches.chunks_exact_mut(self.pixels());
        for plane in x.chunks_exact(self.height * self.width) {
            for (ky, kx) in self.taps() {
                let row = rows.next().expect("one row for each channel and tap");
                for (oy, out) in row.chunks_exact_mut(self.out_width()).enumerate() {
                    let Some(y) = self.source(oy, ky, self.height) else {
                        out.fill(0.0);
                        continue;
                    };
                    let line = &plane[y * self.width..(y + 1) * self.width];
                    let (first, last) = self.inside(kx);
                    out[..first].fill(0.0);
                    out[last..].fill(0.0);
                    if first < last {
                        let from = first * self.stride + kx - self.padding;
                        if self.stride == 1 {
                            out[first..last].copy_from_slice(&line[from..from + last - first]);
                        } else {
                            let values = line[from..].iter().step_by(self.stride);
                            out[first..last].iter_mut().zip(values).for_each(|(o, v)| *o = *v);
                        }
                    }
                }
            }
        }
    }

    /// Adds to every pixel what stands at its places in patches: the transpose of `im2col`.
    fn col2im(&self, patches: &mut [f32], x: &mut [f32]) {
        if self.keeps_size() {
            let mut rows = patches.chunks_exact_mut(self.pixels());
            for plane in x.chunks_exact_mut(self.height * self.width) {
                for tap in self.taps() {
                    let row = rows.next().expect("one row for each channel and tap");
                    self.clear_edges(tap.1, row);
                    let (to, from) = self.shifted(tap);
                    plane[to].iter_mut().zip(&row[from]).for_each(|(v, o)| *v += *o);
                }
            }
            return;
        }
        let mut rows = patches.chunks_exact(self.pixels());
        for plane in x.chunks_exact_mut(self.height * self.width) {
            for (ky, kx) in self.taps() {
                let row = rows.next().expect("one row for each channel and tap");
                for (oy, out) in row.chunks_exact(self.out_width()).enumerate() {
                    let Some(y) = self.source(oy, ky, self.height) else { continue };
                    let line = &mut plane[y * self.width..(y + 1) * self.width];
                    let (first, last) = self.inside(kx);
                    if first < last {
                        let from = first * self.stride + kx - self.padding;
                        if self.stride == 1 {
                            let to = &mut line[from..from + last - first];
                            to.iter_mut().zip(&out[first..last]).for_each(|(v, o)| *v += *o);
                        } else {
                            let to = line[from..].iter_mut().step_by(self.stride);
                            to.zip(&out[first..last]).for_each(|(v, o)| *v += *o);
                        }
                    }
                }
            }
        }
    }

    fn taps(&self) -> impl Iterator<Item = (usize, usize)> + use<> {
        let kernel = self.kernel;
        (0..kernel).flat_map(move |ky| (0..kernel).map(move |kx| (ky, kx)))
    }

    /// The row of the input under a tap, if it is not padding.
    fn source(&self, o: usize, k: usize, size: usize) -> Option<usize> {
        (o * self.stride + k).checked_sub(self.padding).filter(|&i| i < size)
    }

    /// The range of output columns whose input column under tap `kx` is not padding.
    fn inside(&self, kx: usize) -> (usize, usize) {
        let first = self.padding.saturating_sub(kx).div_ceil(self.stride);
        let end = (self.width + self.padding).saturating_sub(kx).div_ceil(self.stride);
        (first.min(self.out_width()), end.min(self.out_width()))
    }
}

fn with_scratch<R>(len: usize, body: impl FnOnce(&mut [f32]) -> R) -> R {
    PATCHES.with_borrow_mut(|scratch| {
        if scratch.len() < len {
            scratch.resize(len, 0.0);
        }
        body(&mut scratch[..len])
    })
}

fn rows(values: &[f32], rows: usize) -> MatRef<'_, f32> {
    MatRef::from_row_major_slice(values, rows, values.len() / rows)
}

fn rows_mut(values: &mut [f32], rows: usize) -> MatMut<'_, f32> {
    let columns = values.len() / rows;
    MatMut::from_row_major_slice_mut(values, rows, columns)
}

/// The output, `[images, c_out, ..]`.
///
/// # Shapes
/// - `x`: `[images, c_in, height, width]`, `weight`: `[c_out, c_in, kernel, kernel]`, `bias`: `[c_out]`
pub fn forward(conv: &Conv, x: &[f32], weight: &[f32], bias: &[f32]) -> Vec<f32> {
    let mut y = vec![0.0; conv.images * conv.output()];
    y.par_chunks_exact_mut(conv.output()).zip(x.par_chunks_exact(conv.input())).for_each(|(y, x)| {
        y.chunks_exact_mut(conv.pixels()).zip(bias).for_each(|(plane, b)| plane.fill(*b));
        conv.with_patches(x, |patches| {
            let (y, w) = (rows_mut(y, conv.c_out), rows(weight, conv.c_out));
            matmul(y, Accum::Add, w, rows(patches, conv.patch()), 1.0, Par::Seq);
        });
    });
    y
}

/// The gradient with respect to `x`.
///
/// # Shapes
/// - `weight` as in [`forward`], `grad`: that of the output; result: that of `x`
pub fn grad_x(conv: &Conv, weight: &[f32], grad: &[f32]) -> Vec<f32> {
    let mut x_grad = vec![0.0; conv.images * conv.input()];
    let w = rows(weight, conv.c_out);
    x_grad.par_chunks_exact_mut(conv.input()).zip(grad.par_chunks_exact(conv.output())).for_each(|(x, g)| {
        let g = rows(g, conv.c_out);
        if conv.is_product() {
            matmul(rows_mut(x, conv.c_in), Accum::Replace, w.transpose(), g, 1.0, Par::Seq);
            return;
        }
        with_scratch(conv.patch() * conv.pixels(), |patches| {
            let to = rows_mut(&mut *patches, conv.patch());
            matmul(to, Accum::Replace, w.transpose(), g, 1.0, Par::Seq);
            conv.col2im(patches, x);
        });
    });
    x_grad
}

/// The gradients with respect to weight and bias.
///
/// # Shapes
/// - `x` as in [`forward`], `grad`: that of the output; results: those of `weight` and `bias`
pub fn grad_weight(conv: &Conv, x: &[f32], grad: &[f32]) -> (Vec<f32>, Vec<f32>) {
    let weights = conv.c_out * conv.patch();
    let partial: Vec<(Vec<f32>, Vec<f32>)> = x
        .par_chunks(GROUP * conv.input())
        .zip(grad.par_chunks(GROUP * conv.output()))
        .map(|(xs, gs)| {
            let (mut weight, mut bias) = (vec![0.0; weights], vec![0.0; conv.c_out]);
            for (x, g) in xs.chunks_exact(conv.input()).zip(gs.chunks_exact(conv.output())) {
                g.chunks_exact(conv.pixels())
                    .zip(&mut bias)
                    .for_each(|(plane, b)| *b += plane.iter().sum::<f32>());
                conv.with_patches(x, |patches| {
                    let patches = rows(patches, conv.patch());
                    let to = rows_mut(&mut weight, conv.c_out);
                    matmul(to, Accum::Add, rows(g, conv.c_out), patches.transpose(), 1.0, Par::Seq);
                });
            }
            (weight, bias)
        })
        .collect();
    let add = |sum: &mut [f32], part: &[f32]| sum.iter_mut().zip(part).for_each(|(s, p)| *s += p);
    let (mut weight, mut bias) = (vec![0.0; weights], vec![0.0; conv.c_out]);
    for (w, b) in &partial {
        add(&mut weight, w);
        add(&mut bias, b);
    }
    (weight, bias)
}
