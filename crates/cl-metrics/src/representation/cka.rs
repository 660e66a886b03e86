//! Linear centred kernel alignment, CKA (Kornblith et al. 2019, arXiv 1905.00414, section 3): how alike two networks
//! describe the same images, whatever rotation or scale separates their activations.
//!
//! CKA = HSIC(K, L) / sqrt(HSIC(K, K) HSIC(L, L)) with K = X X^T and L = Y Y^T. The paper's estimate of HSIC is biased:
//! with more features than images, as activations have, even unrelated networks come out alike. The debiased estimate
//! (Song et al. 2012, equation 5; Nguyen et al. 2021, arXiv 2010.15327, use it for CKA) does not; it may fall a little
//! below 0.

use burn::tensor::Tensor;
use ddpm_core::Kernels;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How activations are compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct CkaConfig {
    /// Images of each task's eval split.
    pub images: usize,
    /// Whether HSIC is estimated without bias, which needs 4 images; else as in Kornblith et al. 2019.
    pub debiased: bool,
}

impl Default for CkaConfig {
    fn default() -> Self {
        Self { images: 64, debiased: true }
    }
}

/// Scalar products of the activations of n images, centred: all that CKA needs of them.
#[derive(Debug, Clone, PartialEq)]
pub struct Gram {
    n: usize,
    values: Vec<f64>,
}

impl Gram {
    /// The products of every two images' activations, less their mean over images.
    ///
    /// # Shapes
    /// - `activations`: `[n, features]`
    pub fn of<B: Kernels>(activations: Tensor<B, 2>) -> Self {
        let [n, _] = activations.dims();
        let flat = activations;
        let centred = flat.clone() - flat.mean_dim(0);
        let products = B::product_in_f32(centred.clone(), centred.transpose());
        let values = products.into_data().convert::<f64>().iter::<f64>().collect();
        Self { n, values }
    }

    fn row(&self, i: usize) -> &[f64] {
        &self.values[i * self.n..(i + 1) * self.n]
    }
}

/// The CKA of two networks' activations of the same images; none for activations that do not vary, or fewer than 4
/// images where the estimate is debiased (else 2).
///
/// # Panics
/// If the two are of different numbers of images.
pub fn linear_cka(x: &Gram, y: &Gram, debiased: bool) -> Option<f64> {
    assert_eq!(x.n, y.n, "activations of different images");
    if x.n < if debiased { 4 } else { 2 } {
        return None;
    }
    let hsic = if debiased { hsic_unbiased } else { hsic };
    let scale = hsic(x, x) * hsic(y, y);
    (scale > 0.0).then(|| hsic(x, y) / scale.sqrt()).filter(|cka| cka.is_finite())
}

/// HSIC of centred products, but for a factor that cancels in CKA.
fn hsic(x: &Gram, y: &Gram) -> f64 {
    x.values.iter().zip(&y.values).map(|(a, b)| a * b).sum()
}

/// HSIC_1 of Song et al. 2012, but for the factor 1 / (n (n - 3)), from products without their diagonal.
fn hsic_unbiased(x: &Gram, y: &Gram) -> f64 {
    let n = x.n as f64;
    let off = |gram: &Gram, i: usize| gram.row(i).iter().sum::<f64>() - gram.row(i)[i];
    let (mut trace, mut crossed, mut sum_x, mut sum_y) = (0.0, 0.0, 0.0, 0.0);
    for i in 0..x.n {
        let products: f64 = x.row(i).iter().zip(y.row(i)).map(|(a, b)| a * b).sum();
        trace += products - x.row(i)[i] * y.row(i)[i];
        let (of_x, of_y) = (off(x, i), off(y, i));
        crossed += of_x * of_y;
        sum_x += of_x;
        sum_y += of_y;
    }
    trace + sum_x * sum_y / ((n - 1.0) * (n - 2.0)) - 2.0 / (n - 2.0) * crossed
}

#[cfg(test)]
mod tests {
    use burn::tensor::TensorData;
    use burn_flex::Flex;
    use ddpm_core::noise::{Key, NormalNoise, Purpose};

    use super::*;

    fn random(seed: u64, n: usize, features: usize) -> Tensor<Flex, 2> {
        let key = Key::new(seed, Purpose::named("cka"));
        key.normal::<Flex>(0, [n, features, 1, 1], &Default::default()).flatten(1, 3)
    }

    fn cka(x: &Tensor<Flex, 2>, y: &Tensor<Flex, 2>, debiased: bool) -> f64 {
        linear_cka(&Gram::of(x.clone()), &Gram::of(y.clone()), debiased).unwrap()
    }

    #[test]
    fn it_is_the_papers_formula() {
        // From NumPy: ||Y^T X||_F^2 / (||X^T X||_F ||Y^T Y||_F) of the columns less their means, and Song et al.'s estimate.
        let of = |values: Vec<f32>, columns: usize| {
            let n = values.len() / columns;
            Tensor::<Flex, 2>::from_data(TensorData::new(values, [n, columns]), &Default::default())
        };
        let x = of(vec![1.0, 2.0, 0.5, -1.0, 3.0, 0.0, -2.0, 1.5, 0.0, 0.5], 2);
        let y = of(vec![0.0, 1.0, 2.0, 1.0, -1.0, 0.5, 3.0, 1.0, 1.0, -2.0, 0.5, 0.0, 0.25, 1.0, -1.0], 3);
        assert!((cka(&x, &y, false) - 0.960_026_819_9).abs() < 1e-6, "{}", cka(&x, &y, false));
        assert!((cka(&x, &y, true) - 0.948_729_431).abs() < 1e-5, "{}", cka(&x, &y, true));
    }

    #[test]
    fn rotations_and_scales_do_not_matter_and_equal_is_1() {
        let x = random(0, 20, 6);
        // A rotation in the plane of the first two features, and all scaled and moved.
        let (sin, cos) = 0.7_f32.sin_cos();
        let (a, b) = (x.clone().narrow(1, 0, 1), x.clone().narrow(1, 1, 1));
        let turned = vec![a.clone() * cos - b.clone() * sin, a * sin + b * cos, x.clone().narrow(1, 2, 4)];
        let turned = Tensor::cat(turned, 1) * 3.5 + 2.0;
        for debiased in [false, true] {
            assert!((cka(&x, &x, debiased) - 1.0).abs() < 1e-9);
            assert!((cka(&x, &turned, debiased) - 1.0).abs() < 1e-5);
            // A linear map that is not a rotation does matter.
            let stretched = Tensor::cat(vec![x.clone().narrow(1, 0, 1) * 30.0, x.clone().narrow(1, 1, 5)], 1);
            assert!(cka(&x, &stretched, debiased) < 0.8);
        }
    }

    #[test]
    fn unrelated_activations_look_alike_only_to_the_biased_estimate() {
        let (x, y) = (random(1, 24, 2000), random(2, 24, 2000));
        assert!(cka(&x, &y, false) > 0.9);
        assert!(cka(&x, &y, true).abs() < 0.1);
    }

    #[test]
    fn what_does_not_vary_or_is_too_few_has_none() {
        let constant = Gram::of(Tensor::<Flex, 2>::ones([6, 12], &Default::default()));
        assert_eq!(linear_cka(&constant, &constant, false), None);
        let three = Gram::of(random(0, 3, 5));
        assert_eq!(linear_cka(&three, &three, true), None);
        assert!(linear_cka(&three, &three, false).is_some());
    }
}
