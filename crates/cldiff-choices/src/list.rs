//! The list of a kind: the choices that are built in, and those that a program has added.

use std::sync::{Arc, PoisonError, RwLock};

use schemars::{Schema, SchemaGenerator};
use serde::de::{IntoDeserializer, value::MapDeserializer};
use thiserror::Error;

/// The entry of one choice in a list. `K` is the object-safe trait of the kind. Made by [`entry!`](crate::entry).
pub struct Entry<K: ?Sized> {
    /// The key in a configuration.
    pub name: &'static str,
    /// One sentence.
    pub summary: &'static str,
    /// The source; empty where no one has to be named.
    pub citation: &'static str,
    /// Other names on a command line.
    pub aliases: &'static [&'static str],
    /// Whether it is written as its name alone.
    pub bare: bool,
    /// Reads the options.
    pub read: fn(&mut dyn erased_serde::Deserializer<'_>) -> Result<Arc<K>, erased_serde::Error>,
    /// The JSON Schema of the options.
    pub schema: fn(&mut SchemaGenerator) -> Schema,
}

impl<K: ?Sized> Entry<K> {
    /// The default options; none where an option has to be given.
    pub fn defaults(&self) -> Option<Arc<K>> {
        let empty: MapDeserializer<'_, _, serde::de::value::Error> =
            MapDeserializer::new(std::iter::empty::<(&str, &str)>());
        (self.read)(&mut <dyn erased_serde::Deserializer<'_>>::erase(empty.into_deserializer())).ok()
    }
}

/// Why a choice cannot be added to a list.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum ListError {
    /// The name is that of another choice.
    #[error("there is a {kind} called `{name}` already")]
    NameTaken {
        /// The kind.
        kind: &'static str,
        /// The name.
        name: &'static str,
    },
    /// The name cannot be a key: it is empty, or has other characters than lower-case letters, digits and `_`.
    #[error(
        "`{name}` cannot be the name of a {kind}: expected lower-case letters, digits and `_`, a letter first"
    )]
    BadName {
        /// The kind.
        kind: &'static str,
        /// The name.
        name: &'static str,
    },
}

/// The choices of a kind: the built-in ones in their order, then those that were added, in the order of addition.
pub struct List<K: ?Sized + 'static> {
    kind: &'static str,
    built_in: &'static [Entry<K>],
    added: RwLock<Vec<&'static Entry<K>>>,
}

impl<K: ?Sized + 'static> List<K> {
    /// The list of the built-in choices of a kind.
    pub const fn new(kind: &'static str, built_in: &'static [Entry<K>]) -> Self {
        Self { kind, built_in, added: RwLock::new(Vec::new()) }
    }

    /// The kind, in words: "sampler", "data set".
    pub fn kind(&self) -> &'static str {
        self.kind
    }

    /// All choices.
    pub fn entries(&self) -> Vec<&'static Entry<K>> {
        let added = self.added.read().unwrap_or_else(PoisonError::into_inner);
        self.built_in.iter().chain(added.iter().copied()).collect()
    }

    /// The names of all choices.
    pub fn names(&self) -> Vec<&'static str> {
        self.entries().into_iter().map(|entry| entry.name).collect()
    }

    /// The choice of a name.
    pub fn find(&self, name: &str) -> Option<&'static Entry<K>> {
        self.entries().into_iter().find(|entry| entry.name == name)
    }

    /// The place of a choice in the list; behind the last for an unknown name.
    pub fn position(&self, name: &str) -> usize {
        let entries = self.entries();
        entries.iter().position(|entry| entry.name == name).unwrap_or(entries.len())
    }

    /// Adds a choice for the rest of the process. A configuration parsed earlier does not know it.
    ///
    /// # Errors
    /// [`ListError::NameTaken`] and [`ListError::BadName`].
    pub fn add(&self, entry: Entry<K>) -> Result<(), ListError> {
        let (kind, name) = (self.kind, entry.name);
        let fine = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
        if !name.starts_with(|c: char| c.is_ascii_lowercase()) || !name.chars().all(fine) {
            return Err(ListError::BadName { kind, name });
        }
        if self.find(name).is_some() {
            return Err(ListError::NameTaken { kind, name });
        }
        let entry: &'static Entry<K> = Box::leak(Box::new(entry));
        self.added.write().unwrap_or_else(PoisonError::into_inner).push(entry);
        Ok(())
    }
}
