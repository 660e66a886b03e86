//! Numbers as people read them.

/// A number with so many digits behind the point, and no minus before a zero.
pub fn fixed(value: f64, decimals: usize) -> String {
    let text = format!("{value:.decimals$}");
    let is_zero = text.bytes().all(|byte| matches!(byte, b'-' | b'0' | b'.'));
    if is_zero { text.replace('-', "") } else { text }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_zero_has_no_minus() {
        let shown = [(-0.0004, 3), (-0.0006, 3), (-0.4, 0), (0.0, 2)].map(|(v, digits)| fixed(v, digits));
        assert_eq!(shown, ["0.000", "-0.001", "0", "0.00"]);
    }
}
