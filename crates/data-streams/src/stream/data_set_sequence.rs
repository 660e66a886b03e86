//! One data set after another: an experience, or several class-incremental ones, for each part of a joined data set.
//!
//! ```toml
//! [stream.data_set_sequence]
//! experiences_per_set = 2
//! order = [1, 0]
//! ```

use cldiff_choices::Describe;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{ClassOrder, Experience, Stream, StreamBuilder, class_incremental::class_experiences};
use crate::{DataError, DatasetPair, Part};

/// The parts of a `several` data set one after another.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct DataSetSequence {
    /// Number of experiences that each data set is split into by its classes; it must divide the classes of each.
    pub experiences_per_set: usize,
    /// The order of the data sets, as they are numbered from 0: `[2, 0, 1]`; as listed, if empty.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub order: Vec<usize>,
    /// The order in which the classes of a data set come.
    pub class_order: ClassOrder,
}

impl Default for DataSetSequence {
    fn default() -> Self {
        Self { experiences_per_set: 1, order: Vec::new(), class_order: ClassOrder::Natural }
    }
}

impl DataSetSequence {
    fn order(&self, parts: usize) -> Result<Vec<usize>, DataError> {
        let all: Vec<usize> = (0..parts).collect();
        if self.order.is_empty() {
            return Ok(all);
        }
        let mut sorted = self.order.clone();
        sorted.sort_unstable();
        if sorted != all {
            let expected = format!("expected each of the {parts} data sets 0 to {} once", parts - 1);
            return Err(DataError::config("order", &self.order, expected));
        }
        Ok(self.order.clone())
    }

    fn experiences(
        &self,
        data: &DatasetPair,
        part: &Part,
        order: &[usize],
    ) -> Result<Vec<Experience>, DataError> {
        let classes: Vec<usize> =
            order.iter().copied().filter(|class| part.classes.contains(class)).collect();
        let (n, splits) = (classes.len(), self.experiences_per_set);
        if splits == 0 || n % splits != 0 {
            let expected = format!("it does not divide the {n} classes of {}", part.name);
            return Err(DataError::config("experiences_per_set", splits, expected));
        }
        let mut experiences = class_experiences(data, &classes, &vec![n / splits; splits]);
        for e in &mut experiences {
            e.name = if splits == 1 { part.name.clone() } else { format!("{}: {}", part.name, e.name) };
        }
        Ok(experiences)
    }
}

impl Describe for DataSetSequence {
    const NAME: &'static str = "data_set_sequence";
    const SUMMARY: &'static str = "One data set after another: the parts of a `several` data set";
}

impl StreamBuilder for DataSetSequence {
    fn build(&self, data: DatasetPair) -> Result<Stream, DataError> {
        let parts = data.train.parts();
        if parts.len() < 2 {
            return Err(DataError::OneDataSet { key: String::new(), name: data.train.name().into() });
        }
        let classes = self.class_order.of(data.train.class_names().len());
        let classes = classes.map_err(|e| e.at("class_order"))?;
        let mut experiences = Vec::new();
        for k in self.order(parts.len())? {
            experiences.extend(self.experiences(&data, &parts[k], &classes)?);
        }
        Stream::new(format!("{}, one after another", data.train.name()), data, experiences)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dataset::{
        glyphs::GlyphsConfig,
        several::{Reconcile, join},
    };

    fn data() -> DatasetPair {
        let part = |seed| {
            let config =
                GlyphsConfig { train_per_class: 3, eval_per_class: 2, size: 8.into(), seed, channels: 1 };
            config.build().unwrap()
        };
        join(&[part(0), part(1)], Reconcile::default()).unwrap()
    }

    #[test]
    fn every_data_set_is_an_experience() {
        let stream = DataSetSequence { order: vec![1, 0], ..Default::default() }.build(data()).unwrap();
        let names: Vec<&str> = stream.experiences().iter().map(|e| e.name.as_str()).collect();
        assert_eq!(names, ["glyphs-2", "glyphs"]);
        assert_eq!(stream.experiences()[0].classes, (10..20).collect::<Vec<_>>());
        assert_eq!(stream.experiences()[1].train.tasks(), [1; 30]);
        assert_eq!(stream.all_eval().len(), 40);
    }

    #[test]
    fn data_sets_are_split_by_class() {
        let split = DataSetSequence {
            experiences_per_set: 5,
            class_order: ClassOrder::Shuffled { seed: 1 },
            ..Default::default()
        };
        let stream = split.build(data()).unwrap();
        assert_eq!(stream.len(), 10);
        assert!(stream.experiences()[..5].iter().all(|e| e.classes.iter().all(|&c| c < 10)));
        let mut classes: Vec<usize> = stream.experiences().iter().flat_map(|e| e.classes.clone()).collect();
        assert_ne!(classes, (0..20).collect::<Vec<_>>());
        classes.sort_unstable();
        assert_eq!(classes, (0..20).collect::<Vec<_>>());
    }

    #[test]
    fn what_does_not_fit_is_told() {
        let message = |stream: DataSetSequence, data| stream.build(data).unwrap_err().to_string();
        let thirds = DataSetSequence { experiences_per_set: 3, ..Default::default() };
        assert!(message(thirds, data()).contains("10 classes of glyphs"));
        let twice = DataSetSequence { order: vec![0, 0], ..Default::default() };
        assert!(message(twice, data()).contains("0 to 1 once"));
        let single =
            GlyphsConfig { train_per_class: 3, eval_per_class: 2, ..Default::default() }.build().unwrap();
        assert!(message(DataSetSequence::default(), single).contains("glyphs is one alone"));
    }
}
