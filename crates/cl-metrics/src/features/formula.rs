//! Weights from a formula, which `tools/golden` has too, so that no file of them is needed.

use std::{collections::BTreeMap, fs, path::PathBuf};

use safetensors::{Dtype, SafeTensors, tensor::TensorView};

/// Shape and little-endian bytes of tensors, by name.
pub(super) type Tensors = BTreeMap<String, (Vec<usize>, Vec<u8>)>;

/// Number i of a tensor, in [0, 1): splitmix64's mixing of i and of the tensor's name.
pub(super) fn uniform(name: &str, i: u64) -> f32 {
    let fnv = name
        .bytes()
        .fold(0xcbf2_9ce4_8422_2325_u64, |h, byte| (h ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3));
    let mut z = i.wrapping_mul(0x9e37_79b9_7f4a_7c15).wrapping_add(fnv);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^= z >> 31;
    (z >> 40) as f32 / 16_777_216.0
}

/// The bound of a matrix or kernel of this shape: Kaiming's for uniform numbers.
pub(super) fn bound(shape: &[usize]) -> f32 {
    (6.0 / shape[1..].iter().product::<usize>() as f64).sqrt() as f32
}

/// A file of tensors, which is there as long as its directory.
pub(super) fn save(tensors: &Tensors) -> (tempfile::TempDir, PathBuf) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("weights.safetensors");
    let views = tensors
        .iter()
        .map(|(name, (shape, data))| (name, TensorView::new(Dtype::F32, shape.clone(), data).unwrap()));
    fs::write(&path, safetensors::serialize(views, None).unwrap()).unwrap();
    (dir, path)
}

/// The bytes of a fixture.
pub(super) fn fixture(name: &str) -> Vec<u8> {
    fs::read(PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(name)).unwrap()
}

/// The numbers of a tensor of a fixture.
pub(super) fn floats(file: &SafeTensors<'_>, name: &str) -> Vec<f32> {
    let view = file.tensor(name).unwrap();
    view.data().as_chunks::<4>().0.iter().map(|b| f32::from_le_bytes(*b)).collect()
}
