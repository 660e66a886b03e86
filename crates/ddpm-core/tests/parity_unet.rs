//! The UNet against diffusers' `UNet2DModel`: output and all gradients, for every fixture, on both CPU backends.

mod common;

use std::collections::HashMap;

use burn::tensor::TensorData;
use burn_autodiff::Autodiff;
use burn_flex::Flex;
use burn_ndarray::NdArray;
use common::{Fixture, check_network};
use ddpm_core::{
    TrainBackend, UNet2D, UNet2DConfig,
    noise::{Key, Purpose},
    parameters::with_named_parameters,
};

const NAMES: [&str; 11] = [
    "plain",
    "attention_classes",
    "two_layers_head_4",
    "odd_channels",
    "asymmetric_padding",
    "sines_first_shifted",
    "scale_shift",
    "mish_centred",
    "gelu",
    "three_levels",
    "rectangle",
];

fn load<B: TrainBackend>(fixture: &Fixture) -> UNet2D<B> {
    let config: UNet2DConfig = serde_json::from_str(&fixture.metadata["config"]).unwrap();
    let device = B::Device::default();
    let blank = config.init::<B>(Key::new(0, Purpose::named("blank")), &device).unwrap();
    with_named_parameters(blank, fixture.parameters()).unwrap()
}

fn check<B: TrainBackend>(name: &str, tolerance: f64) {
    let fixture = Fixture::read(&format!("unet/{name}.safetensors"));
    check_network::<B, _>(name, &fixture, load::<B>(&fixture), (1e-5, tolerance));
}

#[test]
fn flex_agrees_with_diffusers() {
    NAMES.iter().for_each(|name| check::<Autodiff<Flex>>(name, 1e-4));
}

#[test]
fn ndarray_agrees_with_diffusers() {
    NAMES.iter().for_each(|name| check::<Autodiff<NdArray<f32>>>(name, 1e-4));
}

#[test]
fn what_does_not_fit_is_named() {
    let fixture = Fixture::read("unet/plain.safetensors");
    let unet = load::<Autodiff<Flex>>(&fixture);
    let mut parameters: HashMap<String, TensorData> =
        ddpm_core::parameters::named_parameters(&unet).into_iter().collect();
    let refused = |parameters: HashMap<String, TensorData>| {
        with_named_parameters(unet.clone(), parameters).unwrap_err().to_string()
    };
    let bias = parameters.remove("conv_in.bias").unwrap();
    assert!(refused(parameters.clone()).contains("`conv_in.bias`: missing"));
    parameters.insert("conv_in.bias".into(), TensorData::new(vec![0.0_f32; 3], [3]));
    assert!(refused(parameters.clone()).contains("its shape is"));
    parameters.insert("conv_in.bias".into(), bias.clone());
    parameters.insert("conv_extra.bias".into(), bias);
    assert!(refused(parameters).contains("`conv_extra.bias`"));
}

#[test]
fn a_saved_model_is_loaded_as_it_was() {
    let fixture = Fixture::read("unet/attention_classes.safetensors");
    let unet = load::<Autodiff<Flex>>(&fixture);
    let dir = tempfile::tempdir().unwrap();
    ddpm_core::diffusers::save_network(&unet, dir.path()).unwrap();
    let again = ddpm_core::diffusers::load_unet::<Autodiff<Flex>>(dir.path(), &Default::default()).unwrap();
    assert_eq!(again.config(), unet.config());
    let parameters = ddpm_core::parameters::named_parameters::<Autodiff<Flex>, _>;
    assert_eq!(parameters(&again), parameters(&unet));
}
