//! The CUDA C++ of every kernel, generated without a device or a driver.

mod arguments;
mod maps;
mod norms;
mod optimizer;

use maps::{first, joined, last, maps, parts, regrouped, taken_apart, unfolded};
use norms::{backward, forward, sum_images};
use optimizer::{squares, step};

use super::channels_last::Added;

#[test]
fn every_kernel_has_a_cuda_form() {
    let norms = [false, true]
        .into_iter()
        .flat_map(|silu| [forward::<1>(silu), forward::<4>(silu), backward::<1>(silu), backward::<4>(silu)]);
    let convolutions = [
        unfolded::<f32, 1>(2),
        unfolded::<half::bf16, 8>(1),
        regrouped::<f32, 1>(),
        regrouped::<half::bf16, 4>(),
        joined::<1>(),
        joined::<4>(),
        taken_apart::<1>(),
        taken_apart::<4>(),
        last::<f32, 1>(1),
        last::<half::bf16, 2>(9),
        first(false, Added::Nothing),
        first(true, Added::Shift),
        first(true, Added::Residual),
        parts::<1>(false),
        parts::<4>(true),
        maps::<1>(),
        maps::<4>(),
        step::<1>(),
        step::<4>(),
    ];
    let sources: Vec<String> =
        norms.chain([sum_images(), squares::<1>(), squares::<4>()]).chain(convolutions).collect();
    for source in &sources {
        assert!(source.contains("extern \"C\" __global__ void"), "{source}");
        assert!(!source.contains("atomic"), "sums have a fixed order: {source}");
        // CubeCL 0.10 writes a vector's negation as an operator that NVRTC refuses.
        let negated = source.lines().find(|line| line.contains("float_4 l_") && line.contains("= -"));
        assert_eq!(negated, None, "{source}");
    }
    assert!(sources[..11].iter().all(|source| source.contains("__syncthreads()")));
}

/// One load of 16 bytes takes four numbers.
#[test]
fn wide_kernels_read_four_numbers_at_once() {
    let wide =
        [forward::<4>(true), backward::<4>(true), step::<4>(), parts::<4>(true), maps::<4>(), joined::<4>()];
    for source in wide {
        assert!(source.contains("const float_4* __restrict__ buffer_0"), "{source}");
    }
}
