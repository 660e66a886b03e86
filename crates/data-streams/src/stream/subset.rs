//! A part of any stream: some of its experiences, some of its classes, so many images of each.
//!
//! ```toml
//! [stream.subset]
//! stream = { class_incremental = { experiences = 5 } }
//! experiences = [0, 2, 4]
//! train_per_class = 100
//! ```

use cldiff_choices::Describe;
use keyed_random::{Key, Purpose};
use rand::seq::SliceRandom;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Experience, Stream, StreamBuilder, StreamConfig, must_only_learn};
use crate::{DataError, DatasetPair, ImageDataset};

const TRAIN: Purpose = Purpose::named("training images of a subset");
const EVAL: Purpose = Purpose::named("evaluation images of a subset");

/// The part of another stream that is kept.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Subset {
    /// The stream that a part is taken of.
    pub stream: StreamConfig,
    /// The experiences that are kept, from 0, in the order in which they then come; all, if empty.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub experiences: Vec<usize>,
    /// The classes that are kept, as the data set numbers them; all, if empty. An experience without any is left out.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub classes: Vec<usize>,
    /// Maximum number of training images of a class in an experience, drawn by `seed`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub train_per_class: Option<usize>,
    /// Maximum number of evaluation images of a class in an experience, drawn by `seed`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub eval_per_class: Option<usize>,
    /// The seed of which images of a class are kept. Files often have an order that has to do with what is in them, such
    /// as the hand that wrote a digit: the first images of a class would be no fair part of it.
    pub seed: u64,
}

impl Subset {
    fn check(&self, stream: &Stream) -> Result<(), DataError> {
        let within = |key: &str, values: &[usize], n: usize| {
            let mut sorted = values.to_vec();
            sorted.sort_unstable();
            let repeated = sorted.windows(2).any(|pair| pair[0] == pair[1]);
            if repeated || sorted.last().is_some_and(|last| *last >= n) {
                let expected = format!("expected some of 0 to {}, each once", n - 1);
                return Err(DataError::config(key, values, expected));
            }
            Ok(())
        };
        within("experiences", &self.experiences, stream.len())?;
        within("classes", &self.classes, stream.class_names().len())?;
        for (key, value) in
            [("train_per_class", self.train_per_class), ("eval_per_class", self.eval_per_class)]
        {
            if value == Some(0) {
                return Err(DataError::config(key, 0, "expected at least 1"));
            }
        }
        Ok(())
    }

    fn keeps(&self, class: usize) -> bool {
        self.classes.is_empty() || self.classes.contains(&class)
    }

    /// The images of the classes and tasks that are kept, in their order; `new_task` gives a task its new number.
    fn of(
        &self,
        data: &ImageDataset,
        new_task: &[Option<usize>],
        limit: Option<usize>,
        key: Key,
    ) -> ImageDataset {
        let mut members = vec![Vec::new(); data.class_names().len()];
        let stays = |&i: &usize| self.keeps(data.label(i)) && new_task[data.task(i)].is_some();
        (0..data.len()).filter(stays).for_each(|i| members[data.label(i)].push(i));
        if let Some(limit) = limit {
            for (class, members) in members.iter_mut().enumerate() {
                members.shuffle(&mut key.rng(class as u64));
                members.truncate(limit);
            }
        }
        let mut kept = members.concat();
        kept.sort_unstable();
        let tasks: Vec<usize> = kept.iter().filter_map(|&i| new_task[data.task(i)]).collect();
        data.select(&kept).with_tasks(&tasks)
    }
}

impl Describe for Subset {
    const NAME: &'static str = "subset";
    const SUMMARY: &'static str = "A part of another stream: experiences, classes, images of a class";
}

impl StreamBuilder for Subset {
    fn build(&self, data: DatasetPair) -> Result<Stream, DataError> {
        let inner = self.stream.build(data).map_err(|e| e.at("stream"))?;
        must_only_learn("stream", &self.stream, &inner)?;
        self.check(&inner)?;
        let mut chosen: Vec<usize> =
            if self.experiences.is_empty() { (0..inner.len()).collect() } else { self.experiences.clone() };
        chosen.retain(|&k| inner.experiences()[k].classes.iter().any(|&class| self.keeps(class)));
        let mut new_task = vec![None; inner.len()];
        chosen.iter().enumerate().for_each(|(new, &old)| new_task[old] = Some(new));
        let experience = |&k: &usize| {
            let e = &inner.experiences()[k];
            let key = |split| Key::new(self.seed, split).experience(k);
            Experience {
                name: e.name.clone(),
                classes: e.classes.iter().copied().filter(|&class| self.keeps(class)).collect(),
                train: self.of(&e.train, &new_task, self.train_per_class, key(TRAIN)),
                eval: self.of(&e.eval, &new_task, self.eval_per_class, key(EVAL)),
                removes: Vec::new(),
            }
        };
        let experiences = chosen.iter().map(experience).collect();
        let stream =
            Stream::tagged(format!("{}, a part", inner.name()), inner.source().clone(), experiences)?;
        let stream = stream.arriving(inner.arrival(), inner.tells_boundaries());
        let stream = stream.in_domains(inner.shares_classes_across_domains());
        // The part may have each class in one domain only.
        let domains = stream.shares_classes_across_domains();
        Ok(stream.in_domains(domains))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Arrival, Drift, Online, dataset::glyphs::GlyphsConfig};

    fn data() -> DatasetPair {
        GlyphsConfig { train_per_class: 20, eval_per_class: 4, size: 8.into(), ..Default::default() }
            .build()
            .unwrap()
    }

    fn subset() -> Subset {
        Subset::default()
    }

    #[test]
    fn experiences_classes_and_counts_are_as_asked() {
        let part = Subset {
            experiences: vec![3, 1, 0],
            classes: vec![0, 6, 7, 9],
            train_per_class: Some(5),
            eval_per_class: Some(1),
            ..subset()
        };
        let stream = part.build(data()).unwrap();
        let classes: Vec<_> = stream.experiences().iter().map(|e| e.classes.clone()).collect();
        assert_eq!(classes, [vec![6, 7], vec![0]]);
        assert_eq!(stream.experiences()[0].train.counts_per_class(), [0, 0, 0, 0, 0, 0, 5, 5, 0, 0]);
        assert_eq!((stream.experiences()[1].train.tasks(), stream.all_eval().len()), (vec![1; 5], 3));
        let whole = subset().build(data()).unwrap();
        assert_eq!((whole.all_train().len(), whole.len()), (200, 5));
    }

    /// Images of a class that come sorted: five of twenty are not the first five, and others with another seed.
    #[test]
    fn the_images_that_are_kept_do_not_depend_on_their_order() {
        let of = |seed| Subset { train_per_class: Some(5), seed, ..subset() }.build(data()).unwrap();
        let places = |seed| {
            let stream = of(seed);
            let train = &stream.experiences()[0].train;
            let whole = data().train;
            let first = train.label(0);
            let members: Vec<usize> = (0..whole.len()).filter(|&i| whole.label(i) == first).collect();
            let kept = (0..train.len()).filter(|&i| train.label(i) == first).map(|i| train.source_index(i));
            kept.map(|i| members.iter().position(|&m| m == i).unwrap()).collect::<Vec<_>>()
        };
        assert_eq!(places(0).len(), 5);
        assert_ne!(places(0), [0, 1, 2, 3, 4]);
        assert!(places(0).windows(2).all(|pair| pair[0] < pair[1]));
        assert_eq!(places(0), places(0));
        assert_ne!(places(0), places(1));
    }

    #[test]
    fn a_part_of_domains_has_domains_while_it_has_several() {
        let part = |experiences: &[usize]| {
            let stream = StreamConfig::of(crate::DomainIncremental::default());
            Subset { stream, experiences: experiences.to_vec(), ..Default::default() }.build(data()).unwrap()
        };
        assert!(part(&[2, 0]).shares_classes_across_domains());
        assert!(part(&[2, 0]).experiences().iter().all(|e| e.train.changes_domains()));
        assert!(part(&[1]).experiences().iter().all(|e| !e.train.changes_domains()));
        assert!(!part(&[1]).shares_classes_across_domains());
        let online =
            Online { stream: StreamConfig::of(crate::DomainIncremental::default()), ..Default::default() };
        assert!(online.build(data()).unwrap().shares_classes_across_domains());
        assert!(!subset().build(data()).unwrap().shares_classes_across_domains());
        // The images of a class are of one distribution, whichever experience they come in.
        let blurry = StreamConfig::of(crate::Blurry { disjoint: 0.0, ..Default::default() });
        let blurry = blurry.build(data()).unwrap();
        assert!(!blurry.shares_classes_across_domains());
        assert!(blurry.experiences().iter().all(|e| !e.train.changes_domains()));
    }

    #[test]
    fn a_part_of_an_online_stream_is_online_and_has_no_images_of_tasks_left_out() {
        let online = Online { drift: Drift::Linear { width: 1.0 }, ..Default::default() };
        let part = Subset { stream: StreamConfig::of(online), experiences: vec![2, 3], ..Default::default() };
        let stream = part.build(data()).unwrap();
        assert_eq!((stream.arrival(), stream.tells_boundaries()), (Arrival::Once, false));
        let first = &stream.experiences()[0].train;
        assert!((0..first.len()).all(|i| first.task(i) == first.label(i) / 2 - 2));
        assert!(first.tasks().contains(&0) && first.tasks().contains(&1));
    }

    #[test]
    fn what_is_not_there_cannot_be_kept() {
        let message = |part: Subset| part.build(data()).unwrap_err().to_string();
        assert!(message(Subset { experiences: vec![5], ..subset() }).contains("0 to 4"));
        assert!(message(Subset { experiences: vec![1, 1], ..subset() }).starts_with("`experiences`"));
        assert!(message(Subset { classes: vec![10], ..subset() }).contains("0 to 9"));
        assert!(message(Subset { train_per_class: Some(0), ..subset() }).contains("train_per_class"));
        let nothing = Subset { experiences: vec![0], classes: vec![9], ..subset() };
        assert!(message(nothing).contains("no experiences"));
    }
}
