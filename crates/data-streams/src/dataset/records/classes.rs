//! Classes from the labels of records: numbers with or without names, or names themselves.

use std::{collections::BTreeSet, fmt};

use crate::listed;

/// The label of a record. Numbers come before names.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::dataset) enum Label {
    /// The number of a class.
    Number(i64),
    /// The name of a class.
    Name(String),
}

impl fmt::Display for Label {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Number(number) => write!(f, "{number}"),
            Self::Name(name) => f.write_str(name),
        }
    }
}

/// The classes of a data set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Classes {
    /// Their names.
    pub names: Vec<String>,
    /// The label of each class, in their order; none where a number counts the names.
    labels: Option<Vec<Label>>,
}

impl Classes {
    /// The classes of all splits. Without names, the labels that occur are the classes, in their order.
    ///
    /// # Errors
    /// In words, for a record without a class, and for too many classes.
    pub(super) fn of(splits: &[&[Label]], names: Option<Vec<String>>) -> Result<Self, String> {
        if let Some(names) = names {
            return Ok(Self { names, labels: None });
        }
        let occurring: BTreeSet<&Label> = splits.iter().flat_map(|labels| labels.iter()).collect();
        if let Some(Label::Number(number @ ..0)) = occurring.first() {
            return Err(format!("a record has label {number}, which stands for no class"));
        }
        if occurring.len() > usize::from(u16::MAX) {
            let count = occurring.len();
            return Err(format!("{count} labels that differ are too many to be classes"));
        }
        let labels: Vec<Label> = occurring.into_iter().cloned().collect();
        let counts = labels.iter().zip(0..).all(|(label, i)| *label == Label::Number(i));
        let names: Vec<String> = labels.iter().map(Label::to_string).collect();
        if !counts && matches!(labels.first(), Some(Label::Number(_))) {
            let shown = listed(names.iter().map(String::as_str));
            tracing::warn!("the labels that occur are the classes, in their order: {shown}");
        }
        Ok(Self { names, labels: Some(labels) })
    }

    /// The classes of some labels.
    ///
    /// # Errors
    /// In words, for a label that no class has.
    pub(super) fn numbers(&self, labels: &[Label]) -> Result<Vec<usize>, String> {
        let number = |(i, label): (usize, &Label)| {
            let found = match (&self.labels, label) {
                (Some(known), label) => known.binary_search(label).ok(),
                (None, Label::Number(n)) => usize::try_from(*n).ok().filter(|n| *n < self.names.len()),
                (None, Label::Name(name)) => self.names.iter().position(|known| known == name),
            };
            let shown = || listed([label.to_string().as_str()]);
            found.ok_or_else(|| {
                let classes = self.names.len();
                format!("label {} of record {i} is none of the {classes} classes", shown())
            })
        };
        labels.iter().enumerate().map(number).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn numbers(values: &[i64]) -> Vec<Label> {
        values.iter().map(|n| Label::Number(*n)).collect()
    }

    fn texts(values: &[&str]) -> Vec<Label> {
        values.iter().map(|&name| Label::Name(name.into())).collect()
    }

    #[test]
    fn numbers_with_names_count_these() {
        let names = Some(vec!["cat".to_owned(), "dog".to_owned(), "owl".to_owned()]);
        let classes = Classes::of(&[&numbers(&[2, 0])], names).unwrap();
        assert_eq!(classes.numbers(&numbers(&[2, 0])), Ok(vec![2, 0]));
        assert_eq!(classes.numbers(&texts(&["dog"])), Ok(vec![1]));
        assert!(
            classes.numbers(&numbers(&[1, 3])).unwrap_err().contains("\"3\" of record 1 is none of the 3")
        );
        assert!(classes.numbers(&numbers(&[-1])).is_err());
    }

    #[test]
    fn without_names_the_labels_of_both_splits_are_the_classes() {
        let (train, eval) = (numbers(&[10, 2, 10]), numbers(&[2, 7]));
        let classes = Classes::of(&[&train, &eval], None).unwrap();
        assert_eq!(classes.names, ["2", "7", "10"]);
        assert_eq!(classes.numbers(&train), Ok(vec![2, 0, 2]));
        let (train, eval) = (texts(&["dog", "ant"]), texts(&["cat"]));
        let classes = Classes::of(&[&train, &eval], None).unwrap();
        assert_eq!((classes.names.join(" "), classes.numbers(&eval)), ("ant cat dog".into(), Ok(vec![1])));
        assert!(Classes::of(&[&numbers(&[3, -1])], None).unwrap_err().contains("label -1"));
    }
}
