//! The part of the change of a loss that comes from timesteps with more signal than noise: the mean over the seeds of the change
//! at these by the mean of the whole change, each averaged over the old tasks.
//!
//! A mean of the ratios of single seeds would be made by the seed with the smallest change. The interval is Fieller's
//! (1954, Journal of the Royal Statistical Society B 16:175-185): the ratios r at which the t test does not tell the mean of
//! clear - r total from 0. There is no share where the seeds do not tell the whole change from 0.

use cl_metrics::summary::{BySeed, Interval, OverSeeds, over_seeds, two_sided_quantile};

use super::{
    number::fixed,
    rows::{Part, Rows},
    timesteps::over_tasks,
};

/// One less the level of the interval.
const ERROR: f64 = 0.05;

/// A ratio of means with its interval.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Ratio {
    /// The ratio.
    pub value: f64,
    /// The 95 % interval; none for one seed.
    pub interval: Option<Interval>,
}

/// The ratio of two means of as many values; none where the denominator is not told from 0.
pub fn ratio_of_means(a: &[f64], b: &[f64]) -> Option<Ratio> {
    let n = a.len() as f64;
    let mean = |values: &[f64]| values.iter().sum::<f64>() / n;
    let (mean_a, mean_b) = (mean(a), mean(b));
    let value = mean_a / mean_b;
    if a.len() < 2 {
        return Some(Ratio { value, interval: None }).filter(|ratio| ratio.value.is_finite());
    }
    // Variances and covariance of the means.
    let sum = |x: &[f64], of_x: f64, y: &[f64], of_y: f64| {
        x.iter().zip(y).map(|(x, y)| (x - of_x) * (y - of_y)).sum::<f64>() / (n - 1.0) / n
    };
    let (aa, ab, bb) = (sum(a, mean_a, a, mean_a), sum(a, mean_a, b, mean_b), sum(b, mean_b, b, mean_b));
    let t = two_sided_quantile(ERROR, n - 1.0);
    // (mean_a - r mean_b)^2 = t^2 (aa - 2 r ab + r^2 bb), a quadratic in r.
    let (p, q, s) = (mean_b.powi(2) - t * t * bb, mean_a * mean_b - t * t * ab, mean_a.powi(2) - t * t * aa);
    if p <= 0.0 {
        return None;
    }
    let root = (q * q - p * s).max(0.0).sqrt();
    Some(Ratio { value, interval: Some(Interval { low: (q - root) / p, high: (q + root) / p }) })
}

/// Change at clear timesteps, and whole change, by seed.
fn changes(rows: &Rows, label: &str, loss: &str) -> Result<[BySeed; 2], String> {
    let of = |name: &str| {
        let metric = format!("timestep_forgetting.{loss}.{name}");
        let last = rows.all_parts(&metric).map(|part| part.after_task).max();
        let last = last.ok_or_else(|| format!("there is no {metric}"))?;
        let parts: Vec<&Part> =
            rows.parts(label, &metric).iter().filter(|part| part.after_task == last).collect();
        over_tasks(&parts, &rows.seeds(label), last, label)
    };
    Ok([of("clear")?, of("total")?])
}

/// The share in percent with its interval, or that there is none.
///
/// # Errors
/// If a seed has no value.
pub fn text(rows: &Rows, label: &str, loss: &str, digits: usize) -> Result<String, String> {
    let [clear, total] = changes(rows, label, loss)?.map(|of| of.into_values().collect::<Vec<f64>>());
    let Some(ratio) = ratio_of_means(&clear, &total) else {
        return Ok("none: the seeds do not tell the change from 0".to_owned());
    };
    let percent = |value: f64| fixed(100.0 * value, digits);
    let interval = ratio.interval.map(|of| format!(" ({} to {})", percent(of.low), percent(of.high)));
    Ok(percent(ratio.value) + &interval.unwrap_or_default())
}

/// The whole change over the seeds.
///
/// # Errors
/// If a seed has no value.
pub fn change(rows: &Rows, label: &str, loss: &str) -> Result<OverSeeds, String> {
    let [_, total] = changes(rows, label, loss)?;
    over_seeds(total.into_values()).ok_or_else(|| format!("{label} has no seeds"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows(values: &[(f64, f64)]) -> Rows {
        let mut rows = Rows::default();
        for (seed, (clear, total)) in (0..).zip(values) {
            rows.add_value("a".into(), None, "m".into(), seed, Some(0.0));
            // Two old tasks, of which the mean is taken.
            for (name, value) in [("clear", clear), ("total", total)] {
                for (on_task, value) in [0.5 * value, 1.5 * value].into_iter().enumerate() {
                    let metric = format!("timestep_forgetting.vlb.{name}");
                    let part = Part { seed, after_task: 2, on_task, bin: None, value: Some(value) };
                    rows.push_part("a".into(), metric, part);
                }
            }
        }
        rows
    }

    /// The mean of the seeds' own ratios would be (0.5 + 0.5 + 9) / 3.
    #[test]
    fn the_share_is_a_ratio_of_means_and_a_small_change_of_one_seed_does_not_make_it() {
        let rows = rows(&[(1.0, 2.0), (1.5, 3.0), (0.9, 0.1)]);
        let found = ratio_of_means(&[1.0, 1.5, 0.9], &[20.0, 30.0, 21.0]).unwrap();
        assert!((found.value - 3.4 / 71.0).abs() < 1e-12);
        // Of 2, 3 and 0.1 the mean is not told from 0.
        assert_eq!(text(&rows, "a", "vlb", 0).unwrap(), "none: the seeds do not tell the change from 0");
        assert!((change(&rows, "a", "vlb").unwrap().mean - 1.7).abs() < 1e-12);
    }

    #[test]
    fn equal_ratios_have_no_width_and_one_seed_has_no_interval() {
        let found = text(&rows(&[(1.0, 4.0), (2.0, 8.0), (1.5, 6.0)]), "a", "vlb", 0).unwrap();
        assert_eq!(found, "25 (25 to 25)");
        assert_eq!(text(&rows(&[(1.0, 4.0)]), "a", "vlb", 1).unwrap(), "25.0");
        assert!(text(&Rows::default(), "a", "vlb", 1).is_err());
    }
}
