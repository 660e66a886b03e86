//! The description of every choice, and the operations of every choice's options.

use std::{any::Any, fmt::Debug};

use dyn_clone::DynClone;
use serde::{Serialize, Serializer};

/// The description of a choice, beside its options and its behaviour.
pub trait Describe: 'static {
    /// The key in a configuration.
    const NAME: &'static str;
    /// One sentence without a full stop.
    const SUMMARY: &'static str;
    /// The source: authors, year, arXiv number. Empty where no one has to be named.
    const CITATION: &'static str = "";
    /// Other names on a command line.
    const ALIASES: &'static [&'static str] = &[];
    /// Whether it is written as its name alone, since it has no options.
    const BARE: bool = false;
}

/// The options of a choice, without their type: the supertrait of every kind's object-safe trait.
///
/// Implemented for every type that is [`Describe`], comparable, cloneable and serialisable.
pub trait Options: Any + DynClone + Debug + Send + Sync + erased_serde::Serialize {
    /// The choice's [`NAME`](Describe::NAME).
    fn name(&self) -> &'static str;

    /// The choice's [`BARE`](Describe::BARE).
    fn is_bare(&self) -> bool;

    /// Whether `other` is of the same type and equal.
    fn same(&self, other: &dyn Any) -> bool;
}

impl<T: Describe + Clone + Debug + PartialEq + Serialize + Send + Sync> Options for T {
    fn name(&self) -> &'static str {
        T::NAME
    }

    fn is_bare(&self) -> bool {
        T::BARE
    }

    fn same(&self, other: &dyn Any) -> bool {
        other.downcast_ref::<T>().is_some_and(|other| self == other)
    }
}

/// Options without their type, as serde takes them: the options alone, without their name.
#[derive(Debug)]
pub struct Serializable<'a, K: ?Sized>(pub &'a K);

impl<K: Options + ?Sized> Serialize for Serializable<'_, K> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        erased_serde::serialize(self.0, serializer)
    }
}
