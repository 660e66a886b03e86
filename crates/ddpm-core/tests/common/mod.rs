//! Reading fixtures, and denoisers that need no training.
#![allow(dead_code, reason = "not every test file uses everything here")]

use std::{collections::HashMap, fs, path::PathBuf};

use burn::tensor::{Int, Tensor, TensorData};
use ddpm_core::{Denoiser, GaussianDiffusion, Kernels, schedule::BetaSchedule};
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
