//! An order of classes that the comparison never uses: that of the stream, shuffled with a seed of the search.

use std::{collections::BTreeSet, path::Path};

use data_streams::{Stream, StreamConfig};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::{config::Loaded, ui::failure::Failure};

/// The option of a stream that orders classes, wherever it stands.
const KEY: &str = "class_order";
/// Seeds that are tried until the tasks differ from the configuration's.
const TRIES: u64 = 64;

/// The order of classes of a search.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum ClassOrder {
    /// Shuffled with this seed.
    Shuffled {
        /// The seed.
        seed: u64,
    },
    /// That of the configuration, and why.
    OfConfiguration {
        /// The reason.
        reason: String,
    },
}

/// The stream of a search: its options, its experiences, and the order of its classes.
#[derive(Debug)]
pub struct Ordered {
    pub config: StreamConfig,
    pub stream: Stream,
    pub order: ClassOrder,
}

impl Ordered {
    /// The stream of a configuration with its classes in another order, by the first seed from `seed` on with which some task
    /// has other classes.
    ///
    /// # Errors
    /// [`Failure::Mistake`] if the stream cannot be made in another order.
    pub fn of(loaded: &Loaded, own: Stream, seed: u64, data_dir: Option<&Path>) -> Result<Self, Failure> {
        let config = loaded.config.stream.clone();
        let other = |error: serde_json::Error| Failure::Other(error.into());
        let json = serde_json::to_value(&config).map_err(other)?;
        let tasks = tasks(&own);
        if !has_order(&json) {
            let reason = format!("the stream `{}` has no order of classes", config.name());
            return Ok(Self { config, stream: own, order: ClassOrder::OfConfiguration { reason } });
        }
        for seed in (seed..=u64::MAX).take(TRIES as usize) {
            let mut json = json.clone();
            shuffle(&mut json, seed);
            let config: StreamConfig = serde_json::from_value(json).map_err(|error| {
                Failure::mistake(format!("`{KEY}` of the stream cannot be shuffled for the search: {error}"))
            })?;
            let stream = loaded.other_stream(&config, data_dir).map_err(|error| {
                Failure::mistake(format!("the stream with its classes shuffled for the search: {error}"))
            })?;
            // A subset may have another number of tasks then, for which the model was not made.
            if stream.len() == tasks.len() && self::tasks(&stream) != tasks {
                return Ok(Self { config, stream, order: ClassOrder::Shuffled { seed } });
            }
        }
        let reason = format!("{TRIES} orders of classes give the same tasks");
        Ok(Self { config, stream: own, order: ClassOrder::OfConfiguration { reason } })
    }
}

/// The classes of each task; their order within it changes nothing.
fn tasks(stream: &Stream) -> Vec<BTreeSet<usize>> {
    stream.experiences().iter().map(|e| e.classes.iter().copied().collect()).collect()
}

fn has_order(json: &Value) -> bool {
    match json {
        Value::Object(options) => options.contains_key(KEY) || options.values().any(has_order),
        _ => false,
    }
}

/// Shuffles every order of classes: a stream may be made of another.
fn shuffle(json: &mut Value, seed: u64) {
    let Value::Object(options) = json else { return };
    for (key, value) in options.iter_mut() {
        if key == KEY {
            *value = json!({ "shuffled": { "seed": seed } });
        } else {
            shuffle(value, seed);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{args::SettingArgs, config::load};

    fn ordered(stream: &str, seed: u64) -> Ordered {
        let mut args = SettingArgs::of_config(Path::new("smoke"));
        args.changes.overrides = vec![format!("stream={stream}")];
        let loaded = load(&args).unwrap();
        let own = loaded.stream(None).unwrap();
        Ordered::of(&loaded, own, seed, None).unwrap()
    }

    #[test]
    fn tasks_have_other_classes_than_in_the_comparison() {
        let found = ordered("{ class_incremental = { experiences = 2 } }", 0);
        assert_eq!(found.order, ClassOrder::Shuffled { seed: 0 });
        let classes = tasks(&found.stream);
        assert_ne!(classes[0], (0..5).collect());
        assert_eq!(classes.into_iter().flatten().collect::<BTreeSet<_>>(), (0..10).collect());
        // The seed of the configuration gives the configuration's tasks: the next is taken.
        let shuffled =
            "{ class_incremental = { experiences = 2, class_order = { shuffled = { seed = 4 } } } }";
        assert_eq!(ordered(shuffled, 4).order, ClassOrder::Shuffled { seed: 5 });
        assert_eq!(ordered(shuffled, 0).order, ClassOrder::Shuffled { seed: 0 });
    }

    #[test]
    fn the_order_of_an_inner_stream_is_shuffled_too() {
        let found = ordered(
            "{ subset = { stream = { class_incremental = { experiences = 5 } }, classes = [0, 1, 2, 3, 4] } }",
            7,
        );
        assert!(matches!(found.order, ClassOrder::Shuffled { .. }), "{:?}", found.order);
        let json = serde_json::to_value(&found.config).unwrap().to_string();
        assert!(json.contains(r#""class_order":{"shuffled""#), "{json}");
    }

    #[test]
    fn a_stream_without_an_order_says_so() {
        for (stream, told) in [
            ("{ joint = {} }", "the stream `joint` has no order of classes"),
            ("{ class_incremental = { experiences = 1 } }", "64 orders of classes give the same tasks"),
        ] {
            let found = ordered(stream, 0);
            assert_eq!(found.order, ClassOrder::OfConfiguration { reason: told.into() });
        }
    }
}
