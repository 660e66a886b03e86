//! The stream of one experience: everything at once, as in ordinary training.
//!
//! ```toml
//! [stream.joint]
//! ```

use cldiff_choices::Describe;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Experience, Stream, StreamBuilder};
use crate::{DataError, DatasetPair};

/// All data in one experience.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Joint {}

impl Describe for Joint {
    const NAME: &'static str = "joint";
    const SUMMARY: &'static str = "One experience of everything";
}

impl StreamBuilder for Joint {
    fn build(&self, data: DatasetPair) -> Result<Stream, DataError> {
        let everything = Experience {
            name: "all classes".into(),
            classes: (0..data.train.class_names().len()).collect(),
            train: data.train.clone(),
            eval: data.eval.clone(),
            removes: Vec::new(),
        };
        Stream::new(format!("{}, joint", data.train.name()), data, vec![everything])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dataset::glyphs::GlyphsConfig;

    #[test]
    fn everything_is_in_one_experience() {
        let data =
            GlyphsConfig { train_per_class: 2, eval_per_class: 1, size: 8.into(), ..Default::default() };
        let stream = Joint {}.build(data.build().unwrap()).unwrap();
        assert_eq!((stream.len(), stream.all_train().len()), (1, 20));
        assert_eq!(stream.experiences()[0].classes, (0..10).collect::<Vec<_>>());
    }
}
