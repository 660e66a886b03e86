//! Feature maps in one tensor, or in two whose channels follow one another.

use burn::tensor::{Tensor, backend::Backend};

use crate::Kernels;

/// Feature maps that a convolution reads as one tensor: a skip connection need not be joined by a copy.
#[derive(Debug, Clone)]
pub enum Joined<B: Backend> {
    /// `[n, c, h, w]`
    One(Tensor<B, 4>),
    /// `[n, c_a, h, w]` and `[n, c_b, h, w]`: the channels of the second follow those of the first.
    Two([Tensor<B, 4>; 2]),
}

impl<B: Backend> Joined<B> {
    /// The shape of all channels together.
    ///
    /// # Panics
    /// If two tensors differ in anything but their channels.
    pub fn dims(&self) -> [usize; 4] {
        match self {
            Self::One(x) => x.dims(),
            Self::Two([a, b]) => {
                let ([n, c, h, w], of_b) = (a.dims(), b.dims());
                assert_eq!([n, h, w], [of_b[0], of_b[2], of_b[3]], "joined channels: shapes do not fit");
                [n, c + of_b[1], h, w]
            }
        }
    }

    /// The channels of each tensor; none of the second where there is one.
    pub fn counts(&self) -> [usize; 2] {
        match self {
            Self::One(x) => [x.dims()[1], 0],
            Self::Two(parts) => parts.each_ref().map(|part| part.dims()[1]),
        }
    }

    /// Where they are.
    pub fn device(&self) -> B::Device {
        match self {
            Self::One(x) | Self::Two([x, _]) => x.device(),
        }
    }

    /// How many tensors there are.
    pub fn parts(&self) -> usize {
        match self {
            Self::One(_) => 1,
            Self::Two(_) => 2,
        }
    }

    /// The tensors.
    pub fn into_parts(self) -> Vec<Tensor<B, 4>> {
        match self {
            Self::One(x) => vec![x],
            Self::Two(parts) => parts.into(),
        }
    }
}

impl<B: Kernels> Joined<B> {
    /// As a factor of a product: see [`Kernels::factor`].
    #[must_use]
    pub fn into_factor(self) -> Self {
        match self {
            Self::One(x) => Self::One(B::factor(x)),
            Self::Two(parts) => Self::Two(parts.map(B::factor)),
        }
    }

    /// One tensor, by a copy if there are two.
    pub fn into_tensor(self) -> Tensor<B, 4> {
        match self {
            Self::One(x) => x,
            Self::Two([a, b]) => B::concat_channels(a, b),
        }
    }

    /// Takes one tensor apart as [`counts`](Self::counts) has it: the gradient of [`into_tensor`](Self::into_tensor).
    pub fn split(x: Tensor<B, 4>, counts: [usize; 2]) -> Self {
        match counts {
            [_, 0] => Self::One(x),
            [first, _] => Self::Two(B::concat_channels_backward(x, first)),
        }
    }
}

impl<B: Backend> From<Tensor<B, 4>> for Joined<B> {
    fn from(x: Tensor<B, 4>) -> Self {
        Self::One(x)
    }
}
