//! What the instructions of a pickle make.

use std::rc::Rc;

use safetensors::Dtype;

use super::storage::{Storage, View};

/// Values within values; a state dict has five.
const DEEPEST: usize = 32;

/// A value on the machine's stack.
#[derive(Debug, Clone)]
pub(super) enum Value {
    None,
    Bool(bool),
    Int(i64),
    Text(Rc<str>),
    Tuple(Listed),
    List(Listed),
    Dict(Keyed),
    Name(Name),
    Storage(Rc<Storage>),
    Tensor(Rc<View>),
}

/// Values in a row, and how deeply they are nested.
#[derive(Debug, Clone, Default)]
pub(super) struct Listed {
    pub(super) items: Rc<Vec<Value>>,
    depth: usize,
}

/// Values by key, and how deeply they are nested.
#[derive(Debug, Clone, Default)]
pub(super) struct Keyed {
    pub(super) items: Vec<(Value, Value)>,
    depth: usize,
}

/// The functions and classes that a state dict names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Name {
    /// `collections.OrderedDict`
    OrderedDict,
    /// `torch._utils._rebuild_tensor`, of PyTorch before 0.4
    RebuildTensor,
    /// `torch._utils._rebuild_tensor_v2`
    RebuildTensorV2,
    /// `torch._utils._rebuild_parameter`
    RebuildParameter,
    /// `torch.FloatStorage` and its like
    StorageOf(Dtype),
}

impl Name {
    pub(super) fn parse(module: &str, name: &str) -> Option<Self> {
        Some(match (module, name) {
            ("collections", "OrderedDict") => Self::OrderedDict,
            ("torch._utils", "_rebuild_tensor") => Self::RebuildTensor,
            ("torch._utils", "_rebuild_tensor_v2") => Self::RebuildTensorV2,
            ("torch._utils", "_rebuild_parameter") => Self::RebuildParameter,
            ("torch", "DoubleStorage") => Self::StorageOf(Dtype::F64),
            ("torch", "FloatStorage") => Self::StorageOf(Dtype::F32),
            ("torch", "HalfStorage") => Self::StorageOf(Dtype::F16),
            ("torch", "BFloat16Storage") => Self::StorageOf(Dtype::BF16),
            ("torch", "LongStorage") => Self::StorageOf(Dtype::I64),
            ("torch", "IntStorage") => Self::StorageOf(Dtype::I32),
            ("torch", "ShortStorage") => Self::StorageOf(Dtype::I16),
            ("torch", "CharStorage") => Self::StorageOf(Dtype::I8),
            ("torch", "ByteStorage") => Self::StorageOf(Dtype::U8),
            ("torch", "BoolStorage") => Self::StorageOf(Dtype::BOOL),
            _ => return None,
        })
    }

    /// Its name in Python, for messages.
    pub(super) fn called(&self) -> &'static str {
        match self {
            Self::OrderedDict => "collections.OrderedDict",
            Self::RebuildTensor => "torch._utils._rebuild_tensor",
            Self::RebuildTensorV2 => "torch._utils._rebuild_tensor_v2",
            Self::RebuildParameter => "torch._utils._rebuild_parameter",
            Self::StorageOf(_) => "a storage",
        }
    }
}

impl Value {
    /// What it is, for messages.
    pub(super) fn kind(&self) -> &'static str {
        match self {
            Self::None => "None",
            Self::Bool(_) => "a truth value",
            Self::Int(_) => "a number",
            Self::Text(_) => "text",
            Self::Tuple(_) => "a tuple",
            Self::List(_) => "a list",
            Self::Dict(_) => "a dict",
            Self::Name(_) => "a name",
            Self::Storage(_) => "a storage",
            Self::Tensor(_) => "a tensor",
        }
    }

    /// Whether later instructions can change it, so that two places would have to share it.
    pub(super) fn is_mutable(&self) -> bool {
        matches!(self, Self::List(_) | Self::Dict(_))
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
fn around<'a>(depth: usize, values: impl IntoIterator<Item = &'a Value>) -> Option<usize> {
    let depth = values.into_iter().map(|value| value.depth() + 1).fold(depth, usize::max);
    (depth <= DEEPEST).then_some(depth)
}

impl Listed {
    pub(super) fn of(items: Vec<Value>) -> Option<Self> {
        Some(Self { depth: around(1, &items)?, items: Rc::new(items) })
    }

    pub(super) fn extend(&mut self, more: Vec<Value>) -> Option<()> {
        self.depth = around(self.depth, &more)?;
        // A list is never in two places, so that nothing is copied.
        Rc::make_mut(&mut self.items).extend(more);
        Some(())
    }
}

impl Keyed {
    pub(super) fn insert(&mut self, key: Value, value: Value) -> Option<()> {
        self.depth = around(self.depth, [&key, &value])?;
        self.items.push((key, value));
        Some(())
    }
}
