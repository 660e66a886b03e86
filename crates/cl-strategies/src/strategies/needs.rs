//! Requirements of a strategy on the training, the model and the data, and their check.

use super::{StrategyOptions, options::Setting};
use crate::{ConditionOn, StrategyError, buffer::BufferConfig};

/// Requirements of a strategy.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Needs {
    /// Whether it works only where it is told when an experience ends. A strategy that does not has an
    /// [`observer`](crate::Strategy::observer).
    pub boundaries: bool,
    /// The options with which it would work without boundaries, in words; none: no options help.
    pub unless: Option<&'static str>,
    /// Whether a step looks at other images beside the current ones.
    pub looks_back: bool,
    /// The buffer that experiences have to fill: the option `buffer`.
    pub buffer: Option<BufferConfig>,
    /// Whether it asks for images of classes, so that a model that is told tasks cannot serve. The text says why.
    pub classes: Option<&'static str>,
}

impl Needs {
    /// The needs of most strategies: boundaries.
    pub fn boundaries() -> Self {
        Self { boundaries: true, unless: None, looks_back: false, buffer: None, classes: None }
    }

    /// The needs of a strategy that looks at other images beside the current ones: boundaries.
    pub fn looking_back() -> Self {
        Self { looks_back: true, ..Self::boundaries() }
    }

    /// Checks a training against these needs.
    ///
    /// # Errors
    /// [`StrategyError::Training`] for a conditioning that cannot serve, or with which nothing can be removed. [`StrategyError::Config`] with an empty key for
    /// a stream without the boundaries that are needed, and with the buffer's key for an experience that cannot fill it.
    pub fn check(&self, setting: &Setting<'_>) -> Result<(), StrategyError> {
        if let (Some(why), ConditionOn::Task) = (self.classes, setting.training.condition_on) {
            let expected = format!("expected `class` or `none`: {why}");
            let (key, value) = ("condition_on".into(), "task".into());
            return Err(StrategyError::Training { key, value, expected });
        }
        let Some(stream) = setting.stream else { return Ok(()) };
        if !stream.removed().is_empty() && setting.training.condition_on != ConditionOn::Class {
            let expected = "expected `class`: a model that is told no classes cannot lose one of them";
            let value = if setting.training.condition_on == ConditionOn::Task { "task" } else { "none" };
            let (key, value) = ("condition_on".into(), value.into());
            return Err(StrategyError::Training { key, value, expected: expected.into() });
        }
        if self.boundaries && !stream.tells_boundaries() {
            let expected =
                format!("expected a strategy that is not told where experiences end: {}", alternatives());
            let value = "part of a strategy on an online stream".into();
            return Err(StrategyError::Config { key: String::new(), value, expected });
        }
        let Some(buffer) = &self.buffer else { return Ok(()) };
        for experience in stream.experiences().iter().filter(|experience| !experience.is_removal()) {
            let counts = experience.train.counts_per_class();
            buffer.check(stream.class_names(), &counts).map_err(|error| error.at("buffer"))?;
        }
        Ok(())
    }
}

/// The built-in strategies that work without boundaries, and those that would with other options.
fn alternatives() -> String {
    macro_rules! names {
        ({} $($Config:ty),*) => {
            [$((<$Config as cldiff_choices::Describe>::NAME, <$Config>::default().needs())),*]
        };
    }
    let all = crate::built_in_strategies!(names! {});
    let as_they_are = all.iter().filter(|(_, needs)| !needs.boundaries).map(|(name, _)| (*name).to_owned());
    let with_options =
        all.iter().filter_map(|(name, needs)| needs.unless.map(|unless| format!("{name} with {unless}")));
    as_they_are.chain(with_options).collect::<Vec<_>>().join(", ")
}
