//! Inception-v3 (Szegedy et al. 2015, arXiv 1512.00567) as a table: the convolutions, how they follow each other, and the
//! names under which torchvision and pytorch-fid keep them.
//!
//! The form is that of the network ported from TensorFlow by which FID is computed. It departs from torchvision's in
//! three places: average pools do not count the padding, the last block pools by the maximum (an accident of the
//! original that every published FID depends on), and there are 1008 logits.

/// A convolution with what follows it: batch norm, ReLU.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Conv {
    /// Its name in a checkpoint.
    pub name: String,
    pub c_in: usize,
    pub c_out: usize,
    pub kernel: [usize; 2],
    pub stride: usize,
    pub padding: [usize; 2],
}

/// A pool with a window of 3 x 3.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Pool {
    /// Stride 1, zeros around, not counted.
    Average,
    /// Stride 1, the borders padded with nothing.
    Maximum,
    /// Stride 2, no padding.
    Halve,
}

/// A branch of a block, which runs beside the others.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Branch {
    /// First of all.
    pub pool: Option<Pool>,
    /// One after another.
    pub convs: Vec<Conv>,
    /// Side by side, after the others.
    pub forks: Vec<Conv>,
}

/// Branches whose outputs are concatenated.
pub(super) type Block = Vec<Branch>;

/// Features of an image: the channels before the classes.
pub(super) const FEATURES: usize = 2048;
/// Classes of the network.
pub(super) const CLASSES: usize = 1008;

/// Every parameter that is read of a checkpoint, with its shape (PyTorch's layout).
pub fn parameters() -> Vec<(String, Vec<usize>)> {
    let mut parameters = vec![("fc.weight".to_owned(), vec![CLASSES, FEATURES])];
    for conv in convs() {
        let [height, width] = conv.kernel;
        parameters.push((format!("{}.conv.weight", conv.name), vec![conv.c_out, conv.c_in, height, width]));
        let norm = ["weight", "bias", "running_mean", "running_var"];
        parameters.extend(norm.map(|part| (format!("{}.bn.{part}", conv.name), vec![conv.c_out])));
    }
    parameters
}

/// The whole network, block after block; the stem is made of blocks with one branch.
pub(super) fn blocks() -> Vec<Block> {
    let mut blocks = stem();
    blocks.extend([("5b", 192, 32), ("5c", 256, 64), ("5d", 288, 64)].map(|(n, c, p)| block_a(n, c, p)));
    blocks.push(block_b("6a", 288));
    blocks.extend([("6b", 128), ("6c", 160), ("6d", 160), ("6e", 192)].map(|(n, inner)| block_c(n, inner)));
    blocks.push(block_d("7a"));
    blocks.push(block_e("7b", 1280, Pool::Average));
    blocks.push(block_e("7c", 2048, Pool::Maximum));
    blocks
}

/// Every convolution, in the order in which they run.
pub(super) fn convs() -> Vec<Conv> {
    let branches = blocks().into_iter().flatten();
    branches.flat_map(|branch| branch.convs.into_iter().chain(branch.forks)).collect()
}

fn stem() -> Vec<Block> {
    let conv = |name: &str, channels, k, stride, padding| {
        chain(vec![square(name.into(), channels, k, stride, padding)])
    };
    vec![
        conv("Conv2d_1a_3x3", (3, 32), 3, 2, 0),
        conv("Conv2d_2a_3x3", (32, 32), 3, 1, 0),
        conv("Conv2d_2b_3x3", (32, 64), 3, 1, 1),
        vec![pooled(Pool::Halve, Vec::new())],
        conv("Conv2d_3b_1x1", (64, 80), 1, 1, 0),
        conv("Conv2d_4a_3x3", (80, 192), 3, 1, 0),
        vec![pooled(Pool::Halve, Vec::new())],
    ]
}

fn block_a(name: &str, c: usize, pool_features: usize) -> Block {
    let conv = |part: &str, channels, k| square(format!("Mixed_{name}.{part}"), channels, k, 1, k / 2);
    vec![
        branch(vec![conv("branch1x1", (c, 64), 1)]),
        branch(vec![conv("branch5x5_1", (c, 48), 1), conv("branch5x5_2", (48, 64), 5)]),
        branch(vec![
            conv("branch3x3dbl_1", (c, 64), 1),
            conv("branch3x3dbl_2", (64, 96), 3),
            conv("branch3x3dbl_3", (96, 96), 3),
        ]),
        pooled(Pool::Average, vec![conv("branch_pool", (c, pool_features), 1)]),
    ]
}

fn block_b(name: &str, c: usize) -> Block {
    let conv = |part: &str, channels, k, stride, padding| {
        square(format!("Mixed_{name}.{part}"), channels, k, stride, padding)
    };
    vec![
        branch(vec![conv("branch3x3", (c, 384), 3, 2, 0)]),
        branch(vec![
            conv("branch3x3dbl_1", (c, 64), 1, 1, 0),
            conv("branch3x3dbl_2", (64, 96), 3, 1, 1),
            conv("branch3x3dbl_3", (96, 96), 3, 2, 0),
        ]),
        pooled(Pool::Halve, Vec::new()),
    ]
}

fn block_c(name: &str, inner: usize) -> Block {
    let c = 768;
    let conv = |part: &str, channels, kernel| flat(format!("Mixed_{name}.{part}"), channels, kernel);
    vec![
        branch(vec![conv("branch1x1", (c, 192), [1, 1])]),
        branch(vec![
            conv("branch7x7_1", (c, inner), [1, 1]),
            conv("branch7x7_2", (inner, inner), [1, 7]),
            conv("branch7x7_3", (inner, 192), [7, 1]),
        ]),
        branch(vec![
            conv("branch7x7dbl_1", (c, inner), [1, 1]),
            conv("branch7x7dbl_2", (inner, inner), [7, 1]),
            conv("branch7x7dbl_3", (inner, inner), [1, 7]),
            conv("branch7x7dbl_4", (inner, inner), [7, 1]),
            conv("branch7x7dbl_5", (inner, 192), [1, 7]),
        ]),
        pooled(Pool::Average, vec![conv("branch_pool", (c, 192), [1, 1])]),
    ]
}

fn block_d(name: &str) -> Block {
    let c = 768;
    let part = |part: &str| format!("Mixed_{name}.{part}");
    vec![
        branch(vec![
            flat(part("branch3x3_1"), (c, 192), [1, 1]),
            square(part("branch3x3_2"), (192, 320), 3, 2, 0),
        ]),
        branch(vec![
            flat(part("branch7x7x3_1"), (c, 192), [1, 1]),
            flat(part("branch7x7x3_2"), (192, 192), [1, 7]),
            flat(part("branch7x7x3_3"), (192, 192), [7, 1]),
            square(part("branch7x7x3_4"), (192, 192), 3, 2, 0),
        ]),
        pooled(Pool::Halve, Vec::new()),
    ]
}

fn block_e(name: &str, c: usize, pool: Pool) -> Block {
    let conv = |part: &str, channels, kernel| flat(format!("Mixed_{name}.{part}"), channels, kernel);
    let forked = |part: &str, convs| Branch {
        pool: None,
        convs,
        forks: vec![
            conv(&format!("{part}a"), (384, 384), [1, 3]),
            conv(&format!("{part}b"), (384, 384), [3, 1]),
        ],
    };
    vec![
        branch(vec![conv("branch1x1", (c, 320), [1, 1])]),
        forked("branch3x3_2", vec![conv("branch3x3_1", (c, 384), [1, 1])]),
        forked(
            "branch3x3dbl_3",
            vec![conv("branch3x3dbl_1", (c, 448), [1, 1]), conv("branch3x3dbl_2", (448, 384), [3, 3])],
        ),
        pooled(pool, vec![conv("branch_pool", (c, 192), [1, 1])]),
    ]
}

fn chain(convs: Vec<Conv>) -> Block {
    vec![branch(convs)]
}

fn branch(convs: Vec<Conv>) -> Branch {
    Branch { pool: None, convs, forks: Vec::new() }
}

fn pooled(pool: Pool, convs: Vec<Conv>) -> Branch {
    Branch { pool: Some(pool), convs, forks: Vec::new() }
}

fn square(name: String, channels: (usize, usize), k: usize, stride: usize, padding: usize) -> Conv {
    let (c_in, c_out) = channels;
    Conv { name, c_in, c_out, kernel: [k; 2], stride, padding: [padding; 2] }
}

/// A convolution that keeps the size of the image.
fn flat(name: String, channels: (usize, usize), kernel: [usize; 2]) -> Conv {
    let (c_in, c_out) = channels;
    Conv { name, c_in, c_out, kernel, stride: 1, padding: kernel.map(|k| k / 2) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn channels_fit_from_block_to_block() {
        let (mut channels, mut convs) = (3, 0);
        for block in blocks() {
            let mut out = 0;
            for Branch { convs: chain, forks, .. } in &block {
                let through = chain.iter().fold(channels, |c, conv| {
                    assert_eq!(conv.c_in, c, "{}", conv.name);
                    conv.c_out
                });
                assert!(forks.iter().all(|fork| fork.c_in == through));
                out += if forks.is_empty() { through } else { forks.iter().map(|fork| fork.c_out).sum() };
                convs += chain.len() + forks.len();
            }
            channels = out;
        }
        assert_eq!((channels, convs), (FEATURES, 94));
    }
}
