//! Images as DINOv2 takes them: resized with a bicubic kernel, then normalised with the mean and standard deviation of
//! ImageNet. On the host.
//!
//! The resizing is that of Pillow on floating-point channels, as `dgm-eval --clean_resize` (Stein et al. 2023) does it: a = -0.5,
//! the kernel widened by the factor by which an image shrinks, columns before rows, clipped to 0..255. Without that option
//! dgm-eval rounds to 8 bits after each of the two passes, which moves a value by up to 1 of 255.

use data_streams::ImageDataset;

use super::architecture::CHANNELS;

const MEAN: [f64; CHANNELS] = [0.485, 0.456, 0.406];
const DEVIATION: [f64; CHANNELS] = [0.229, 0.224, 0.225];

/// Pillow's constant of the cubic kernel.
const A: f64 = -0.5;
/// Where the kernel ends.
const SUPPORT: f64 = 2.0;

fn kernel(x: f64) -> f64 {
    let x = x.abs();
    if x < 1.0 {
        ((A + 2.0) * x - (A + 3.0)) * x * x + 1.0
    } else if x < SUPPORT {
        (((x - 5.0) * x + 8.0) * x - 4.0) * A
    } else {
        0.0
    }
}

/// The source pixels that make a pixel: the first, and the weight of each.
struct Window {
    first: usize,
    weights: Vec<f64>,
}

fn windows(from: usize, to: usize) -> Vec<Window> {
    let scale = from as f64 / to as f64;
    let stretch = scale.max(1.0);
    (0..to)
        .map(|i| {
            let centre = (i as f64 + 0.5) * scale;
            let first = (centre - SUPPORT * stretch + 0.5).max(0.0) as usize;
            let end = ((centre + SUPPORT * stretch + 0.5) as usize).min(from);
            let weight = |x: usize| kernel((x as f64 - centre + 0.5) / stretch);
            let sum: f64 = (first..end).map(weight).sum();
            Window { first, weights: (first..end).map(|x| weight(x) / sum).collect() }
        })
        .collect()
}

/// A plane of 8-bit values at another size, row after row, in 0..=255.
fn resize(plane: &[u8], [height, width]: [usize; 2], side: usize) -> Vec<f32> {
    let sum = |window: &Window, value: &dyn Fn(usize) -> f64| -> f32 {
        window.weights.iter().enumerate().map(|(k, weight)| weight * value(window.first + k)).sum::<f64>()
            as f32
    };
    let (rows, columns) = (windows(height, side), windows(width, side));
    let across: Vec<f32> = (0..height)
        .flat_map(|row| columns.iter().map(move |window| (row, window)))
        .map(|(row, window)| sum(window, &|x| f64::from(plane[row * width + x])))
        .collect();
    rows.iter()
        .flat_map(|window| (0..side).map(move |column| (window, column)))
        .map(|(window, column)| sum(window, &|y| f64::from(across[y * side + column])).clamp(0.0, 255.0))
        .collect()
}

/// Image `i` as the network takes it: `[3, side, side]`. A grey image is shown in all three channels.
pub(super) fn prepared(images: &ImageDataset, i: usize, side: usize) -> Vec<f32> {
    let shape = images.shape();
    let plane = shape.height * shape.width;
    let channel = |c: usize| {
        let pixels = &images.pixels_of(i)[c.min(shape.channels - 1) * plane..][..plane];
        let resized = resize(pixels, [shape.height, shape.width], side);
        resized.into_iter().map(move |value| ((f64::from(value) / 255.0 - MEAN[c]) / DEVIATION[c]) as f32)
    };
    (0..CHANNELS).flat_map(channel).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flat_images_stay_flat_and_the_same_size_changes_nothing() {
        assert!(resize(&[7; 30], [5, 6], 9).iter().all(|x| (x - 7.0).abs() < 1e-5));
        let plane: Vec<u8> = (0..16).map(|i| i * 16).collect();
        assert_eq!(resize(&plane, [4, 4], 4), plane.iter().map(|&x| f32::from(x)).collect::<Vec<_>>());
    }

    #[test]
    fn overshoot_is_clipped() {
        // Pillow: Image.fromarray(np.float32([[0, 255]])).resize((4, 1), BICUBIC) is -22.5, 52.82143, 202.17857, 277.5.
        let row = &resize(&[0, 255], [1, 2], 4)[..4];
        let off = row.iter().zip([0.0, 52.821_43, 202.178_57, 255.0]).map(|(x, y)| (x - y).abs());
        assert!(off.fold(0.0, f32::max) < 1e-4, "{row:?}");
    }
}
