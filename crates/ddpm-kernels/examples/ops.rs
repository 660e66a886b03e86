use ddpm_kernels::cpu::{
    InstructionSet,
    conv::{self, Addends, Conv},
};
use std::time::Instant;
fn med(mut f: impl FnMut()) -> f64 {
    f();
    let mut t: Vec<f64> = (0..7)
        .map(|_| {
            let s = Instant::now();
            f();
            s.elapsed().as_secs_f64()
        })
        .collect();
    t.sort_by(f64::total_cmp);
    t[1]
}
fn main() {
    let set = match std::env::args().nth(1).as_deref() {
        Some("avx2") => InstructionSet::Avx2,
        Some("portable") => InstructionSet::Portable,
        _ => InstructionSet::best(),
    };
    for (n, ci, co, h, k, s) in [
        (64, 32, 32, 28, 3, 1),
        (64, 64, 64, 28, 3, 1),
        (64, 64, 64, 14, 3, 1),
        (64, 128, 64, 7, 3, 1),
        (64, 64, 64, 7, 3, 1),
        (64, 32, 32, 28, 3, 2),
        (64, 96, 32, 28, 3, 1),
        (64, 1, 32, 28, 3, 1),
        (64, 32, 1, 28, 3, 1),
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
    ] {
        let c = Conv {
            images: n,
            c_in: ci,
            c_out: co,
            height: h,
            width: h,
            kernel: k,
            stride: s,
            padding: k / 2,
        };
        let x = vec![0.5f32; n * ci * h * h];
        let w = vec![0.1f32; ci * co * k * k];
        let g = vec![0.3f32; n * co * c.out_height() * c.out_width()];
        let fl = 2.0 * (n * ci * co * k * k * c.out_height() * c.out_width()) as f64 / 1e9;
        let f = med(|| {
            std::hint::black_box(conv::forward(set, &c, &x, &w, Addends::default()));
        });
        let dx = med(|| {
            std::hint::black_box(conv::grad_x(set, &c, &w, &g));
        });
        let dw = med(|| {
            std::hint::black_box(conv::grad_weight(set, &c, &x, &g));
        });
        println!(
            "{n:3} x {ci:3}->{co:3} {h:2} k{k} s{s}: fwd {:7.2} ms {:4.0} | dx {:7.2} ms {:4.0} | dw {:7.2} ms {:4.0} GFLOP/s",
            f * 1e3,
            fl / f,
            dx * 1e3,
            fl / dx,
            dw * 1e3,
            fl / dw
        );
    }
}
