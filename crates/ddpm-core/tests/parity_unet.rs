//! The UNet against diffusers' `UNet2DModel`: output and all gradients, for every fixture, on both CPU backends.

mod common;

use std::collections::{BTreeMap, HashMap};

use burn::{
    module::{Module, ModuleVisitor, Param},
    optim::GradientsParams,
    tensor::{Tensor, TensorData, backend::AutodiffBackend},
};
use burn_autodiff::Autodiff;
use burn_flex::Flex;
use burn_ndarray::NdArray;
use common::{Fixture, distance, floats};
use ddpm_core::{
    TrainBackend, UNet2D, UNet2DConfig,
    noise::{Key, Purpose, indices},
    parameters::with_named_parameters,
};

const NAMES: [&str; 10] = [
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
];

fn load<B: TrainBackend>(fixture: &Fixture) -> UNet2D<B> {
    let config: UNet2DConfig = serde_json::from_str(&fixture.metadata["config"]).unwrap();
    let device = B::Device::default();
    let blank = config.init::<B>(Key::new(0, Purpose::named("blank")), &device).unwrap();
    let parameters: HashMap<String, TensorData> = fixture
        .tensors
        .iter()
        .filter_map(|(name, (shape, values))| {
            let values: Vec<f32> = values.iter().map(|&v| v as f32).collect();
            Some((name.strip_prefix("param.")?.to_owned(), TensorData::new(values, shape.clone())))
        })
        .collect();
    with_named_parameters(blank, parameters).unwrap()
}

struct Gradients {
    grads: GradientsParams,
    path: Vec<String>,
    found: BTreeMap<String, Vec<f64>>,
}

impl<B: TrainBackend> ModuleVisitor<B> for Gradients {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<B, D>>) {
        let grad = self.grads.get::<B::InnerBackend, D>(param.id).unwrap();
        self.found.insert(self.path.join("."), floats(grad));
    }

    fn enter_module(&mut self, name: &str, _container_type: &str) {
        self.path.push(name.to_owned());
    }

    fn exit_module(&mut self, _name: &str, _container_type: &str) {
        self.path.pop();
    }
}

/// Gradients may differ by `tolerance` of the largest entry of their tensor.
fn check<B: TrainBackend>(name: &str, tolerance: f64)
where
    <B as AutodiffBackend>::InnerBackend: ddpm_core::Kernels,
{
    let fixture = Fixture::read(&format!("unet/{name}.safetensors"));
    let unet = load::<B>(&fixture);
    let device = B::Device::default();
    let ints = |name: &str| {
        fixture.tensors.get(name).map(|(_, v)| v.iter().map(|&t| t as usize).collect::<Vec<_>>())
    };
    let x = fixture.tensor::<B, 4>("x").require_grad();
    let y = ints("y").map(|y| indices(&y, &device));
    let out = unet.forward(x.clone(), indices(&ints("t").unwrap(), &device), y);
    let difference = distance(&floats(out.clone()), fixture.values("out"));
    assert!(difference < 1e-5, "{name}: the output differs by {difference}");
    let grads = (out * fixture.tensor::<B, 4>("cotangent")).sum().backward();
    let close = |parameter: &str, grad: &[f64]| {
        let expected = fixture.values(&format!("grad.{parameter}"));
        let scale = expected.iter().fold(0.0_f64, |most, v| most.max(v.abs()));
        // A key's bias shifts all logits of a query alike, which softmax does not see: the true gradient is zero, and
        // what is found is the rounding of the terms that cancel.
        if parameter.ends_with("to_k.bias") {
            assert!(
                scale < 1e-5 && grad.iter().all(|g| g.abs() < 0.1 * tolerance),
                "{name}: {parameter} {grad:?}"
            );
            return;
        }
        let difference = distance(grad, expected);
        assert!(
            difference < tolerance * scale + 1e-6,
            "{name}: the gradient of {parameter} differs by {difference} of {scale}"
        );
    };
    close("x", &floats(x.grad(&grads).unwrap()));
    let mut collector = Gradients {
        grads: GradientsParams::from_grads(grads, &unet),
        path: Vec::new(),
        found: BTreeMap::new(),
    };
    unet.visit(&mut collector);
    assert!(collector.found.len() > 30);
    for (parameter, grad) in &collector.found {
        close(parameter, grad);
    }
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
    ddpm_core::diffusers::save_unet(&unet, dir.path()).unwrap();
    let again = ddpm_core::diffusers::load_unet::<Autodiff<Flex>>(dir.path(), &Default::default()).unwrap();
    assert_eq!(again.config(), unet.config());
    let parameters = ddpm_core::parameters::named_parameters::<Autodiff<Flex>, _>;
    assert_eq!(parameters(&again), parameters(&unet));
}
