//! The network against pytorch-fid's, with weights that both make from a formula (`tools/golden/inception.py`).

use std::{collections::BTreeMap, fs};

use burn_flex::Flex;
use data_streams::ImageShape;
use safetensors::SafeTensors;

use super::*;
use crate::features::formula::{Tensors, bound, fixture, floats, save, uniform};

fn formula(name: &str, shape: &[usize]) -> Vec<u8> {
    let value = |u: f32| match shape.len() {
        1 if name.ends_with("running_var") || name.ends_with("bn.weight") => 0.5 + u,
        1 => 0.4 * (u - 0.5),
        _ => 2.0 * bound(shape) * (u - 0.5),
    };
    (0..shape.iter().product::<usize>() as u64).flat_map(|i| value(uniform(name, i)).to_le_bytes()).collect()
}

fn weights() -> Tensors {
    architecture::parameters()
        .into_iter()
        .map(|(name, shape)| (name.clone(), (shape.clone(), formula(&name, &shape))))
        .collect()
}

fn refusal(path: &std::path::Path) -> String {
    assert!(check_weights(path).is_err());
    InceptionFeatures::<Flex>::load(path, &Default::default()).unwrap_err().to_string()
}

#[test]
fn features_and_logits_are_those_of_pytorch_fid() {
    let (_dir, path) = save(&weights());
    check_weights(&path).unwrap();
    let extractor = InceptionFeatures::<Flex>::load(&path, &Default::default()).unwrap();
    assert!(extractor.name().contains(&extractor.sha256()[..16]) && extractor.sha256().len() == 64);
    let bytes = fixture("inception.safetensors");
    let file = SafeTensors::deserialize(&bytes).unwrap();
    for name in ["square", "grey"] {
        let view = file.tensor(&format!("{name}.images")).unwrap();
        let [_, channels, height, width] = view.shape()[..] else { panic!("four dimensions") };
        let shape = ImageShape { channels, height, width };
        let pixels = view.data().to_vec();
        let images = ImageDataset::new(name, shape, vec!["all".into()], pixels, vec![0]).unwrap();
        let (features, logits) = describe(&extractor, &images);
        for (found, part) in [(features, "features"), (logits, "logits")] {
            let expected = floats(&file, &format!("{name}.{part}"));
            let size = (expected.iter().map(|v| v * v).sum::<f32>() / expected.len() as f32).sqrt();
            let off = found.iter().zip(&expected).map(|(f, e)| (f - e).abs()).fold(0.0, f32::max);
            assert!(off < 1e-4 * size, "{name} {part}: off by {off}, of {size}");
        }
    }
}

/// Features and logits of one image, as the extractor computes them.
fn describe(extractor: &InceptionFeatures<Flex>, images: &ImageDataset) -> (Vec<f32>, Vec<f32>) {
    let data = TensorData::new(prepared(images, 0), [1, 3, SIZE, SIZE]);
    let (features, logits) = extractor.network.forward(Tensor::from_data(data, &extractor.device));
    let features: Vec<f32> = features.into_data().to_vec().unwrap();
    assert_eq!(extractor.describe(images).unwrap().features.row(0), features);
    (features, logits.into_data().to_vec().unwrap())
}

#[test]
fn weights_of_another_network_are_refused_by_the_first_that_does_not_fit() {
    let dir = tempfile::tempdir().unwrap();
    let missing = dir.path().join("missing.safetensors");
    assert!(refusal(&missing).contains("missing.safetensors"));
    let pickled = dir.path().join("weights.pth");
    fs::write(&pickled, b"PK\x03\x04 a zip archive").unwrap();
    assert!(refusal(&pickled).contains("cldiff weights convert"));
    let name = "Conv2d_1a_3x3.conv.weight".to_owned();
    let (_dir, other) = save(&BTreeMap::from([("conv1.weight".to_owned(), (vec![1], vec![0; 4]))]));
    assert!(refusal(&other).contains("`Conv2d_1a_3x3.conv.weight` is missing"));
    let (_dir, other) = save(&BTreeMap::from([(name.clone(), (vec![32, 3, 1, 1], vec![0; 384]))]));
    let told = refusal(&other);
    assert!(told.contains("[32, 3, 1, 1]") && told.contains("[32, 3, 3, 3]"), "{told}");
    let infinite = f32::INFINITY.to_le_bytes().repeat(32 * 27);
    let (_dir, other) = save(&BTreeMap::from([(name, (vec![32, 3, 3, 3], infinite))]));
    assert!(refusal(&other).contains("not finite"));
}
