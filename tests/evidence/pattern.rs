//! Labels that hold numbers: `stored-{group}-{x}` reads 20 and 0.1 from `stored-20-0.1`.

const GROUP: &str = "{group}";
const X: &str = "{x}";

/// A pattern of labels with a group and an x.
#[derive(Debug, Clone, PartialEq)]
pub struct Pattern {
    /// The texts before, between and behind the two numbers.
    texts: [String; 3],
    group_is_first: bool,
}

impl Pattern {
    /// Reads a pattern.
    ///
    /// # Panics
    /// If it has not `{group}` and `{x}`, once each.
    pub fn of(pattern: &str) -> Self {
        let place = |name: &str| {
            assert_eq!(pattern.matches(name).count(), 1, "{pattern}: {name} is not there once");
            pattern.find(name).unwrap()
        };
        let group_is_first = place(GROUP) < place(X);
        let (first, second) = if group_is_first { (GROUP, X) } else { (X, GROUP) };
        let (before, rest) = pattern.split_once(first).unwrap();
        let (between, behind) = rest.split_once(second).unwrap();
        Self { texts: [before, between, behind].map(str::to_owned), group_is_first }
    }

    /// The group and the x of a label; none for a label of another form.
    pub fn read(&self, label: &str) -> Option<(f64, f64)> {
        let [before, between, behind] = &self.texts;
        let inner = label.strip_prefix(before.as_str())?.strip_suffix(behind.as_str())?;
        let (first, second) = inner.split_once(between.as_str())?;
        let (first, second) = (first.parse().ok()?, second.parse().ok()?);
        Some(if self.group_is_first { (first, second) } else { (second, first) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_read_from_labels_of_the_form() {
        let pattern = Pattern::of("stored-{group}-{x}");
        assert_eq!(pattern.read("stored-20-0.1"), Some((20.0, 0.1)));
        assert_eq!(pattern.read("finetune"), None);
        assert_eq!(pattern.read("stored-20-many"), None);
        assert_eq!(Pattern::of("x{x}of{group}!").read("x3of1e2!"), Some((100.0, 3.0)));
    }

    #[test]
    #[should_panic(expected = "{x} is not there once")]
    fn a_pattern_without_x_is_a_mistake() {
        Pattern::of("stored-{group}");
    }
}
