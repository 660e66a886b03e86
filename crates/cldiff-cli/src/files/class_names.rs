//! Classes that a file calls by their numbers.

/// The numbers as names, up to the largest label. Labels are below `below`, and below what a set of images can tell apart:
/// a file may claim any label, and there is a name for each number before it.
///
/// # Errors
/// The largest label, if it is not below both.
pub(crate) fn class_names(labels: &[usize], below: usize) -> Result<Vec<String>, String> {
    let below = below.min(u16::MAX.into());
    let largest = labels.iter().copied().max().unwrap_or(0);
    if largest >= below {
        return Err(format!("label {largest}: expected 0 to {}", below.saturating_sub(1)));
    }
    Ok((0..=largest).map(|class| class.to_string()).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_label_that_no_class_has_is_refused_before_anything_is_named() {
        assert_eq!(class_names(&[1, 0, 2, 1], 3).unwrap(), ["0", "1", "2"]);
        assert_eq!(class_names(&[], 3).unwrap(), ["0"]);
        assert_eq!(class_names(&[0, 3, 1], 3).unwrap_err(), "label 3: expected 0 to 2");
        // Whatever a model or a caller claims.
        assert_eq!(class_names(&[65534], usize::MAX).unwrap().len(), 65535);
        assert_eq!(class_names(&[65535], usize::MAX).unwrap_err(), "label 65535: expected 0 to 65534");
        let claimed = class_names(&[4_000_000_000], 5_000_000_000).unwrap_err();
        assert_eq!(claimed, "label 4000000000: expected 0 to 65534");
        assert_eq!(
            class_names(&[usize::MAX], 10).unwrap_err(),
            format!("label {}: expected 0 to 9", usize::MAX)
        );
    }
}
