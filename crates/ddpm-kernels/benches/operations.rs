//! Single operations of the CPU kernels at the sizes of the reference workloads: `cargo xtask bench --operations`.
//!
//! Of convolutions, an item is a floating-point operation of the sum as defined (two for a product that is added), so
//! that `Gitem/s` are GFLOP/s; Winograd's transforms need fewer, and may show more than the machine has. Of everything
//! else, an item is a number of the input.

use ddpm_kernels::{
    AdamW, Norm,
    cpu::{
        Channels, InstructionSet, adamw,
        attention::{self, Heads},
        conv::{self, Addends, Conv, InputGradient, WeightGradient},
        group_norm,
    },
};
use divan::{Bencher, counter::ItemsCount};

fn main() {
    divan::main();
}

/// images, c_in, c_out, size, kernel, stride
type Sizes = (usize, usize, usize, usize, usize, usize);

const CONVOLUTIONS: &[Sizes] = &[
    (64, 32, 32, 28, 3, 1),
    (64, 64, 64, 28, 3, 1),
    (64, 96, 32, 28, 3, 1),
    (64, 64, 64, 14, 3, 1),
    (64, 128, 64, 7, 3, 1),
    (64, 1, 32, 28, 3, 1),
    (64, 32, 1, 28, 3, 1),
    (64, 32, 32, 28, 3, 2),
    (64, 64, 64, 32, 3, 1),
    (64, 128, 128, 16, 3, 1),
    (64, 256, 256, 8, 3, 1),
    (64, 512, 512, 4, 3, 1),
    (16, 128, 128, 32, 3, 1),
    (16, 256, 256, 16, 3, 1),
    (16, 256, 256, 8, 3, 1),
    (16, 256, 256, 4, 3, 1),
    (16, 256, 256, 32, 3, 2),
    (64, 128, 64, 28, 1, 1),
    (16, 512, 256, 16, 1, 1),
];

struct Convolution {
    conv: Conv,
    x: Vec<f32>,
    weight: Vec<f32>,
    grad: Vec<f32>,
}

impl Convolution {
    fn new((images, c_in, c_out, size, kernel, stride): Sizes) -> Self {
        let conv =
            Conv { images, c_in, c_out, height: size, width: size, kernel, stride, padding: kernel / 2 };
        let outputs = images * c_out * conv.out_height() * conv.out_width();
        Self {
            conv,
            x: vec![0.5; images * c_in * size * size],
            weight: vec![0.1; c_out * c_in * kernel * kernel],
            grad: vec![0.3; outputs],
        }
    }

    fn input(&self) -> Channels<'_> {
        Channels::one(&self.x, self.conv.c_in, self.conv.height * self.conv.width)
    }

    fn operations(&self) -> ItemsCount {
        ItemsCount::new(2 * self.grad.len() * self.conv.c_in * self.conv.kernel * self.conv.kernel)
    }
}

#[divan::bench(args = CONVOLUTIONS)]
fn convolution(bencher: Bencher<'_, '_>, sizes: Sizes) {
    let c = Convolution::new(sizes);
    let inputs = conv::Inputs { x: c.input(), activation: None, weight: &c.weight, add: Addends::default() };
    bencher.counter(c.operations()).bench(|| conv::forward(InstructionSet::best(), &c.conv, inputs));
}

#[divan::bench(args = CONVOLUTIONS)]
fn convolution_gradient_of_x(bencher: Bencher<'_, '_>, sizes: Sizes) {
    let c = Convolution::new(sizes);
    let gradient = || InputGradient { weight: &c.weight, grad: &c.grad, channels: 0..c.conv.c_in };
    bencher.counter(c.operations()).bench(|| conv::grad_x(InstructionSet::best(), &c.conv, gradient()));
}

#[divan::bench(args = CONVOLUTIONS)]
fn convolution_gradient_of_weight(bencher: Bencher<'_, '_>, sizes: Sizes) {
    let c = Convolution::new(sizes);
    let gradient = WeightGradient { x: c.input(), activation: None, grad: &c.grad };
    bencher.counter(c.operations()).bench(|| conv::grad_weight(InstructionSet::best(), &c.conv, gradient));
}

/// images, channels, pixels, groups
const NORMS: &[[usize; 4]] = &[[64, 32, 784, 8], [64, 64, 196, 8], [64, 128, 256, 32], [16, 128, 1024, 32]];

#[divan::bench(args = NORMS)]
fn group_norm_silu(bencher: Bencher<'_, '_>, [n, c, length, groups]: [usize; 4]) {
    let (x, weight, bias) = (vec![0.5; n * c * length], vec![1.0; c], vec![0.0; c]);
    let norm = Norm { groups, eps: 1e-5, silu: true };
    let count = ItemsCount::new(x.len());
    let x = Channels::one(&x, c, length);
    let inputs = group_norm::Inputs { dims: [n, c, length], x, weight: &weight, bias: &bias, norm };
    bencher.counter(count).bench(|| group_norm::forward(InstructionSet::best(), inputs));
}

#[divan::bench(args = NORMS)]
fn group_norm_silu_gradient(bencher: Bencher<'_, '_>, [n, c, length, groups]: [usize; 4]) {
    let (x, weight, bias) = (vec![0.5; n * c * length], vec![1.0; c], vec![0.0; c]);
    let grad = vec![0.3; x.len()];
    let norm = Norm { groups, eps: 1e-5, silu: true };
    let x = Channels::one(&x, c, length);
    let inputs = group_norm::Inputs { dims: [n, c, length], x, weight: &weight, bias: &bias, norm };
    let count = ItemsCount::new(grad.len());
    bencher.counter(count).bench(|| group_norm::backward(InstructionSet::best(), inputs, &grad));
}

/// heads of all images, width, length
const ATTENTIONS: &[(usize, usize, usize)] = &[(64 * 8, 8, 49), (64 * 64, 8, 16), (16, 256, 256)];

#[divan::bench(args = ATTENTIONS)]
fn dot_product_attention(bencher: Bencher<'_, '_>, (heads, width, length): (usize, usize, usize)) {
    let heads = Heads { heads, width, length };
    let q = vec![0.1; heads.heads * width * length];
    let inputs = attention::Inputs { q: &q, k: &q, v: &q, scale: 0.3 };
    bencher
        .counter(ItemsCount::new(q.len()))
        .bench(|| attention::forward(InstructionSet::best(), heads, inputs));
}

#[divan::bench(args = ATTENTIONS)]
fn dot_product_attention_gradient(bencher: Bencher<'_, '_>, (heads, width, length): (usize, usize, usize)) {
    let heads = Heads { heads, width, length };
    let q = vec![0.1; heads.heads * width * length];
    let inputs = attention::Inputs { q: &q, k: &q, v: &q, scale: 0.3 };
    bencher
        .counter(ItemsCount::new(q.len()))
        .bench(|| attention::backward(InstructionSet::best(), heads, inputs, &q));
}

#[divan::bench(args = [1 << 20, 1 << 24])]
fn adamw_and_average(bencher: Bencher<'_, '_>, parameters: usize) {
    let adamw = AdamW {
        learning_rate: 1e-4,
        beta_1: 0.9,
        beta_2: 0.999,
        epsilon: 1e-8,
        weight_decay: 0.0,
        step: 1,
        average_weight: 0.01,
    };
    let grad = vec![0.1; parameters];
    let mut arrays = [(); 4].map(|()| vec![0.1; parameters]);
    bencher.counter(ItemsCount::new(parameters)).bench_local(|| {
        let [value, moment_1, moment_2, average] = arrays.each_mut().map(|array| &mut array[..]);
        let state = adamw::State { value, moment_1, moment_2, average };
        adamw::step(InstructionSet::best(), adamw, 1.0, &grad, state);
    });
}
