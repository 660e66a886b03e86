//! The Python names that a pickled dict of tensors may refer to, fourteen of them, and storages outside of the pickle.

use std::rc::Rc;

use data_streams::pickle::{self, Dialect, Keyed};
use safetensors::Dtype;

use super::storage::{Storage, View};

/// A value of a state dict's pickle.
pub(super) type Value<'a> = pickle::Value<'a, Object>;

/// A value that is none of Python's own.
#[derive(Debug, Clone)]
pub(super) enum Object {
    Name(Name),
    Storage(Rc<Storage>),
    Tensor(Rc<View>),
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
    fn parse(module: &str, name: &str) -> Option<Self> {
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

    /// The Python name, for messages.
    fn in_python(self) -> &'static str {
        match self {
            Self::OrderedDict => "collections.OrderedDict",
            Self::RebuildTensor => "torch._utils._rebuild_tensor",
            Self::RebuildTensorV2 => "torch._utils._rebuild_tensor_v2",
            Self::RebuildParameter => "torch._utils._rebuild_parameter",
            Self::StorageOf(_) => "a storage",
        }
    }
}

/// The dialect of `torch.save`, and the storages that pickles named.
#[derive(Debug, Default)]
pub(super) struct Torch {
    pub(super) storages: Vec<Rc<Storage>>,
}

impl<'a> Dialect<'a> for Torch {
    type Object = Object;

    const CONTENT: &'static str = "a state dict of tensors";
    /// `torch.save` writes protocol 2 unless it is told another.
    const LATEST: u8 = 3;

    fn name(module: &str, name: &str) -> Option<Object> {
        Name::parse(module, name).map(Object::Name)
    }

    fn kind(object: &Object) -> &'static str {
        match object {
            Object::Name(_) => "a name",
            Object::Storage(_) => "a storage",
            Object::Tensor(_) => "a tensor",
        }
    }

    fn is_mutable(_: &Object) -> bool {
        false
    }

    /// The calls that make a dict or a tensor.
    fn call(&mut self, called: &Object, arguments: &[Value<'a>]) -> Result<Value<'a>, String> {
        let Object::Name(name) = called else { return Err("a call of what is no name".into()) };
        let tensor = |view| Value::Object(Object::Tensor(Rc::new(view)));
        let made = match (name, arguments) {
            (Name::OrderedDict, []) => Some(Value::Dict(Keyed::default())),
            (Name::RebuildTensor, [_, _, _, _]) | (Name::RebuildTensorV2, [_, _, _, _, _, _]) => {
                View::of_arguments(arguments).map(tensor)
            }
            (Name::RebuildParameter, [made @ Value::Object(Object::Tensor(_)), ..]) => Some(made.clone()),
            _ => None,
        };
        made.ok_or_else(|| format!("arguments that {} does not take", name.in_python()))
    }

    /// Attributes of a dict: a module's version numbers, which are left out.
    fn fill(&mut self, value: &mut Value<'a>, state: &Value<'a>) -> Result<(), String> {
        match (value, state) {
            (Value::Dict(_), Value::Dict(_)) => Ok(()),
            _ => Err("attributes of what is no dict".into()),
        }
    }

    /// A storage, which is named by a tuple.
    fn outside(&mut self, id: &Value<'a>) -> Result<Object, String> {
        let storage = match id {
            Value::Tuple(id) => Storage::of_persistent_id(&id.items),
            _ => None,
        };
        let storage = Rc::new(storage.ok_or("what it names is no storage")?);
        self.storages.push(Rc::clone(&storage));
        Ok(Object::Storage(storage))
    }
}
