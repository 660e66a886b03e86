//! Holm's step-down correction for several tests (Holm 1979, Scandinavian Journal of Statistics 6:65-70): the
//! probability of any false rejection is at most the level, however the tests depend on each other.

/// The adjusted p-values, in the order of the p-values: a test rejects at a level if its adjusted p-value is at most
/// the level.
pub fn holm(p_values: &[f64]) -> Vec<f64> {
    let mut order: Vec<usize> = (0..p_values.len()).collect();
    order.sort_by(|&a, &b| p_values[a].total_cmp(&p_values[b]));
    let mut adjusted = vec![1.0; p_values.len()];
    let mut largest = 0.0_f64;
    for (rank, &i) in order.iter().enumerate() {
        largest = largest.max(p_values[i] * (p_values.len() - rank) as f64);
        adjusted[i] = largest.min(1.0);
    }
    adjusted
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Sorted: 0.01 times 4, 0.02 times 3, 0.025 times 2 which is less than what stands before it, 0.9 times 1.
    #[test]
    fn a_hand_worked_case() {
        let found = holm(&[0.02, 0.9, 0.01, 0.025]);
        for (found, expected) in found.iter().zip([0.06, 0.9, 0.04, 0.06]) {
            assert!((found - expected).abs() < 1e-15, "{found} and {expected}");
        }
        assert_eq!(holm(&[]), [0.0; 0]);
        assert_eq!(holm(&[0.6, 0.7]), [1.0, 1.0]);
    }
}
