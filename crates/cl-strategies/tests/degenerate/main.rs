//! Degenerate equalities: a strategy whose effect is switched off trains exactly as finetuning does, step for step, on
//! both CPU backends.

#[path = "../common/mod.rs"]
mod common;

mod adapters;

mod flex {
    type Inner = burn_flex::Flex;

    include!("equalities.rs");
}

mod ndarray {
    type Inner = burn_ndarray::NdArray<f32>;

    include!("equalities.rs");
}
