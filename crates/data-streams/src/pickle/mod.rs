//! The part of Python's pickle language that dicts of arrays are written in (the instructions are documented in Python's
//! `pickletools`), read without running anything that it says.
//!
//! A pickle is a program for a machine that may call any function by name. [`Machine`] understands the instructions that
//! data need, makes [values](Value) of its own and calls nothing. A [`Dialect`] has the few names that one kind of file takes
//! from Python, and says what comes of them; every other instruction or name is an error that says which.

mod error;
mod machine;
mod reading;
#[cfg(test)]
mod tests;
mod value;

use std::fmt::Debug;

pub use self::{
    error::PickleError,
    machine::Machine,
    value::{Bytes, Keyed, Listed, Value},
};

/// The Python names that the pickles of one kind of file may use.
///
/// `'a` is how long the bytes of the file last: values may be parts of them.
pub trait Dialect<'a> {
    /// A value that a name of Python's stands for, or that came of it.
    type Object: Clone + Debug;

    /// The content of the files, for messages: `a state dict of tensors`.
    const CONTENT: &'static str;

    /// The latest protocol that is read. Protocol 2 is the first; strings of bytes are read from 3 on, those of Python 2 among
    /// them, which protocol 2 has too.
    const LATEST: u8;

    /// The meaning of a function or class; `None` if the files need none of that name.
    fn name(module: &str, name: &str) -> Option<Self::Object>;

    /// The kind of the object, for messages: `a tensor`.
    fn kind(object: &Self::Object) -> &'static str;

    /// Whether it is filled after it was made, so that two places would have to share it. Such a value is never recalled.
    fn is_mutable(object: &Self::Object) -> bool;

    /// The result of a call.
    ///
    /// # Errors
    /// In words: a name that is not called, or not with these arguments.
    fn call(
        &mut self,
        called: &Self::Object,
        arguments: &[Value<'a, Self::Object>],
    ) -> Result<Value<'a, Self::Object>, String>;

    /// Fills a value that was made.
    ///
    /// # Errors
    /// In words: a value that is not filled, or not with that.
    fn fill(
        &mut self,
        value: &mut Value<'a, Self::Object>,
        state: &Value<'a, Self::Object>,
    ) -> Result<(), String>;

    /// An object outside of the pickle, by its identifier.
    ///
    /// # Errors
    /// In words: there is no such thing.
    fn outside(&mut self, _id: &Value<'a, Self::Object>) -> Result<Self::Object, String> {
        Err(format!("{} has nothing outside of its pickle", Self::CONTENT))
    }
}
