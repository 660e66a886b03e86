//! Reading fixtures, and denoisers that need no training.
#![allow(dead_code, reason = "not every test file uses everything here")]

use std::{
    collections::{BTreeMap, HashMap},
    fs,
    path::PathBuf,
};

use burn::{
    module::{ModuleVisitor, Param},
    optim::GradientsParams,
    tensor::{Int, Tensor, TensorData},
};
use ddpm_core::{
    Denoiser, GaussianDiffusion, Kernels, TrainBackend, TrainableDenoiser, noise::indices,
    schedule::BetaSchedule,
};
use safetensors::{Dtype, SafeTensors};

pub fn path(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(name)
}

/// A fixture's tensors as f64, with their shapes, and its metadata.
pub struct Fixture {
    pub tensors: HashMap<String, (Vec<usize>, Vec<f64>)>,
    pub metadata: HashMap<String, String>,
}

impl Fixture {
    pub fn read(name: &str) -> Self {
        let bytes = fs::read(path(name)).unwrap();
        let (_, header) = SafeTensors::read_metadata(&bytes).unwrap();
        let metadata = header.metadata().clone().unwrap_or_default();
        let file = SafeTensors::deserialize(&bytes).unwrap();
        let tensors = file
            .tensors()
            .into_iter()
            .map(|(name, view)| (name, (view.shape().to_vec(), numbers(view.dtype(), view.data()))))
            .collect();
        Self { tensors, metadata }
    }

    pub fn values(&self, name: &str) -> &[f64] {
        &self.tensors[name].1
    }

    pub fn tensor<B: Kernels, const D: usize>(&self, name: &str) -> Tensor<B, D> {
        let (shape, values) = &self.tensors[name];
        let values: Vec<f32> = values.iter().map(|&v| v as f32).collect();
        Tensor::from_data(TensorData::new(values, shape.clone()), &B::Device::default())
    }
}

impl Fixture {
    /// The network's parameters.
    pub fn parameters(&self) -> HashMap<String, TensorData> {
        self.tensors
            .iter()
            .filter_map(|(name, (shape, values))| {
                let values: Vec<f32> = values.iter().map(|&v| v as f32).collect();
                Some((name.strip_prefix("param.")?.to_owned(), TensorData::new(values, shape.clone())))
            })
            .collect()
    }
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

/// Output within `absolute` and all gradients within `tolerance` of the largest entry of their tensor.
pub fn check_network<B: TrainBackend, D: TrainableDenoiser<B>>(
    name: &str,
    fixture: &Fixture,
    network: D,
    (absolute, tolerance): (f64, f64),
) {
    let device = B::Device::default();
    let ints = |name: &str| {
        fixture.tensors.get(name).map(|(_, v)| v.iter().map(|&t| t as usize).collect::<Vec<_>>())
    };
    let x = fixture.tensor::<B, 4>("x").require_grad();
    let y = ints("y").map(|y| indices(&y, &device));
    let out = network.denoise(x.clone(), indices(&ints("t").unwrap(), &device), y);
    let difference = distance(&floats(out.clone()), fixture.values("out"));
    assert!(difference < absolute, "{name}: the output differs by {difference}");
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
        grads: GradientsParams::from_grads(grads, &network),
        path: Vec::new(),
        found: BTreeMap::new(),
    };
    network.visit(&mut collector);
    let expected = fixture.tensors.keys().filter(|name| name.starts_with("param.")).count();
    assert_eq!(collector.found.len(), expected);
    for (parameter, grad) in &collector.found {
        close(parameter, grad);
    }
}

fn numbers(dtype: Dtype, bytes: &[u8]) -> Vec<f64> {
    match dtype {
        Dtype::F32 => {
            bytes.chunks_exact(4).map(|b| f64::from(f32::from_le_bytes(b.try_into().unwrap()))).collect()
        }
        Dtype::F64 => bytes.chunks_exact(8).map(|b| f64::from_le_bytes(b.try_into().unwrap())).collect(),
        Dtype::I64 => {
            bytes.chunks_exact(8).map(|b| i64::from_le_bytes(b.try_into().unwrap()) as f64).collect()
        }
        Dtype::U8 => bytes.iter().map(|&b| f64::from(b)).collect(),
        other => panic!("no fixture has {other:?}"),
    }
}

/// The largest absolute difference.
pub fn distance(a: &[f64], b: &[f64]) -> f64 {
    assert_eq!(a.len(), b.len());
    a.iter().zip(b).map(|(x, y)| (x - y).abs()).fold(0.0, f64::max)
}

pub fn floats<B: Kernels, const D: usize>(tensor: Tensor<B, D>) -> Vec<f64> {
    tensor.into_data().convert::<f64>().to_vec().unwrap()
}

/// The denoiser of the sampler and likelihood fixtures: sqrt(1 - abar_t) 0.9 x + 0.05 sin(3 x).
pub struct Analytic(pub GaussianDiffusion);

impl Analytic {
    pub fn new(timesteps: usize) -> Self {
        Self(GaussianDiffusion::new(&BetaSchedule::linear(), timesteps).unwrap())
    }
}

impl<B: Kernels> Denoiser<B> for Analytic {
    fn denoise(
        &self,
        x_t: Tensor<B, 4>,
        t: Tensor<B, 1, Int>,
        _y: Option<Tensor<B, 1, Int>>,
    ) -> Tensor<B, 4> {
        let [n] = t.dims();
        let scale: Vec<f32> = t
            .into_data()
            .convert::<i64>()
            .iter::<i64>()
            .map(|t| (0.9 * (1.0 - self.0.alpha_cumprod(t as usize)).sqrt()) as f32)
            .collect();
        let scale = Tensor::from_data(TensorData::new(scale, [n, 1, 1, 1]), &x_t.device());
        x_t.clone() * scale + (x_t * 3.0).sin() * 0.05
    }
}
