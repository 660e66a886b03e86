//! The vision transformer (Dosovitskiy et al. 2020, arXiv 2010.11929) of DINOv2 as sizes and a table of parameters.

use crate::features::weights::Parameters;

/// The width of a block's inner layer over that of its tokens.
const MLP_RATIO: usize = 4;
/// Colours.
pub(super) const CHANNELS: usize = 3;

/// The sizes of a network. Heads divide the width.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Sizes {
    /// Rows and columns of the images that are taken; a multiple of `patch`.
    pub side: usize,
    /// Rows and columns of a patch.
    pub patch: usize,
    /// Numbers of a token, and of the features.
    pub width: usize,
    /// Blocks.
    pub depth: usize,
    /// Heads of attention.
    pub heads: usize,
    /// Rows and columns of the grid of patches that positions were learned for.
    pub learned_grid: usize,
}

/// ViT-S/14 on images of 224 x 224; its positions were learned on images of 518 x 518.
pub(super) const SMALL: Sizes =
    Sizes { side: 224, patch: 14, width: 384, depth: 12, heads: 6, learned_grid: 37 };

impl Sizes {
    /// Rows and columns of the grid of patches.
    pub(super) fn grid(&self) -> usize {
        self.side / self.patch
    }

    /// The width of a block's inner layer.
    pub(super) fn inner(&self) -> usize {
        MLP_RATIO * self.width
    }

    /// Every parameter that is read of a checkpoint, under the name that the published code gives it.
    pub(super) fn parameters(&self) -> Parameters {
        let (width, inner) = (self.width, self.inner());
        let mut all = vec![
            ("cls_token".to_owned(), vec![1, 1, width]),
            ("pos_embed".to_owned(), vec![1, 1 + self.learned_grid.pow(2), width]),
            ("patch_embed.proj.weight".to_owned(), vec![width, CHANNELS, self.patch, self.patch]),
            ("patch_embed.proj.bias".to_owned(), vec![width]),
        ];
        for i in 0..self.depth {
            let mut push = |name: &str, shape| all.push((format!("blocks.{i}.{name}"), shape));
            for norm in ["norm1", "norm2"] {
                push(&format!("{norm}.weight"), vec![width]);
                push(&format!("{norm}.bias"), vec![width]);
            }
            for (map, d_out, d_in) in [
                ("attn.qkv", 3 * width, width),
                ("attn.proj", width, width),
                ("mlp.fc1", inner, width),
                ("mlp.fc2", width, inner),
            ] {
                push(&format!("{map}.weight"), vec![d_out, d_in]);
                push(&format!("{map}.bias"), vec![d_out]);
            }
            push("ls1.gamma", vec![width]);
            push("ls2.gamma", vec![width]);
        }
        all.extend(["norm.weight", "norm.bias"].map(|name| (name.to_owned(), vec![width])));
        all
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_small_network_has_the_published_number_of_parameters() {
        let count: usize = SMALL.parameters().iter().map(|(_, shape)| shape.iter().product::<usize>()).sum();
        // 22,056,576 in the published file, of which 384 are the mask token, which is not read.
        assert_eq!(count, 22_056_576 - 384);
        assert_eq!((SMALL.grid(), SMALL.parameters().len()), (16, 4 + 12 * 14 + 2));
    }
}
