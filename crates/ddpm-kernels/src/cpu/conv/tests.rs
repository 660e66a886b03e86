//! Every instruction set against sums written as the definition has them.

use super::*;
use crate::cpu::test_values::{assert_close, values};

/// Output, and the gradients of input, weight and bias, by their definition in f64.
fn defined(conv: &Conv, x: &[f32], weight: &[f32], grad: &[f32]) -> [Vec<f64>; 4] {
    let (oh, ow, k) = (conv.out_height(), conv.out_width(), conv.kernel);
    let mut y = vec![0.0; grad.len()];
    let (mut gx, mut gw, mut gb) = (vec![0.0; x.len()], vec![0.0; weight.len()], vec![0.0; conv.c_out]);
    for n in 0..conv.images {
        for (o, gb) in gb.iter_mut().enumerate() {
            for (i, j) in (0..oh).flat_map(|i| (0..ow).map(move |j| (i, j))) {
                let out = ((n * conv.c_out + o) * oh + i) * ow + j;
                *gb += f64::from(grad[out]);
                for c in 0..conv.c_in {
                    for tap in 0..k * k {
                        let (row, column) = (i * conv.stride + tap / k, j * conv.stride + tap % k);
                        let inside =
                            |at: usize, size: usize| at.checked_sub(conv.padding).filter(|at| *at < size);
                        let (Some(row), Some(column)) =
                            (inside(row, conv.height), inside(column, conv.width))
                        else {
                            continue;
                        };
                        let at = ((n * conv.c_in + c) * conv.height + row) * conv.width + column;
                        let w = (o * conv.c_in + c) * k * k + tap;
                        y[out] += f64::from(x[at]) * f64::from(weight[w]);
                        gx[at] += f64::from(grad[out]) * f64::from(weight[w]);
                        gw[w] += f64::from(grad[out]) * f64::from(x[at]);
                    }
                }
            }
        }
    }
    [y, gx, gw, gb]
}

fn one<'a>(conv: &Conv, x: &'a [f32]) -> Channels<'a> {
    Channels::one(x, conv.c_in, conv.height * conv.width)
}

/// A convolution of `x` as it is, to which nothing is added.
fn plain<'a>(conv: &Conv, x: &'a [f32], weight: &'a [f32]) -> Inputs<'a> {
    Inputs { x: one(conv, x), activation: None, weight, add: Addends::default() }
}

fn check(conv: &Conv) {
    let x = values(conv.input().iter().product(), 1);
    let (weight, grad) = (values(conv.weights(), 2), values(conv.images * conv.output(), 3));
    let [y, gx, gw, gb] = defined(conv, &x, &weight, &grad);
    for set in InstructionSet::available() {
        let what = |of: &str| format!("{of} by {set:?}, {conv:?}");
        assert_close(&forward(set, conv, plain(conv, &x, &weight)), &y, &what("output"));
        let of_x = InputGradient { weight: &weight, grad: &grad, channels: 0..conv.c_in };
        assert_close(&grad_x(set, conv, of_x), &gx, &what("gradient of x"));
        let of_weight = WeightGradient { x: one(conv, &x), activation: None, grad: &grad };
        let (weight_grad, bias_grad) = grad_weight(set, conv, of_weight);
        assert_close(&weight_grad, &gw, &what("gradient of the weight"));
        assert_close(&bias_grad, &gb, &what("gradient of the bias"));
    }
}

#[test]
fn all_instruction_sets_agree_with_the_definition() {
    // Channels below, at and above one and two vectors; sizes of one tile, of many, and of one pixel.
    let channels: &[(usize, usize)] = if cfg!(miri) {
        &[(3, 9)]
    } else {
        &[(1, 1), (4, 2), (3, 33), (2, 4), (9, 16), (17, 40), (32, 3), (64, 70)]
    };
    let sizes: &[(usize, usize)] = if cfg!(miri) {
        &[(3, 5)]
    } else {
        &[(1, 1), (2, 3), (3, 2), (4, 4), (7, 7), (5, 8), (13, 14), (6, 29), (8, 32)]
    };
    for &(c_in, c_out) in channels {
        for &(height, width) in sizes {
            for (kernel, stride, padding) in [
                (3, 1, 1),
                (3, 2, 1),
                (3, 2, 0),
                (3, 1, 0),
                (1, 1, 0),
                (1, 2, 0),
                (1, 1, 1),
                (2, 3, 1),
                (5, 1, 2),
            ] {
                if height + 2 * padding >= kernel && width + 2 * padding >= kernel {
                    let images = if cfg!(miri) || height * width > 60 { 2 } else { 5 };
                    check(&Conv { images, c_in, c_out, height, width, kernel, stride, padding });
                }
            }
        }
    }
}

/// So many tiles that jobs have sums of their own, in parts of one and of two images.
#[test]
#[cfg_attr(miri, ignore = "takes hours")]
fn sums_of_many_tiles_agree_with_the_definition() {
    check(&Conv { images: 18, c_in: 17, c_out: 19, height: 30, width: 31, kernel: 3, stride: 1, padding: 1 });
}

#[test]
fn bias_shift_and_residual_are_added() {
    // With lanes that are channels, and with lanes that are pixels.
    for c_out in [21, 3] {
        let conv = Conv { images: 3, c_in: 2, c_out, height: 5, width: 6, kernel: 3, stride: 1, padding: 1 };
        let (x, weight) = (values(conv.input().iter().product(), 1), values(conv.weights(), 2));
        let (bias, shift) = (values(conv.c_out, 3), values(conv.images * conv.c_out, 4));
        let residual = values(conv.images * conv.output(), 5);
        let add = Addends { bias: Some(&bias), shift: Some(&shift), residual: Some(&residual) };
        let inputs = plain(&conv, &x, &weight);
        let plain = forward(InstructionSet::Portable, &conv, inputs);
        let expected: Vec<f64> = (0..plain.len())
            .map(|i| {
                let channel = i / conv.pixels();
                f64::from(plain[i])
                    + f64::from(bias[channel % conv.c_out])
                    + f64::from(shift[channel])
                    + f64::from(residual[i])
            })
            .collect();
        for set in InstructionSet::available() {
            assert_close(&forward(set, &conv, Inputs { add, ..inputs }), &expected, &format!("{set:?}"));
        }
    }
}

#[test]
fn an_activated_input_is_that_of_an_activated_tensor() {
    // The first through the transforms, the others as sums. Under Miri, which is slow, the smallest with tiles cut off.
    let (channels, (images, height, width)) = if cfg!(miri) {
        ([(16, 17, 3), (17, 3, 3), (2, 17, 5)], (1, 3, 8))
    } else {
        ([(21, 35, 3), (21, 3, 3), (3, 20, 5)], (2, 9, 10))
    };
    for (c_in, c_out, kernel) in channels {
        let conv = Conv { images, c_in, c_out, height, width, kernel, stride: 1, padding: kernel / 2 };
        let x = values(conv.input().iter().product(), 1);
        let (weight, grad) = (values(conv.weights(), 2), values(conv.images * conv.output(), 3));
        let (scale, shift) = (values(conv.images * c_in, 4), values(conv.images * c_in, 5));
        for silu in [false, true] {
            let activation = Some(Activation { scale: &scale, shift: &shift, silu });
            let activated: Vec<f32> = x
                .chunks_exact(conv.height * conv.width)
                .zip(scale.iter().zip(&shift))
                .flat_map(|(plane, (scale, shift))| plane.iter().map(move |v| v * scale + shift))
                .map(|z| if silu { z / (1.0 + (-z).exp()) } else { z })
                .collect();
            for set in InstructionSet::available() {
                let f64s = |values: Vec<f32>| values.into_iter().map(f64::from).collect::<Vec<_>>();
                let expected = f64s(forward(set, &conv, plain(&conv, &activated, &weight)));
                let found = forward(set, &conv, Inputs { activation, ..plain(&conv, &x, &weight) });
                assert_close(&found, &expected, &format!("output by {set:?}, {conv:?}"));
                let of_activated =
                    WeightGradient { x: one(&conv, &activated), activation: None, grad: &grad };
                let expected = f64s(grad_weight(set, &conv, of_activated).0);
                let of_x = WeightGradient { x: one(&conv, &x), activation, grad: &grad };
                let found = grad_weight(set, &conv, of_x).0;
                assert_close(&found, &expected, &format!("gradient by {set:?}, {conv:?}"));
            }
        }
    }
}
