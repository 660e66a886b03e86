//! Bilinear resizing as `torch.nn.functional.interpolate(mode="bilinear", align_corners=False)` does it, without
//! smoothing when an image shrinks: what pytorch-fid does to images before the network. On the host, in f32.

/// The two source pixels of a pixel, and the share of the second.
struct Tap {
    first: usize,
    second: usize,
    share: f32,
}

fn taps(from: usize, to: usize) -> Vec<Tap> {
    let scale = from as f32 / to as f32;
    (0..to)
        .map(|i| {
            let at = (scale * (i as f32 + 0.5) - 0.5).max(0.0);
            let first = (at as usize).min(from - 1);
            Tap { first, second: (first + 1).min(from - 1), share: at - first as f32 }
        })
        .collect()
}

/// One channel of an image at another size, row after row.
///
/// # Panics
/// If the plane is not `height * width` numbers.
pub(super) fn resize(plane: &[f32], [height, width]: [usize; 2], to: [usize; 2]) -> Vec<f32> {
    assert_eq!(plane.len(), height * width, "a plane of another size");
    let (rows, columns) = (taps(height, to[0]), taps(width, to[1]));
    let mut resized = Vec::with_capacity(to[0] * to[1]);
    for row in &rows {
        let above = &plane[row.first * width..][..width];
        let below = &plane[row.second * width..][..width];
        let across = |line: &[f32], c: &Tap| (1.0 - c.share) * line[c.first] + c.share * line[c.second];
        let pixel = |c: &Tap| (1.0 - row.share) * across(above, c) + row.share * across(below, c);
        resized.extend(columns.iter().map(pixel));
    }
    resized
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn by_hand_and_as_torch() {
        assert_eq!(resize(&[1.0, 2.0, 3.0, 4.0], [2, 2], [2, 2]), [1.0, 2.0, 3.0, 4.0]);
        // interpolate([0, 1], size 4): centres at -0.25, 0.25, 0.75, 1.25.
        assert_eq!(resize(&[0.0, 1.0], [1, 2], [1, 4]), [0.0, 0.25, 0.75, 1.0]);
        assert_eq!(resize(&[0.0, 1.0], [2, 1], [4, 1]), [0.0, 0.25, 0.75, 1.0]);
        // interpolate([0 .. 5], size 2): centres at 1 and 4, without an average over what lies between.
        assert_eq!(resize(&[0.0, 9.0, 2.0, 3.0, 5.0, 8.0], [1, 6], [1, 2]), [9.0, 5.0]);
    }
}
