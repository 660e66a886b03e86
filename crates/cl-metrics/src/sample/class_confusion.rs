//! The classes that samples were asked for against those that a classifier sees in them: which class took the place of a
//! lost one. Counts, so that each row says its N; a classifier that mistakes real images mistakes samples too, and the same
//! table of held-out images says how often.

/// Numbers of samples, `[requested][seen]`, of `classes` classes.
///
/// # Panics
/// If there are not as many requests as samples, or a class is not below `classes`.
pub fn class_confusion(requested: &[usize], seen: &[usize], classes: usize) -> Vec<Vec<usize>> {
    assert_eq!(requested.len(), seen.len(), "one request for each sample");
    let mut counts = vec![vec![0; classes]; classes];
    for (&requested, &seen) in requested.iter().zip(seen) {
        counts[requested][seen] += 1;
    }
    counts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_says_what_took_the_place_of_a_class() {
        let (requested, seen) = ([0, 0, 1, 1, 1, 3], [0, 2, 2, 2, 1, 3]);
        let expected = [[1, 0, 1, 0], [0, 1, 2, 0], [0, 0, 0, 0], [0, 0, 0, 1]];
        assert_eq!(class_confusion(&requested, &seen, 4), expected);
        assert_eq!(class_confusion(&[], &[], 1), [[0]]);
    }
}
