//! Matrix products that are summed in f32, by cubek's kernels.
//!
//! Large ones of 16 bits are cut in several ways, of which the fastest for a shape is found by measuring once on each
//! device. All others are made in the first way that takes them: each kernel costs CUDA's compiler a second or more.

use burn::tensor::{DType, TensorMetadata};
use burn_cubecl::{CubeRuntime, CubeTuneId, ops::numeric::empty_device_contiguous_dtype, tensor::CubeTensor};
use cubecl::{
    AutotuneKey,
    ir::StorageType,
    tune::{LocalTuner, Tunable, TunableSet, TuneGroup, anchor, local_tuner},
};
use cubek::{
    matmul::{
        definition::{MatmulElems, MatmulGlobalElems},
        launch::{Strategy, launch_ref},
        routines::{
            BlueprintStrategy, TileSizeSelection, simple::SimpleArgs, simple_unit::SimpleUnitSelectionArgs,
        },
    },
    std::InputBinding,
};
use serde::{Deserialize, Serialize};

use super::tiling::{TILINGS, Tiling};

/// Multiplications that make a product large.
const LARGE: usize = 1 << 30;

/// The sizes and types for which a fastest way is found.
#[derive(Hash, Eq, PartialEq, Debug, Clone, Serialize, Deserialize, AutotuneKey)]
struct Key {
    dtype: DType,
    products: usize,
    rows: usize,
    columns: usize,
    /// Up to the next power of two.
    summed: usize,
}

/// A matrix product `[.., n, k] x [.., k, m]` of two tensors with the same leading sizes and of one type, in f32. Factors in
/// f32 are multiplied as they are where `exact`, and rounded to TF32 otherwise.
///
/// # Panics
/// If the shapes do not fit.
pub fn multiply<R: CubeRuntime>(a: CubeTensor<R>, b: CubeTensor<R>, exact: bool) -> CubeTensor<R> {
    let (dims, of_b) = (a.shape(), b.shape());
    let last = dims.num_dims() - 1;
    let fits = dims[..last - 1] == of_b[..last - 1] && dims[last] == of_b[last - 1];
    assert!(fits, "product: shapes {dims:?} and {of_b:?} do not fit");
    let [simple, unit] = [cmma(), unit()];
    if exact {
        return first(&a, &b, &[unit, Strategy::Naive]);
    }
    // The numbers that are summed lie one after another in both.
    let along = a.meta.strides()[last] == 1 && b.meta.strides()[last - 1] == 1;
    let large = is_large(dims.num_elements(), of_b[last]);
    match (along && a.dtype != DType::F32, large) {
        (false, _) => first(&a, &b, &[simple, unit, Strategy::Naive]),
        (true, false) => first(&a, &b, &[mma(), simple, unit, Strategy::Naive]),
        (true, true) => fastest(a, b),
    }
}

/// Whether a product of a factor of so many numbers and one of so many columns is large.
pub const fn is_large(numbers: usize, columns: usize) -> bool {
    numbers * columns >= LARGE
}

fn cmma() -> Strategy {
    Strategy::SimpleCyclicCmma(BlueprintStrategy::Inferred(SimpleArgs::default()))
}

fn mma() -> Strategy {
    Strategy::SimpleCyclicMma(BlueprintStrategy::Inferred(SimpleArgs::default()))
}

/// Without tensor cores.
fn unit() -> Strategy {
    let tiles = SimpleUnitSelectionArgs { tile_size: TileSizeSelection::MaxTileSize };
    Strategy::SimpleUnit(BlueprintStrategy::Inferred(tiles))
}

/// By the first strategy that takes the factors: one does not for want of tensor cores, or because a shape does not fit it.
fn first<R: CubeRuntime>(a: &CubeTensor<R>, b: &CubeTensor<R>, strategies: &[Strategy]) -> CubeTensor<R> {
    let found = strategies.iter().find_map(|strategy| launch(a, b, strategy).ok());
    found.expect("the naive kernel takes every size")
}

fn launch<R: CubeRuntime>(
    a: &CubeTensor<R>,
    b: &CubeTensor<R>,
    strategy: &Strategy,
) -> Result<CubeTensor<R>, String> {
    let (client, mut dims) = (a.client.clone(), a.shape());
    let last = dims.num_dims() - 1;
    dims[last] = b.shape()[last];
    let y = empty_device_contiguous_dtype(client.clone(), a.device.clone(), dims, DType::F32);
    let (dtype, f32) = (StorageType::from(a.dtype), StorageType::from(DType::F32));
    let [a, b] = [a, b].map(|tensor| InputBinding::new(tensor.clone().binding(), dtype));
    let mut types = MatmulElems::from_globals(&MatmulGlobalElems { lhs: dtype, rhs: dtype, out: f32 });
    let launched = launch_ref(strategy, &client, a, b, y.clone().binding(), &mut types);
    launched.map(|()| y).map_err(|error| format!("{error:?}"))
}

/// Cut so, and loaded asynchronously; it errs where the device cannot.
fn in_tiles<R: CubeRuntime>(
    a: &CubeTensor<R>,
    b: &CubeTensor<R>,
    tiling: Tiling,
) -> Result<CubeTensor<R>, String> {
    let (dims, of_b) = (a.meta.shape(), b.meta.shape());
    let last = dims.num_dims() - 1;
    let blueprint = tiling.blueprint(&a.client, [dims[last - 1], of_b[last], dims[last]], a.dtype);
    let strategy = if tiling.loaders {
        Strategy::SpecializedTmaMma(BlueprintStrategy::Forced(blueprint))
    } else {
        Strategy::SimpleTmaMma(BlueprintStrategy::Forced(blueprint))
    };
    launch(a, b, &strategy)
}

type Factors<R> = (CubeTensor<R>, CubeTensor<R>);

/// By whatever is fastest.
fn fastest<R: CubeRuntime>(a: CubeTensor<R>, b: CubeTensor<R>) -> CubeTensor<R> {
    static TUNER: LocalTuner<Key, CubeTuneId> = local_tuner!();

    let (client, id) = (a.client.clone(), CubeTuneId::new(&a.client, &a.device));
    let kernels = TUNER.init(|| {
        type Kernel<R> = Tunable<Key, Factors<R>, CubeTensor<R>>;
        let without = |(a, b): Factors<R>| Ok::<_, String>(first(&a, &b, &[cmma(), unit(), Strategy::Naive]));
        let (cut, last) = (TuneGroup::<Key>::new("cut", |_| 1), TuneGroup::<Key>::new("last", |_| 0));
        let without = Kernel::<R>::new("inferred", without).group(&last, |_| 0);
        let set = TunableSet::new_cloning_inputs(key::<R>).with(without);
        TILINGS.into_iter().fold(set, |set, tiling| {
            let kernel = Kernel::<R>::new(tiling.name, move |(a, b): Factors<R>| in_tiles(&a, &b, tiling));
            set.with(kernel.group(&cut, |_| 0))
        })
    });
    TUNER.execute(&id, &client, kernels, (a, b))
}

fn key<R: CubeRuntime>((a, b): &Factors<R>) -> Key {
    let (dims, last) = (a.meta.shape(), a.meta.shape().num_dims() - 1);
    let products = dims[..last - 1].iter().product();
    let summed = anchor(dims[last], None, None, None);
    Key::new(a.dtype, products, dims[last - 1], b.meta.shape()[last], summed)
}
