//! The network against plain PyTorch, with weights that both make from a formula (`tools/golden/dinov2.py`).

use burn_flex::Flex;
use data_streams::ImageShape;
use safetensors::SafeTensors;

use super::*;
use crate::features::formula::{Tensors, bound, fixture, floats, save, uniform};

const TINY: Sizes = Sizes { side: 12, patch: 4, width: 12, depth: 2, heads: 3, learned_grid: 5 };

fn formula(name: &str, shape: &[usize]) -> Vec<u8> {
    let value = |u: f32| match shape.len() {
        1 if name.ends_with("gamma") || name.ends_with("weight") => 0.5 + u,
        1 | 3 => 0.4 * (u - 0.5),
        _ => 2.0 * bound(shape) * (u - 0.5),
    };
    (0..shape.iter().product::<usize>() as u64).flat_map(|i| value(uniform(name, i)).to_le_bytes()).collect()
}

fn weights(sizes: Sizes) -> Tensors {
    let parameters = sizes.parameters().into_iter();
    parameters.map(|(name, shape)| (name.clone(), (shape.clone(), formula(&name, &shape)))).collect()
}

fn largest_difference(a: &[f32], b: &[f32]) -> f32 {
    assert_eq!(a.len(), b.len());
    a.iter().zip(b).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max)
}

#[test]
fn features_are_those_of_pytorch() {
    let (_dir, path) = save(&weights(TINY));
    let extractor = Dinov2Features::<Flex>::of_sizes(&path, TINY, &Default::default()).unwrap();
    assert!(extractor.name().contains(&extractor.sha256()[..16]) && extractor.sha256().len() == 64);
    let bytes = fixture("dinov2.safetensors");
    let file = SafeTensors::deserialize(&bytes).unwrap();
    for name in ["large", "grey", "same"] {
        let view = file.tensor(&format!("{name}.images")).unwrap();
        let [_, channels, height, width] = view.shape()[..] else { panic!("four dimensions") };
        let shape = ImageShape { channels, height, width };
        let pixels = view.data().to_vec();
        let images = ImageDataset::new(name, shape, vec!["all".into()], pixels, vec![0]).unwrap();
        let found = prepared(&images, 0, TINY.side);
        let off = largest_difference(&found, &floats(&file, &format!("{name}.prepared")));
        assert!(off < 1e-5, "{name}: pixels are off by {off}");
        let described = extractor.describe(&images).unwrap();
        assert!(described.class_probabilities.is_none());
        let expected = floats(&file, &format!("{name}.features"));
        // The norm before the features keeps them near 1.
        let off = largest_difference(described.features.row(0), &expected);
        assert!(off < 1e-4, "{name}: features are off by {off}");
    }
}

#[test]
fn positions_are_those_of_pytorch_at_the_published_size() {
    let bytes = fixture("dinov2.safetensors");
    let file = SafeTensors::deserialize(&bytes).unwrap();
    let learned: Vec<f32> = (0..37 * 37).map(|i| 0.4 * (uniform("positions", i) - 0.5)).collect();
    let found = positions::interpolate(&learned, 37, 16, 1);
    let off = largest_difference(&found, &floats(&file, "positions"));
    assert!(off < 1e-5, "off by {off}");
}

#[test]
fn weights_of_another_network_are_refused() {
    let mut other = weights(TINY);
    let (_dir, path) = save(&other);
    let told = check_weights(&path).unwrap_err().to_string();
    assert!(told.contains("`cls_token` is [1, 1, 12]") && told.contains("DINOv2's ViT-S/14"), "{told}");
    other.remove("blocks.1.ls2.gamma");
    let (_dir, path) = save(&other);
    let refused = Dinov2Features::<Flex>::of_sizes(&path, TINY, &Default::default()).unwrap_err();
    assert!(refused.to_string().contains("`blocks.1.ls2.gamma` is missing"), "{refused}");
}
