//! Outputs of convolutions and gradients of their inputs on tensor cores, of factors of 16 bits or of f32 that is rounded
//! to TF32, with sums and results in f32: cubek's kernels, of which the fastest for a shape is found by measuring once on
//! each device. Where none of them can run, for want of tensor cores or because a shape does not fit them, the direct
//! kernels in f32 take the same factors.
//!
//! What is tried costs time before the first step: CUDA compiles such a kernel for a second, and for three if it loads
//! asynchronously, whose headers are large. So these are tried only for convolutions that are large enough to gain by it.

use burn::tensor::DType;
use burn_cubecl::{
    CubeRuntime, CubeTuneId,
    ops::{
        numeric::empty_device_contiguous_dtype, permute_nchw_to_nhwc, permute_nchw_to_nhwc_shape,
        permute_nhwc_to_nchw,
    },
    tensor::CubeTensor,
};
use cubecl::{
    AutotuneKey,
    ir::StorageType,
    tune::{LocalTuner, Tunable, TunableSet, TuneGroup, anchor, local_tuner},
};
use cubek::{
    convolution::{
        AcceleratedTileKind, ConvAlgorithm, ConvolutionArgs, ConvolutionInputs, Strategy, launch_ref,
    },
    matmul::definition::{MatmulElems, MatmulGlobalElems},
    std::InputBinding,
};
use serde::{Deserialize, Serialize};

use super::products::{Convolution, Part};

/// What a fastest kernel is found for: numbers of images up to the next power of two share one.
#[derive(Hash, Eq, PartialEq, Debug, Clone, Serialize, Deserialize, AutotuneKey)]
struct Key {
    part: Part,
    dtype: DType,
    images: usize,
    first: [usize; 3],
    weight: [usize; 4],
    stride: usize,
    padding: usize,
}

impl Key {
    /// Products that make a convolution large: on an H200 asynchronous loads gain a tenth to a fifth at twice as many and
    /// more, and little below.
    const LARGE: usize = 1 << 32;

    fn is_large(&self) -> bool {
        let &Self { images, first: [c, h, w], weight: [c_out, c_in, k_h, k_w], stride, .. } = self;
        let channels = if self.part == Part::Output { c_out } else { c_in };
        images * c * h * w * channels * k_h * k_w / stride.pow(2) >= Self::LARGE
    }
}

/// A way through a matrix product that reads tiles of the images where they lie; each errs on what it has no way for.
struct Way {
    name: &'static str,
    algorithm: ConvAlgorithm,
    tile_kind: AcceleratedTileKind,
    /// Whether its loads are asynchronous.
    large_only: bool,
}

/// Those that were fastest for some convolution of `cifar-ddpm` in bf16 or `mnist-small` in TF32 on an H200, of six
/// (benchmarks/gpu.md).
const WAYS: [Way; 3] = [
    Way {
        name: "sync_cmma",
        algorithm: ConvAlgorithm::SimpleSyncCyclic,
        tile_kind: AcceleratedTileKind::Cmma,
        large_only: false,
    },
    Way {
        name: "sync_mma",
        algorithm: ConvAlgorithm::SimpleSyncStrided,
        tile_kind: AcceleratedTileKind::Mma,
        large_only: false,
    },
    Way {
        name: "tma_mma",
        algorithm: ConvAlgorithm::SimpleAsyncTma,
        tile_kind: AcceleratedTileKind::Mma,
        large_only: true,
    },
];

type Inputs<R> = (Convolution, CubeTensor<R>, CubeTensor<R>);

/// A part of a convolution by whatever is fastest.
pub fn convolve<R: CubeRuntime>(
    convolution: Convolution,
    a: CubeTensor<R>,
    b: CubeTensor<R>,
) -> CubeTensor<R> {
    static TUNER: LocalTuner<Key, CubeTuneId> = local_tuner!();

    let (client, id) = (a.client.clone(), CubeTuneId::new(&a.client, &a.device));
    let kernels = TUNER.init(|| {
        type Kernel<R> = Tunable<Key, Inputs<R>, CubeTensor<R>>;
        // Of the second group something is tried where nothing of the first can run.
        let (first, second) = (TuneGroup::<Key>::new("first", |_| 1), TuneGroup::<Key>::new("second", |_| 0));
        // A negative number excludes.
        let only_if = |condition: bool| if condition { 0 } else { -1 };
        let direct = |(convolution, a, b): Inputs<R>| Ok::<_, String>(convolution.direct(a, b));
        let direct = Kernel::<R>::new("direct", direct)
            .group(&first, move |key| only_if(!key.is_large()))
            .group(&second, |_| 0);
        let set = TunableSet::new_cloning_inputs(key::<R>).with(direct);
        WAYS.into_iter().fold(set, |set, Way { name, algorithm, tile_kind, large_only }| {
            let kernel = Kernel::<R>::new(name, move |(convolution, a, b): Inputs<R>| {
                implicit_gemm(&convolution, a, b, Strategy::Inferred { algorithm, tile_kind })
            });
            set.with(kernel.group(&first, move |key| only_if(key.is_large() || !large_only)))
        })
    });
    TUNER.execute(&id, &client, kernels, (convolution, a, b))
}

fn key<R: CubeRuntime>((convolution, a, b): &Inputs<R>) -> Key {
    let &Convolution { part, stride, padding, .. } = convolution;
    let ([images, c, h, w], weight) = (a.meta.shape().dims(), b.meta.shape().dims());
    Key::new(part, a.dtype, anchor(images, None, None, None), [c, h, w], weight, stride, padding)
}

/// A part of a convolution as one matrix product, with channels last.
fn implicit_gemm<R: CubeRuntime>(
    convolution: &Convolution,
    a: CubeTensor<R>,
    b: CubeTensor<R>,
    strategy: Strategy,
) -> Result<CubeTensor<R>, String> {
    let &Convolution { part, dims, stride, padding, .. } = convolution;
    if part == Part::InputGrad && stride != 1 {
        return Err("these kernels have no stride in the gradient of the input".into());
    }
    let (client, device, dtype) = (a.client.clone(), a.device.clone(), StorageType::from(a.dtype));
    let shape = permute_nchw_to_nhwc_shape(dims.into());
    let found = empty_device_contiguous_dtype(client.clone(), device, shape, DType::F32);
    let [a, b] = [a, b].map(|factor| InputBinding::new(permute_nchw_to_nhwc(factor).binding(), dtype));
    let target = found.clone().binding();
    let inputs = match part {
        Part::Output => ConvolutionInputs::Forward { input: a, weight: b, bias: None, out: target },
        Part::InputGrad => ConvolutionInputs::BackwardData { out_grad: a, weights: b, in_grad: target },
    };
    let args = ConvolutionArgs { stride: [stride; 2], padding: [padding; 2], dilation: [1; 2] };
    let types =
        MatmulElems::from_globals(&MatmulGlobalElems { lhs: dtype, rhs: dtype, out: DType::F32.into() });
    launch_ref::<R, 2>(&strategy, &client, inputs, args, types).map_err(|error| format!("{error:?}"))?;
    Ok(permute_nhwc_to_nchw(found))
}
