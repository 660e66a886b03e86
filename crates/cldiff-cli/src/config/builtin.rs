//! The configurations that `--config` knows by name.

use std::sync::{PoisonError, RwLock};

/// The built-in ones, in the order in which they are told.
const BUILT_IN: [(&str, &str); 2] = [
    ("default", include_str!("../../configs/default.toml")),
    ("smoke", include_str!("../../configs/smoke.toml")),
];

/// The configurations that a program has added.
static ADDED: RwLock<Vec<(&str, &str)>> = RwLock::new(Vec::new());

/// Adds a configuration for the rest of the process; it goes before a built-in one of its name.
pub fn add(name: &'static str, text: &'static str) {
    ADDED.write().unwrap_or_else(PoisonError::into_inner).push((name, text));
}

/// The text of a configuration, with what it is called in messages.
pub fn named(name: &str) -> Option<(String, String)> {
    let added = ADDED.read().unwrap_or_else(PoisonError::into_inner);
    let own = added.iter().rev().find(|(known, _)| *known == name);
    if let Some((name, text)) = own {
        return Some((format!("{name} (built in)"), (*text).to_owned()));
    }
    let (name, text) = BUILT_IN.iter().find(|(known, _)| *known == name)?;
    Some((format!("configs/{name}.toml (built in)"), (*text).to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;

    #[test]
    fn the_built_in_configurations_parse() {
        for (_, text) in BUILT_IN {
            toml::from_str::<Config>(text).unwrap();
        }
    }

    #[test]
    fn an_added_configuration_goes_before_a_built_in_one() {
        add("smoke_of_a_test", "name = 'a'");
        add("smoke_of_a_test", "name = 'b'");
        assert_eq!(named("smoke_of_a_test").unwrap().1, "name = 'b'");
        assert_eq!(named("smoke").unwrap().0, "configs/smoke.toml (built in)");
        assert!(named("absent").is_none());
    }
}
