//! Results do not depend on the number of threads.

use burn::tensor::Tensor;
use burn_autodiff::Autodiff;
use burn_flex::Flex;

use crate::{convolution::conv_pass, linear::affine_pass, norm::norm_pass};

#[test]
fn any_number_of_threads_gives_the_same_bytes() {
    let with_threads = |threads: usize| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| {
            let (y, [gx, gw], gb) = conv_pass::<Autodiff<Flex>>([13, 5, 7, 9, 3], 1, 1, true);
            // Enough channels to go through the transforms.
            let (wide, [wide_x, wide_w], wide_b) =
                conv_pass::<Autodiff<Flex>>([70, 20, 37, 9, 3], 1, 1, true);
            // And enough tiles for jobs with sums of their own.
            let (many, [many_x, many_w], many_b) =
                conv_pass::<Autodiff<Flex>>([18, 16, 17, 30, 3], 1, 1, true);
            let (z, [nx, nw], nb) = norm_pass::<Autodiff<Flex>>([13, 4, 4, 7], true, true);
            let linear = affine_pass::<Autodiff<Flex>>([70, 3, 40, 70], true);
            let bytes = |t: Tensor<Flex, 4>| t.into_data().to_vec::<f32>().unwrap();
            let flat = |t: Tensor<Flex, 1>| t.into_data().to_vec::<f32>().unwrap();
            let maps = [y, gx, gw, z, nx, nw, wide, wide_x, wide_w, many, many_x, many_w].map(bytes);
            (maps, [gb, nb, wide_b, many_b].map(flat), linear)
        })
    };
    let one = with_threads(1);
    assert_eq!(one, with_threads(2));
    assert_eq!(one, with_threads(3));
}
