//! The values that the instructions of a pickle make.

use std::{borrow::Cow, rc::Rc};

use super::Dialect;

/// Values within values; a state dict has five.
const DEEPEST: usize = 32;

/// Bytes: a part of the file, or decoded from one.
pub type Bytes<'a> = Rc<Cow<'a, [u8]>>;

/// A value on the machine's stack; `O` are the objects of the dialect.
#[derive(Debug, Clone)]
pub enum Value<'a, O> {
    /// `None`
    None,
    /// `True` or `False`
    Bool(bool),
    /// An integer.
    Int(i64),
    /// A text.
    Text(Rc<str>),
    /// Bytes, or a text of Python 2.
    Bytes(Bytes<'a>),
    /// A tuple.
    Tuple(Listed<'a, O>),
    /// A list.
    List(Listed<'a, O>),
    /// A dict.
    Dict(Keyed<'a, O>),
    /// An object of the dialect.
    Object(O),
}

/// Values in a row, and how deeply they are nested.
#[derive(Debug, Clone)]
pub struct Listed<'a, O> {
    /// The values.
    pub items: Rc<Vec<Value<'a, O>>>,
    depth: usize,
}

/// Values by key, and how deeply they are nested.
#[derive(Debug, Clone)]
pub struct Keyed<'a, O> {
    /// Keys and values, in the order in which they were put in.
    pub items: Vec<(Value<'a, O>, Value<'a, O>)>,
    depth: usize,
}

impl<'a, O> Value<'a, O> {
    /// The kind of the value, for messages.
    pub fn kind<D: Dialect<'a, Object = O>>(&self) -> &'static str {
        match self {
            Self::None => "None",
            Self::Bool(_) => "a truth value",
            Self::Int(_) => "a number",
            Self::Text(_) => "text",
            Self::Bytes(_) => "bytes",
            Self::Tuple(_) => "a tuple",
            Self::List(_) => "a list",
            Self::Dict(_) => "a dict",
            Self::Object(object) => D::kind(object),
        }
    }

    /// The text, of Python 2 as well; none for another value and for bytes that are no UTF-8.
    pub fn text(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            Self::Bytes(bytes) => std::str::from_utf8(bytes).ok(),
            _ => None,
        }
    }

    /// Whether later instructions can change it, so that two places would have to share it.
    pub(super) fn is_mutable<D: Dialect<'a, Object = O>>(&self) -> bool {
        match self {
            Self::List(_) | Self::Dict(_) => true,
            Self::Object(object) => D::is_mutable(object),
            _ => false,
        }
    }

    fn depth(&self) -> usize {
        match self {
            Self::Tuple(listed) | Self::List(listed) => listed.depth,
            Self::Dict(keyed) => keyed.depth,
            _ => 0,
        }
    }
}

/// One deeper than the deepest of some values; none if that is too deep to be dropped by recursion without thought.
fn around<'v, 'a: 'v, O: 'v>(
    depth: usize,
    values: impl IntoIterator<Item = &'v Value<'a, O>>,
) -> Option<usize> {
    let depth = values.into_iter().map(|value| value.depth() + 1).fold(depth, usize::max);
    (depth <= DEEPEST).then_some(depth)
}

impl<O> Default for Listed<'_, O> {
    fn default() -> Self {
        Self { items: Rc::default(), depth: 0 }
    }
}

impl<O> Default for Keyed<'_, O> {
    fn default() -> Self {
        Self { items: Vec::new(), depth: 0 }
    }
}

impl<'a, O: Clone> Listed<'a, O> {
    pub(super) fn of(items: Vec<Value<'a, O>>) -> Option<Self> {
        Some(Self { depth: around(1, &items)?, items: Rc::new(items) })
    }

    pub(super) fn extend(&mut self, more: Vec<Value<'a, O>>) -> Option<()> {
        self.depth = around(self.depth, &more)?;
        // A list is never in two places, so that nothing is copied.
        Rc::make_mut(&mut self.items).extend(more);
        Some(())
    }
}

impl<'a, O> Keyed<'a, O> {
    pub(super) fn insert(&mut self, key: Value<'a, O>, value: Value<'a, O>) -> Option<()> {
        self.depth = around(self.depth, [&key, &value])?;
        self.items.push((key, value));
        Some(())
    }
}
