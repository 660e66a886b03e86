//! Convolutions on tensor cores, of factors of 16 bits or of f32 that is rounded to TF32, with sums and results in f32:
//! cubek's kernels, of which the fastest for a shape is found by measuring once on each device. Where none of them can run,
//! for want of tensor cores or because a shape does not fit them, the direct kernels in f32 take the same factors.
//!
//! Each way that is tried costs time before the first step: CUDA compiles such a kernel for a second. So the ways of large
//! convolutions are tried for no others.

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
        AcceleratedTileKind, ConvAlgorithm, ConvolutionArgs, ConvolutionInputs, Strategy,
        components::Dimensionality,
        definition::{ConvBlueprint, ForwardBlueprint},
        launch_ref,
    },
    matmul::definition::{MatmulElems, MatmulGlobalElems},
    std::InputBinding,
};
use serde::{Deserialize, Serialize};

use super::{
    products::Convolution,
    tiling::{LOADED_BYTES, TILINGS, Tiling},
};

/// The sizes for which a fastest kernel is found: numbers of images up to the next power of two share one.
#[derive(Hash, Eq, PartialEq, Debug, Clone, Serialize, Deserialize, AutotuneKey)]
struct Key {
    dtype: DType,
    images: usize,
    x: [usize; 3],
    weight: [usize; 4],
    stride: usize,
    padding: usize,
}

impl Key {
    /// Products that make a convolution large. The maps of tensors by which large ones are loaded are made by the processor,
    /// which a network of small ones waits for.
    const LARGE: usize = 1 << 30;

    fn is_large(&self) -> bool {
        let &Self { images, x: [c, h, w], weight: [c_out, _, k_h, k_w], stride, .. } = self;
        images * c * h * w * c_out * k_h * k_w / stride.pow(2) >= Self::LARGE
    }

    /// Whether it is cut as large ones are: what is loaded at once lies at one place of the kernel.
    fn is_cut(&self) -> bool {
        self.is_large() && self.x[0] * self.dtype.size() % LOADED_BYTES as usize == 0
    }
}

/// A way through a matrix product that reads tiles of the images where they lie; each errs on what it has no way for.
#[derive(Debug, Clone, Copy)]
enum Way {
    /// Cut as cubek infers it.
    Inferred(ConvAlgorithm, AcceleratedTileKind),
    /// Cut so, with asynchronous loads.
    Cut(Tiling),
}

/// The ways that were fastest, of six, for small convolutions of `cifar-ddpm` in bf16 or `mnist-small` in TF32 on an H200.
const SMALL: [(&str, Way); 2] = [
    ("sync_cmma", Way::Inferred(ConvAlgorithm::SimpleSyncCyclic, AcceleratedTileKind::Cmma)),
    ("sync_mma", Way::Inferred(ConvAlgorithm::SimpleSyncStrided, AcceleratedTileKind::Mma)),
];

type Inputs<R> = (Convolution, CubeTensor<R>, CubeTensor<R>);

/// A convolution by whatever is fastest.
pub fn convolve<R: CubeRuntime>(
    convolution: Convolution,
    x: CubeTensor<R>,
    weight: CubeTensor<R>,
) -> CubeTensor<R> {
    static TUNER: LocalTuner<Key, CubeTuneId> = local_tuner!();

    let (client, id) = (x.client.clone(), CubeTuneId::new(&x.client, &x.device));
    let kernels = TUNER.init(|| {
        type Kernel<R> = Tunable<Key, Inputs<R>, CubeTensor<R>>;
        let kernel = |name, way| {
            Kernel::<R>::new(name, move |(convolution, x, weight): Inputs<R>| {
                implicit_gemm(&convolution, x, weight, way)
            })
        };
        // Of a group something is tried where nothing of the one before can run. A negative number excludes.
        let cut = TuneGroup::<Key>::new("cut", |key| if key.is_cut() { 2 } else { -1 });
        let (inferred, last) =
            (TuneGroup::<Key>::new("inferred", |_| 1), TuneGroup::<Key>::new("last", |_| 0));
        let direct = |(convolution, x, weight): Inputs<R>| Ok::<_, String>(convolution.direct(x, weight));
        let direct = Kernel::<R>::new("direct", direct)
            .group(&inferred, |key| if key.is_large() { -1 } else { 0 })
            .group(&last, |_| 0);
        let set = TunableSet::new_cloning_inputs(key::<R>).with(direct);
        let set = SMALL
            .into_iter()
            .fold(set, |set, (name, way)| set.with(kernel(name, way).group(&inferred, |_| 0)));
        TILINGS
            .into_iter()
            .fold(set, |set, tiling| set.with(kernel(tiling.name, Way::Cut(tiling)).group(&cut, |_| 0)))
    });
    TUNER.execute(&id, &client, kernels, (convolution, x, weight))
}

fn key<R: CubeRuntime>((convolution, x, weight): &Inputs<R>) -> Key {
    let &Convolution { stride, padding, .. } = convolution;
    let ([images, c, h, w], weight) = (x.meta.shape().dims(), weight.meta.shape().dims());
    Key::new(x.dtype, anchor(images, None, None, None), [c, h, w], weight, stride, padding)
}

/// A convolution as one matrix product, with channels last.
fn implicit_gemm<R: CubeRuntime>(
    convolution: &Convolution,
    x: CubeTensor<R>,
    weight: CubeTensor<R>,
    way: Way,
) -> Result<CubeTensor<R>, String> {
    let &Convolution { dims, stride, padding, .. } = convolution;
    let (client, device, factor) = (x.client.clone(), x.device.clone(), x.dtype);
    let strategy = match way {
        Way::Inferred(algorithm, tile_kind) => Strategy::Inferred { algorithm, tile_kind },
        Way::Cut(tiling) => {
            let ([n, columns, h, w], [_, c_in, k_h, k_w]) = (dims, weight.meta.shape().dims());
            let matmul = tiling.blueprint(&client, [n * h * w, columns, c_in * k_h * k_w], factor);
            let algorithm =
                if tiling.loaders { ConvAlgorithm::SpecializedTma } else { ConvAlgorithm::SimpleAsyncTma };
            let dimensionality = Dimensionality::Dim2;
            let blueprint = ForwardBlueprint { matmul, dimensionality, has_bias: false };
            Strategy::Forced { algorithm, blueprint: ConvBlueprint::Forward(blueprint) }
        }
    };
    let dtype = StorageType::from(factor);
    let shape = permute_nchw_to_nhwc_shape(dims.into());
    let found = empty_device_contiguous_dtype(client.clone(), device, shape, DType::F32);
    let [input, weight] =
        [x, weight].map(|factor| InputBinding::new(permute_nchw_to_nhwc(factor).binding(), dtype));
    let inputs = ConvolutionInputs::Forward { input, weight, bias: None, out: found.clone().binding() };
    let args = ConvolutionArgs { stride: [stride; 2], padding: [padding; 2], dilation: [1; 2] };
    let types =
        MatmulElems::from_globals(&MatmulGlobalElems { lhs: dtype, rhs: dtype, out: DType::F32.into() });
    launch_ref::<R, 2>(&strategy, &client, inputs, args, types).map_err(|error| format!("{error:?}"))?;
    Ok(permute_nhwc_to_nchw(found))
}
