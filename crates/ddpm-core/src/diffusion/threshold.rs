//! The limits of a predicted x_0, before a sampler goes on from it.

use std::sync::Once;

use burn::tensor::{Tensor, TensorData};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{CoreError, Kernels};

/// How a predicted x_0 is kept in the range of images.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Threshold {
    /// Not at all.
    None,
    /// Clipped to [-1, 1] (diffusers' `clip_sample`).
    #[default]
    Clip,
    /// Clipped to `[-range, range]` (diffusers' `clip_sample_range`).
    ClipTo(f64),
    /// Dynamic thresholding (Saharia et al. 2022, Imagen, arXiv 2205.11487, section 2.3): clipped to [-s, s] and divided by
    /// s, where s is a quantile of each image's absolute values, and at least 1.
    Dynamic {
        /// The quantile.
        #[serde(default = "default_ratio")]
        ratio: f64,
        /// The largest s, which the paper does not have; absent: none. diffusers' `sample_max_value`, whose default of 1
        /// makes dynamic thresholding clipping.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        max: Option<f64>,
    },
}

fn default_ratio() -> f64 {
    0.995
}

impl Threshold {
    /// Checks the ranges, and warns, once, of a limit that leaves nothing but clipping.
    ///
    /// # Errors
    /// [`CoreError::Config`] for the first option out of range.
    pub fn check(self) -> Result<(), CoreError> {
        static TOLD: Once = Once::new();
        if let Self::ClipTo(range) = self
            && !(range.is_finite() && range > 0.0)
        {
            return Err(CoreError::config("clip_to", range, "expected a number above 0"));
        }
        let Self::Dynamic { ratio, max } = self else { return Ok(()) };
        if !(0.0..=1.0).contains(&ratio) {
            return Err(CoreError::config("dynamic.ratio", ratio, "expected a quantile, 0 to 1"));
        }
        if max.is_some_and(|max| max.is_nan() || max <= 0.0) {
            return Err(CoreError::config("dynamic.max", max.unwrap_or(0.0), "expected a number above 0"));
        }
        if let Some(warning) = self.warning() {
            TOLD.call_once(|| tracing::warn!("{warning}"));
        }
        Ok(())
    }

    /// The reason why options do not do what they are named for.
    pub fn warning(self) -> Option<String> {
        match self {
            Self::Dynamic { max: Some(max), .. } if max <= 1.0 => Some(format!(
                "dynamic thresholding with a `max` of {max} only clips at {max}, whatever its quantile: without \
                 `max` (diffusers' `sample_max_value`) it is Imagen's"
            )),
            _ => None,
        }
    }

    /// Applies it.
    ///
    /// # Shapes
    /// - `x_0` and output: `[n, c, h, w]`
    pub fn apply<B: Kernels>(self, x_0: Tensor<B, 4>) -> Tensor<B, 4> {
        match self {
            Self::None => x_0,
            Self::Clip => x_0.clamp(-1.0, 1.0),
            Self::ClipTo(range) => x_0.clamp(-range, range),
            Self::Dynamic { ratio, max } => dynamic(x_0, ratio, max),
        }
    }
}

/// The quantiles are found on the host: backends differ in how, and whether, they sort.
fn dynamic<B: Kernels>(x_0: Tensor<B, 4>, ratio: f64, max: Option<f64>) -> Tensor<B, 4> {
    let ([n, ..], device) = (x_0.dims(), x_0.device());
    let mut values: Vec<f32> = x_0.clone().abs().into_data().convert::<f32>().iter::<f32>().collect();
    let dimensions = values.len() / n.max(1);
    let limits: Vec<f32> = values
        .chunks_exact_mut(dimensions.max(1))
        .map(|image| quantile(image, ratio).max(1.0).min(max.unwrap_or(f64::INFINITY)) as f32)
        .collect();
    let limits = TensorData::new(limits, [n, 1, 1, 1]);
    let limits = Tensor::<B, 4>::from_data(limits, ddpm_kernels::floats_on::<B>(&device));
    let limits = limits.expand(x_0.dims());
    x_0.min_pair(limits.clone()).max_pair(limits.clone().neg()) / limits
}

/// The quantile with linear interpolation, as `torch.quantile` and NumPy compute it.
fn quantile(values: &mut [f32], ratio: f64) -> f64 {
    values.sort_by(f32::total_cmp);
    let position = ratio.clamp(0.0, 1.0) * (values.len() - 1) as f64;
    let (below, share) = (position.floor() as usize, position.fract());
    let above = (below + 1).min(values.len() - 1);
    f64::from(values[below]) * (1.0 - share) + f64::from(values[above]) * share
}

#[cfg(test)]
mod tests {
    use super::*;

    type B = burn_flex::Flex;

    fn applied(threshold: Threshold, values: [f32; 4]) -> Vec<f32> {
        let x_0 = Tensor::<B, 1>::from_floats(values, &Default::default()).reshape([1, 1, 2, 2]);
        threshold.apply(x_0).into_data().to_vec().unwrap()
    }

    #[test]
    fn the_default_is_the_published_rule_and_a_limit_of_1_is_clipping_and_warned_of() {
        let read = |text: &str| serde_json::from_str::<Threshold>(text).unwrap();
        let published = read(r#"{"dynamic": {"ratio": 1.0}}"#);
        assert_eq!(published, Threshold::Dynamic { ratio: 1.0, max: None });
        // The quantile is 4: divided by it, nothing is saturated but the largest value.
        assert_eq!(applied(published, [0.5, -1.0, 2.0, -4.0]), [0.125, -0.25, 0.5, -1.0]);
        // Below 1 nothing happens.
        assert_eq!(applied(published, [0.5, -0.25, 0.0, -0.5]), [0.5, -0.25, 0.0, -0.5]);
        let (clipping, clip) = (read(r#"{"dynamic": {"max": 1.0}}"#), Threshold::Clip);
        assert_eq!(applied(clipping, [0.5, -1.0, 2.0, -4.0]), applied(clip, [0.5, -1.0, 2.0, -4.0]));
        assert!(clipping.warning().unwrap().contains("only clips at 1"));
        assert!(published.warning().is_none() && clip.warning().is_none());
        assert!(read(r#"{"dynamic": {"max": 1.5}}"#).warning().is_none());
        // A limit that is not there is not written either.
        assert_eq!(serde_json::to_string(&published).unwrap(), r#"{"dynamic":{"ratio":1.0}}"#);
        assert!(clipping.check().is_ok() && published.check().is_ok());
    }

    #[test]
    fn clipping_to_a_range_is_written_and_read() {
        let values = [0.5, -1.0, 2.0, -4.0];
        for (range, clipped) in
            [(0.75, [0.5, -0.75, 0.75, -0.75]), (2.0, [0.5, -1.0, 2.0, -2.0]), (8.0, values)]
        {
            let threshold = Threshold::ClipTo(range);
            assert_eq!(applied(threshold, values), clipped);
            let text = serde_json::to_string(&threshold).unwrap();
            assert_eq!(text, format!("{{\"clip_to\":{range:?}}}"));
            assert_eq!(serde_json::from_str::<Threshold>(&text).unwrap(), threshold);
            assert!(threshold.check().is_ok());
        }
        for range in [0.0, -1.0, f64::NAN, f64::INFINITY] {
            assert!(Threshold::ClipTo(range).check().unwrap_err().to_string().contains("`clip_to`"));
        }
    }

    #[test]
    fn ranges_are_checked_by_name() {
        let told = |ratio, max| Threshold::Dynamic { ratio, max }.check().unwrap_err().to_string();
        assert!(told(1.5, None).contains("`dynamic.ratio` is 1.5"));
        assert!(told(f64::NAN, None).contains("dynamic.ratio"));
        assert!(told(0.9, Some(0.0)).contains("`dynamic.max` is 0.0"));
        assert!(told(0.9, Some(f64::NAN)).contains("dynamic.max"));
    }
}
