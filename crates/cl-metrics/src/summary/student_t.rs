//! Student's t distribution (Student 1908; Abramowitz & Stegun 1964, section 26.7): the probability beyond a value, and
//! the value beyond which a probability lies.

use statrs::function::beta::{beta, beta_reg};

/// P(|T| >= |t|) for `df` degrees of freedom.
pub fn two_sided_p(t: f64, df: f64) -> f64 {
    beta_reg(df / 2.0, 0.5, df / (df + t * t))
}

/// The t > 0 with P(|T| >= t) = `p` for `df` degrees of freedom; 0 for p >= 1.
///
/// Newton's method from 0: the probability is convex in t > 0, so that the steps never pass the solution.
pub fn two_sided_quantile(p: f64, df: f64) -> f64 {
    let mut t = 0.0;
    for _ in 0..200 {
        let step = (two_sided_p(t, df) - p) / (2.0 * density(t, df));
        if step <= 1e-14 * t || step.is_nan() {
            break;
        }
        t += step;
    }
    t
}

fn density(t: f64, df: f64) -> f64 {
    (1.0 + t * t / df).powf(-f64::midpoint(df, 1.0)) / (df.sqrt() * beta(df / 2.0, 0.5))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_probability_of_one_degree_of_freedom_is_that_of_a_cauchy_variable() {
        for t in [0.0, 0.5, 1.0, 12.706_204_736_174_7, 300.0_f64] {
            let expected = 1.0 - t.atan() * std::f64::consts::FRAC_2_PI;
            assert!((two_sided_p(-t, 1.0) - expected).abs() < 1e-13, "{t}");
        }
    }

    /// The values of printed tables, with more digits from mpmath.
    #[test]
    fn quantiles_are_those_of_the_tables() {
        for (df, expected) in [
            (1.0, 12.706_204_736_174_707),
            (2.0, 4.302_652_729_749_464),
            (4.0, 2.776_445_105_197_794_4),
            (9.0, 2.262_157_162_798_205_5),
            (100.0, 1.983_971_518_523_552_3),
        ] {
            let found = two_sided_quantile(0.05, df);
            assert!((found / expected - 1.0).abs() < 1e-10, "{df}: {found}");
        }
        assert_eq!(two_sided_quantile(1.0, 4.0), 0.0);
    }

    #[test]
    fn the_quantile_undoes_the_probability_far_out_too() {
        for p in [0.5, 1e-3, 1e-6, 1e-9] {
            for df in [1.0, 2.0, 4.0, 24.0] {
                let back = two_sided_p(two_sided_quantile(p, df), df);
                assert!((back / p - 1.0).abs() < 1e-9, "p = {p}, df = {df}: {back}");
            }
        }
    }
}
