//! How cubek's kernels for tensor cores cut a large product into tiles.
//!
//! The tiles that cubek 0.2.0 infers leave an H200 at 60 to 135 TFLOP/s: a convolution in tiles of 64 x 32 numbers, of which a plane
//! computes 16 x 32, reads more from shared memory than it multiplies. Cut as here, and loaded by the tensor memory
//! accelerator, the same products reach 170 to 260 (benchmarks/gpu.md).

use burn::tensor::DType;
use cubecl::{client::ComputeClient, prelude::Runtime};
use cubek::{
    matmul::{
        components::{
            global::{InputLoadFlow, LoadFlows},
            stage::PartitionBuffering,
            tile::TileMatmulKind,
        },
        definition::{TilingBlueprint, TilingScheme},
    },
    std::{MatrixLayout, SwizzleModes, cube_count::HypercubeBlueprint, stage::SwizzleMode},
};

/// Rows and columns of what one instruction computes.
const INSTRUCTION: [u32; 2] = [16, 8];

/// Bytes of a row or column that one instruction multiplies: 16 numbers of 16 bits, 8 of TF32.
const INSTRUCTION_BYTES: u32 = 32;

/// Bytes of a row or column that are loaded at once: as many as the widest swizzle of shared memory has, in which no two
/// rows of a tile share a bank.
pub const LOADED_BYTES: u32 = 128;

/// How a product is cut: the numbers that a plane computes, and how many planes stand under and beside one another in a cube.
#[derive(Debug, Clone, Copy)]
pub struct Tiling {
    pub name: &'static str,
    /// Rows and columns.
    pub of_plane: [u32; 2],
    pub planes: [u32; 2],
    /// Whether other planes load than multiply.
    pub loaders: bool,
}

impl Tiling {
    /// For rows times columns, with so many numbers summed, of factors of this type that lie one after another in both
    /// where they are summed.
    pub fn blueprint<R: Runtime>(
        &self,
        client: &ComputeClient<R>,
        [rows, columns, summed]: [usize; 3],
        factor: DType,
    ) -> TilingBlueprint {
        let [m, n] = [0, 1].map(|d| self.of_plane[d] / INSTRUCTION[d]);
        let k = INSTRUCTION_BYTES / factor.size() as u32;
        let scheme = TilingScheme::builder()
            .with_tile_size((INSTRUCTION[0], INSTRUCTION[1], k).into())
            .with_partition_size((m, n, LOADED_BYTES / INSTRUCTION_BYTES).into())
            .with_stage_size((self.planes[0], self.planes[1], 1).into())
            .build()
            .expect("all sizes are given");
        let flow = if self.loaders { InputLoadFlow::LoadOnly } else { InputLoadFlow::MainOnly };
        TilingBlueprint {
            plane_dim: client.properties().hardware.plane_size_max,
            tile_matmul: TileMatmulKind::Mma,
            tiling_scheme: scheme,
            swizzle_modes: SwizzleModes {
                lhs: SwizzleMode::B128,
                rhs: SwizzleMode::B128,
                ..Default::default()
            },
            partition_buffering: PartitionBuffering::Single,
            loading_precompute_strategy: Default::default(),
            reader_mode: Default::default(),
            load_flows: LoadFlows { lhs: flow, rhs: flow },
            hypercube_blueprint: HypercubeBlueprint::builder().build(),
            lhs_layout: MatrixLayout::RowMajor,
            rhs_layout: MatrixLayout::ColMajor,
            check_m_bounds: rows as u32 % scheme.elements_per_stage_along_m() != 0,
            check_n_bounds: columns as u32 % scheme.elements_per_stage_along_n() != 0,
            check_k_bounds: summed as u32 % scheme.elements_per_stage_along_k() != 0,
        }
    }
}

/// The tilings that were fastest, of six, for some product of `cifar-ddpm` in bf16 on an H200; the last is for products with
/// few tiles.
pub const TILINGS: [Tiling; 3] = [
    Tiling { name: "64x128", of_plane: [32, 64], planes: [2, 2], loaders: false },
    Tiling { name: "128x128", of_plane: [64, 64], planes: [2, 2], loaders: false },
    Tiling { name: "64x64", of_plane: [32, 32], planes: [2, 2], loaders: true },
];
