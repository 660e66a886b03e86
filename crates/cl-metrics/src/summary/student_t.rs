//! Student's t distribution (Student 1908; Abramowitz & Stegun 1964, section 26.7): the probability beyond a value, and
//! the value beyond which a probability lies.

use statrs::function::beta::{beta, checked_beta_reg};

/// P(|T| >= |t|) for `df` degrees of freedom; not a number where `t` is none, or `df` is not above 0 and finite.
pub fn two_sided_p(t: f64, df: f64) -> f64 {
    if !is_degrees(df) {
        return f64::NAN;
    }
    checked_beta_reg(df / 2.0, 0.5, df / (df + t * t)).unwrap_or(f64::NAN)
}

/// The t > 0 with P(|T| >= t) = `p` for `df` degrees of freedom; 0 for p >= 1, and not a number where `p` is none, or `df` is
/// not above 0 and finite.
///
/// Newton's method from 0: the probability is convex in t > 0, so that the steps never pass the solution.
pub fn two_sided_quantile(p: f64, df: f64) -> f64 {
    if p.is_nan() || !is_degrees(df) {
        return f64::NAN;
    }
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

fn is_degrees(df: f64) -> bool {
    df.is_finite() && df > 0.0
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

    /// No distribution has such degrees of freedom, and no value is further out than all.
    #[test]
    fn without_a_distribution_there_is_no_number() {
        for df in [0.0, -0.0, -1.0, f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
            assert!(two_sided_p(2.0, df).is_nan() && two_sided_quantile(0.05, df).is_nan(), "{df}");
        }
        assert!(two_sided_p(f64::NAN, 4.0).is_nan() && two_sided_quantile(f64::NAN, 4.0).is_nan());
        assert_eq!(two_sided_p(f64::INFINITY, 4.0), 0.0);
        assert_eq!(two_sided_quantile(1.5, 4.0), 0.0);
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
