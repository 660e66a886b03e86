//! No device of CI has TF32 or tensor cores: here the products that are kept from the one are compared with the usual ones,
//! and those of 16 bits with the usual ones of rounded factors.

use burn::tensor::{DType, FloatDType, backend::Backend};
use burn_wgpu::WgpuDevice;

use super::*;
use crate::defaults::sum_of_maps;

type B = crate::gpu::Wgpu;

fn device_found() -> bool {
    let found = std::panic::catch_unwind(|| B::sync(&WgpuDevice::default())).is_ok_and(|r| r.is_ok());
    if !found {
        println!("skipped: no Vulkan device found (libvulkan.so.1 and a driver for it)");
    }
    found
}

/// The precisions that the device has numbers for; TF32's are not rounded where there are no tensor cores.
fn precisions() -> Vec<Precision> {
    if !device_found() {
        return vec![];
    }
    let has = |dtype| B::supports_dtype(&WgpuDevice::default(), dtype);
    let all = [
        (Precision::F32, DType::F32),
        (Precision::Tf32, DType::F32),
        (Precision::Bf16, DType::BF16),
        (Precision::F16, DType::F16),
    ];
    all.into_iter().filter(|(_, dtype)| has(*dtype)).map(|(precision, _)| precision).collect()
}

fn values<const D: usize>(dims: [usize; D], seed: f32) -> Tensor<B, D> {
    let count = dims.iter().product::<usize>();
    let numbers: Vec<f32> = (0..count).map(|i| (i as f32 * 1.7 + seed).sin()).collect();
    Tensor::<B, 1>::from_floats(&numbers[..], &WgpuDevice::default()).reshape(dims)
}

fn rounded<const D: usize>(factor: Tensor<B, D>) -> Tensor<B, D> {
    B::factor(factor).cast(FloatDType::F32)
}

fn convolution(
    x: &Tensor<B, 4>,
    weight: &Tensor<B, 4>,
    bias: &Tensor<B, 1>,
    (stride, padding): (usize, usize),
) -> Convolve<B> {
    Convolve { x: x.clone().into(), weight: weight.clone(), bias: bias.clone(), stride, padding }
}

fn assert_close<const D: usize>(found: Tensor<B, D>, expected: Tensor<B, D>) {
    assert_eq!((found.dims(), found.dtype()), (expected.dims(), DType::F32));
    let scale = expected.clone().abs().max().into_scalar();
    let difference = (found - expected).abs().max().into_scalar();
    assert!(difference <= 1e-5 * scale, "{:?}: {difference} of {scale}", Precision::current());
}

#[test]
fn products_are_summed_in_f32() {
    for precision in precisions() {
        precision.within(|| {
            for (n, k, m) in [(1, 1, 1), (64, 96, 32), (3, 200, 17), (1, 300, 40)] {
                let (a, b) = (values([n, k], 0.1), values([k, m], 0.2));
                let expected = rounded(a.clone()).matmul(rounded(b.clone()));
                assert_close(summed::product(a.clone(), b.clone()), expected.clone());
                assert_close(summed::product_along(a, b), expected);
            }
            let (q, k) = (values([2, 3, 8, 20], 0.3), values([2, 3, 8, 20], 0.4));
            let turned = q.swap_dims(2, 3);
            let expected = rounded(turned.clone()).matmul(rounded(k.clone()));
            assert_close(summed::product(turned.clone(), k.clone()), expected.clone());
            assert_close(summed::product_along(turned, k), expected);
        });
    }
}

#[test]
fn rows_of_any_matrix_lie_one_after_another() {
    if device_found() {
        // More than a tile; batches; turned by its strides, in another way, and not.
        let x = values([2, 3, 40, 35], 0.1);
        for x in [x.clone(), x.clone().swap_dims(2, 3), x.clone().swap_dims(1, 3), x.swap_dims(0, 1)] {
            let found = gpu::rows_along(float(x.clone()), DType::F32);
            assert_eq!(found.meta.strides()[3], 1);
            assert_close(tensor(found), x);
        }
    }
}

#[test]
fn what_is_added_to_a_convolution_agrees() {
    for precision in precisions() {
        // More than a tile of channels and of positions.
        let (x, weight, bias) = (values([3, 5, 7, 9], 0.1), values([40, 5, 3, 3], 0.2), values([40], 0.3));
        let (shift, residual) = (values([3, 40], 0.4), values([3, 40, 7, 9], 0.5));
        for addend in [Addend::Nothing, Addend::Shift(shift), Addend::Residual(residual)] {
            let (y, [x, weight]) = precision.within(|| {
                let convolution = convolution(&x, &weight, &bias, (1, 1));
                let y = summed::convolve(convolution, addend.clone());
                (y, [&x, &weight].map(|factor| rounded(factor.clone())))
            });
            assert_close(y, plus(convolve(convolution(&x, &weight, &bias, (1, 1))), addend));
        }
    }
}

#[test]
fn sums_of_maps_agree() {
    if device_found() {
        for dims in [[1, 1, 1, 1], [3, 5, 7, 9], [2, 70, 8, 8], [5, 2, 40, 30]] {
            let x = values(dims, 0.1);
            let expected = x.clone().sum_dim(3).sum_dim(2).reshape([dims[0], dims[1]]);
            assert_close(B::sum_pixels(x.clone()), expected);
            // Of a tensor whose order is another than its memory's.
            let turned = x.swap_dims(2, 3);
            let expected = turned.clone().sum_dim(3).sum_dim(2).reshape([dims[0], dims[1]]);
            assert_close(B::sum_pixels(turned), expected);
        }
    }
}

#[test]
fn channels_are_joined_and_taken_apart() {
    if device_found() {
        for [n, c_a, c_b, h, w] in [[1, 1, 1, 1, 1], [3, 5, 7, 3, 3], [2, 8, 4, 4, 8], [70, 6, 1, 9, 10]] {
            let (a, b) = (values([n, c_a, h, w], 0.1), values([n, c_b, h, w], 0.2));
            let joined = B::concat_channels(a.clone(), b.clone());
            assert_close(joined.clone(), Tensor::cat(vec![a.clone(), b.clone()], 1));
            let [found_a, found_b] = B::concat_channels_backward(joined.clone(), c_a);
            assert_close(found_a, a);
            assert_close(found_b, b);
            // Of a tensor whose order is another than its memory's.
            let turned = joined.swap_dims(2, 3);
            let [found_a, _] = B::concat_channels_backward(turned.clone(), c_a);
            assert_close(found_a, turned.narrow(1, 0, c_a));
        }
    }
}

#[test]
fn convolutions_are_summed_in_f32() {
    for precision in precisions() {
        // 7 x 8 pixels: with a stride of 2, a row or a column is left over. The last has places of zeros alone.
        for (kernel, stride, padding) in [(3, 1, 1), (3, 2, 1), (3, 2, 0), (1, 1, 0), (1, 1, 1)] {
            let x = values([2, 5, 7, 8], 0.1);
            let (weight, bias) = (values([6, 5, kernel, kernel], 0.2), values([6], 0.3));
            let (y, grad, [x_rounded, weight_rounded, grad_rounded], grads) = precision.within(|| {
                let convolution = convolution(&x, &weight, &bias, (stride, padding));
                let y = summed::convolve(convolution, Addend::Nothing);
                let grad = values(y.dims(), 0.4);
                let factors = [&x, &weight, &grad].map(|factor| rounded(factor.clone()));
                let (x, of_y) = (x.into(), grad.clone());
                let backward = ConvolveBackward { x, weight, grad: of_y, stride, padding, with_x: true };
                (y, grad, factors, summed::convolve_backward(backward))
            });
            assert_close(y, convolve(convolution(&x_rounded, &weight_rounded, &bias, (stride, padding))));
            let (x_grad, weight_grad, bias_grad) = grads;
            let (x, weight, grad_of_y) = (x_rounded.into(), weight_rounded, grad_rounded);
            let backward = ConvolveBackward { x, weight, grad: grad_of_y, stride, padding, with_x: true };
            let (x_expected, weight_expected, _) = convolve_backward(backward);
            assert_close(x_grad.unwrap().into_tensor(), x_expected.unwrap().into_tensor());
            assert_close(weight_grad, weight_expected);
            assert_close(bias_grad, sum_of_maps(grad));
        }
    }
}
