//! How the optimiser's kernels are launched: on several parameters at a time.

use burn::tensor::TensorMetadata;
use burn_cubecl::{CubeRuntime, tensor::CubeTensor};
use cubecl::prelude::*;

use super::{
    adamw::{adamw_step, sum_squares},
    launch::{addresses, contiguous, empty, most_units, sum_channels, vector_width},
};
use crate::AdamW;

/// Parameters of one step, at most: each is written out in the kernel.
const PARAMETERS: usize = 8;

/// Tensors whose squares are summed at once, at most.
const TENSORS: usize = 32;

/// Buffers that a launch has besides those of its tensors, at most.
const OTHER_BUFFERS: usize = 4;

/// A parameter's gradient, and value, moments and average.
pub struct Parameter<R: CubeRuntime> {
    pub adamw: AdamW,
    pub grad: CubeTensor<R>,
    pub state: [CubeTensor<R>; 4],
}

/// [`Kernels::adamw`](crate::Kernels::adamw) of many parameters: the states after it.
pub fn adamw<R: CubeRuntime>(
    scale: &CubeTensor<R>,
    parameters: Vec<Parameter<R>>,
) -> Vec<[CubeTensor<R>; 4]> {
    let parameters: Vec<_> = parameters
        .into_iter()
        .map(|Parameter { adamw, grad, state }| {
            // A tensor that has another owner is changed in a copy.
            let own = |tensor: CubeTensor<R>| if tensor.can_mut() { tensor } else { tensor.copy() };
            Parameter { adamw, grad: contiguous(grad), state: state.map(contiguous).map(own) }
        })
        .collect();
    let grads: Vec<_> = parameters.iter().map(|parameter| &parameter.grad).collect();
    let limit = at_once(&scale.client, PARAMETERS, 5);
    let alike = |a: usize, b: usize| parameters[a].adamw == parameters[b].adamw;
    for Launch { members, width, cubes, cube } in launches(&grads, limit, 4, alike) {
        let mut arrays = [(); 5].map(|()| SequenceArg::new());
        for &member in &members {
            let Parameter { grad, state: [value, first, second, average], .. } = &parameters[member];
            for (arrays, tensor) in arrays.iter_mut().zip([grad, value, first, second, average]) {
                arrays.push(tensor.clone().into_array_arg());
            }
        }
        let [grads, values, firsts, seconds, averages] = arrays;
        let adamw = parameters[members[0]].adamw;
        let (rate, root, epsilon, keep, weight) = adamw.factors();
        adamw_step::launch::<R>(
            &scale.client,
            cubes,
            cube,
            addresses(&[&parameters[members[0]].grad]),
            width,
            grads,
            scale.clone().into_array_arg(),
            values,
            firsts,
            seconds,
            averages,
            adamw.beta_1,
            adamw.beta_2,
            rate,
            root,
            epsilon,
            keep,
            weight,
        );
    }
    parameters.into_iter().map(|parameter| parameter.state).collect()
}

/// The sum of the squares of all numbers of all tensors, `[1]`; none of no tensors.
pub fn sum_of_squares<R: CubeRuntime>(tensors: Vec<CubeTensor<R>>) -> Option<CubeTensor<R>> {
    let tensors: Vec<_> = tensors.into_iter().map(contiguous).collect();
    let client = &tensors.first()?.client;
    let all: Vec<_> = tensors.iter().collect();
    let launches = launches(&all, at_once(client, TENSORS, 1), 16, |_, _| true);
    let counts = launches.iter().map(Launch::count);
    let sums = empty(&tensors[0], [1, 1, counts.sum()].into());
    let mut first = 0;
    for launch in launches {
        let count = launch.count();
        let mut arrays = SequenceArg::new();
        for &member in &launch.members {
            arrays.push(tensors[member].clone().into_array_arg());
        }
        sum_squares::launch::<R>(
            client,
            launch.cubes,
            launch.cube,
            addresses(&[all[launch.members[0]], &sums]),
            launch.width,
            arrays,
            sums.clone().into_array_arg(),
            first,
            launch.cube.x as usize,
        );
        first += count;
    }
    Some(sum_channels(sums))
}

/// How many tensors of so many buffers a launch takes, no more than `most`.
fn at_once<R: CubeRuntime>(client: &ComputeClient<R>, most: usize, buffers: usize) -> usize {
    let bindings = client.properties().hardware.max_bindings as usize;
    (bindings.saturating_sub(OTHER_BUFFERS) / buffers).clamp(1, most)
}

/// One launch on several tensors.
struct Launch {
    /// The indices of the members; the first is the largest.
    members: Vec<usize>,
    /// Numbers that a unit reads at once.
    width: usize,
    cubes: CubeCount,
    cube: CubeDim,
}

impl Launch {
    /// Its cubes.
    fn count(&self) -> usize {
        match self.cubes {
            CubeCount::Static(x, y, z) => x as usize * y as usize * z as usize,
            CubeCount::Dynamic(_) => unreachable!("the host knows them"),
        }
    }
}

/// Puts tensors together that are read with the same width, are `alike` and have similar sizes; each unit has about `vectors`
/// vectors of the largest tensor.
fn launches<R: CubeRuntime>(
    tensors: &[&CubeTensor<R>],
    limit: usize,
    vectors: usize,
    alike: impl Fn(usize, usize) -> bool,
) -> Vec<Launch> {
    let count = |index: usize| tensors[index].shape().num_elements();
    let widths: Vec<_> = (0..tensors.len()).map(|i| vector_width(tensors[i], count(i))).collect();
    let mut order: Vec<_> = (0..tensors.len()).collect();
    order.sort_by_key(|&i| (widths[i], std::cmp::Reverse(count(i))));
    let mut groups: Vec<Vec<usize>> = Vec::new();
    for index in order {
        match groups.last_mut() {
            Some(group)
                if group.len() < limit && widths[group[0]] == widths[index] && alike(group[0], index) =>
            {
                group.push(index);
            }
            _ => groups.push(vec![index]),
        }
    }
    let launch = |members: Vec<usize>| {
        let (width, units) = (widths[members[0]], most_units(&tensors[0].client));
        let cubes = count(members[0]).div_ceil(width * vectors * units as usize);
        let cubes = CubeCount::Static(cubes.clamp(1, 1 << 10) as u32, members.len() as u32, 1);
        Launch { members, width, cubes, cube: CubeDim::new_1d(units) }
    };
    groups.into_iter().map(launch).collect()
}
