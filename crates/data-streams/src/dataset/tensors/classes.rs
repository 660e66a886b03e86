//! Classes from labels: named by the labels that occur, in their order, or as the options say.

use std::collections::BTreeSet;

use crate::{DataError, arrays::Labels, listed};

/// The classes of a data set, and which label each has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Classes {
    /// The names.
    pub names: Vec<String>,
    /// The label of each class, in their order; none where a label is the number of its class.
    labels: Option<Vec<i128>>,
}

impl Classes {
    /// The classes of all splits of a data set; `given` are their names, if any are.
    pub(super) fn of(splits: &[&Labels], given: &[String]) -> Self {
        let all = splits.iter().flat_map(|labels| labels.values.iter().copied());
        let mut occurring: BTreeSet<i128> = all.filter(|label| *label >= 0).collect();
        // Rows with a single 1 count their classes, whether all occur or not.
        let counted = splits.iter().filter_map(|labels| labels.classes).max().unwrap_or(0);
        occurring.extend(0..counted as i128);
        let are_numbers = occurring.iter().zip(0..).all(|(label, class)| *label == class);
        let labels: Vec<i128> = occurring.into_iter().collect();
        let fit = labels.last().is_none_or(|last| *last < given.len() as i128);
        if !given.is_empty() {
            let by_order = !fit && labels.len() == given.len();
            return Self { names: given.to_vec(), labels: by_order.then_some(labels) };
        }
        if labels.is_empty() {
            return Self { names: vec!["0".into()], labels: None };
        }
        let names = labels.iter().map(i128::to_string).collect();
        Self { names, labels: (!are_numbers).then_some(labels) }
    }

    /// The classes of some labels.
    pub(super) fn classes(&self, labels: &[i128]) -> Result<Vec<usize>, String> {
        let classes = self.names.len();
        let class = |(i, label): (usize, &i128)| {
            let class = match &self.labels {
                Some(labels) => labels.binary_search(label).ok(),
                None => usize::try_from(*label).ok().filter(|label| *label < classes),
            };
            class.ok_or_else(|| {
                format!("label {label} of image {i} is out of range: there are {classes} classes, from 0")
            })
        };
        labels.iter().enumerate().map(class).collect()
    }

    /// Warns where labels are not the numbers of their classes.
    pub(super) fn warn(&self, name: &str) {
        if let Some(mapped) = self.mapped() {
            tracing::warn!("{name}: {mapped}");
        }
    }

    /// How labels are mapped, where they are not the numbers of their classes.
    pub(super) fn mapped(&self) -> Option<String> {
        let labels = self.labels.as_ref()?;
        let shown: Vec<String> =
            labels.iter().zip(&self.names).map(|(label, name)| format!("{label}: {name}")).collect();
        let by_label = labels.iter().zip(&self.names).all(|(label, name)| label.to_string() == *name);
        let shown = if by_label { &self.names } else { &shown };
        Some(format!(
            "the labels are not 0 to {}: the {} that occur are the classes, in their order ({})",
            labels.len() - 1,
            labels.len(),
            listed(shown.iter().map(String::as_str))
        ))
    }
}

/// Refuses more classes than a data set can have.
pub(super) fn check_count(classes: &Classes, name: &str) -> Result<(), DataError> {
    let count = classes.names.len();
    if count > usize::from(u16::MAX) {
        let problem =
            format!("{count} labels that differ are too many to be classes: expected at most {}", u16::MAX);
        return Err(DataError::Inconsistent { name: name.into(), problem });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(values: &[i128]) -> Labels {
        Labels { values: values.to_vec(), classes: None }
    }

    fn of(splits: &[&[i128]], given: &[&str]) -> Classes {
        let splits: Vec<Labels> = splits.iter().map(|values| labels(values)).collect();
        let given: Vec<String> = given.iter().map(|&name| name.to_owned()).collect();
        Classes::of(&splits.iter().collect::<Vec<_>>(), &given)
    }

    #[test]
    fn labels_that_count_from_0_are_the_classes_themselves() {
        let plain = of(&[&[0, 2, 1, 1], &[1, 0]], &[]);
        assert_eq!(
            (plain.names.clone(), plain.mapped()),
            (["0", "1", "2"].map(str::to_owned).to_vec(), None)
        );
        assert_eq!(plain.classes(&[2, 0]), Ok(vec![2, 0]));
        // Class 2 occurs in neither split, and rows of four numbers say that it is one.
        let rows = Labels { values: vec![0, 3, 1], classes: Some(4) };
        assert_eq!(Classes::of(&[&rows], &[]).names.len(), 4);
    }

    #[test]
    fn labels_from_5_and_with_gaps_are_mapped_by_name() {
        let years = of(&[&[1999, 2004, 1999], &[2001]], &[]);
        assert_eq!(years.names, ["1999", "2001", "2004"]);
        assert_eq!(years.classes(&[2004, 1999, 2001]), Ok(vec![2, 0, 1]));
        assert_eq!(
            years.mapped().unwrap(),
            "the labels are not 0 to 2: the 3 that occur are the classes, in their order (\"1999\", \"2001\", \"2004\")"
        );
        let gap = of(&[&[0, 1, 3]], &[]);
        assert_eq!((gap.classes(&[3, 0]), gap.names.len()), (Ok(vec![2, 0]), 3));
        assert!(gap.classes(&[2]).unwrap_err().contains("label 2 of image 0"));
        assert!(of(&[&[4, -1]], &[]).classes(&[4, -1]).unwrap_err().contains("label -1 of image 1"));
    }

    #[test]
    fn given_names_are_of_numbers_or_else_of_the_labels_in_their_order() {
        let plain = of(&[&[0, 2]], &["a", "b", "c"]);
        assert_eq!((plain.classes(&[2]), plain.mapped()), (Ok(vec![2]), None));
        let from_7 = of(&[&[9, 7, 8]], &["a", "b", "c"]);
        assert_eq!(from_7.classes(&[7, 9]), Ok(vec![0, 2]));
        assert!(from_7.mapped().unwrap().ends_with("(\"7: a\", \"8: b\", \"9: c\")"));
        // Two labels and three names: nothing says which.
        let unclear = of(&[&[7, 9]], &["a", "b", "c"]);
        assert!(
            unclear.classes(&[7]).unwrap_err().contains("label 7 of image 0 is out of range: there are 3")
        );
    }
}
