//! Tensors as PyTorch knows them: views of numbers in a row, with an offset and a stride for each dimension.

use std::rc::Rc;

use safetensors::Dtype;

use super::dialect::{Name, Object, Value};

/// Dimensions of a tensor.
const MOST_DIMENSIONS: usize = 8;

/// Numbers in a row, by the key that the file has them under.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Storage {
    pub(super) key: Rc<str>,
    pub(super) dtype: Dtype,
    /// How many there are.
    pub(super) count: usize,
}

/// A tensor.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct View {
    pub(super) storage: Rc<Storage>,
    pub(super) offset: usize,
    pub(super) shape: Vec<usize>,
    pub(super) stride: Vec<usize>,
}

impl Storage {
    /// `("storage", type, key, location, count)`, and in the older form what it is a view of: `None`.
    pub(super) fn of_persistent_id(id: &[Value<'_>]) -> Option<Self> {
        let id = if let [id @ .., Value::None] = id { id } else { id };
        let [
            Value::Text(kind),
            Value::Object(Object::Name(Name::StorageOf(dtype))),
            Value::Text(key),
            Value::Text(_),
            Value::Int(count),
        ] = id
        else {
            return None;
        };
        (&**kind == "storage").then_some(())?;
        Some(Self { key: Rc::clone(key), dtype: *dtype, count: usize::try_from(*count).ok()? })
    }

    /// Bytes of a number.
    pub(super) fn width(&self) -> usize {
        self.dtype.bitsize() / 8
    }

    /// Bytes of all, if such a number exists.
    pub(super) fn bytes(&self) -> Option<usize> {
        self.count.checked_mul(self.width())
    }
}

impl View {
    /// The arguments of `_rebuild_tensor` and of `_rebuild_tensor_v2`: storage, offset, shape, stride; then whether there
    /// are gradients, and hooks.
    pub(super) fn of_arguments(arguments: &[Value<'_>]) -> Option<Self> {
        let [
            Value::Object(Object::Storage(storage)),
            Value::Int(offset),
            Value::Tuple(shape),
            Value::Tuple(stride),
            ..,
        ] = arguments
        else {
            return None;
        };
        if shape.items.len() != stride.items.len() || shape.items.len() > MOST_DIMENSIONS {
            return None;
        }
        let sizes = |listed: &[Value<'_>]| listed.iter().map(size).collect::<Option<Vec<_>>>();
        let (shape, mut stride) = (sizes(&shape.items)?, sizes(&stride.items)?);
        // The stride along a dimension of size 1 is arbitrary, and never taken.
        shape.iter().zip(&mut stride).filter(|(size, _)| **size <= 1).for_each(|(_, stride)| *stride = 0);
        Some(Self { storage: Rc::clone(storage), offset: usize::try_from(*offset).ok()?, shape, stride })
    }

    /// Whether it lies within its storage, of which so many bytes are there.
    pub(super) fn check(&self, there: usize) -> Result<(), String> {
        if self.storage.bytes() != Some(there) {
            let Storage { count, dtype, .. } = &*self.storage;
            return Err(format!("its storage has {there} bytes, expected {count} numbers of {dtype}"));
        }
        let beyond = || format!("it reaches beyond its storage of {} numbers", self.storage.count);
        let numbers = self.shape.iter().try_fold(1_usize, |n, &size| n.checked_mul(size));
        if numbers == Some(0) {
            return Ok(());
        }
        // A view with more numbers than its storage repeats some of them, as no weights do.
        if numbers.is_none_or(|numbers| numbers > self.storage.count) {
            return Err(beyond());
        }
        let last =
            self.shape.iter().zip(&self.stride).try_fold(self.offset, |at, (&size, &stride)| {
                at.checked_add((size - 1).checked_mul(stride)?)
            });
        if last.is_none_or(|last| last >= self.storage.count) {
            return Err(beyond());
        }
        Ok(())
    }

    /// Its numbers, the last dimension fastest; `bytes` are those of its storage, which [`check`](Self::check) found right.
    pub(super) fn gather(&self, bytes: &[u8]) -> Vec<u8> {
        let width = self.storage.width();
        let numbers: usize = self.shape.iter().product();
        let mut gathered = Vec::with_capacity(numbers * width);
        let mut position = vec![0; self.shape.len()];
        let mut at = self.offset;
        for _ in 0..numbers {
            gathered.extend_from_slice(&bytes[at * width..][..width]);
            for d in (0..self.shape.len()).rev() {
                position[d] += 1;
                at += self.stride[d];
                if position[d] < self.shape[d] {
                    break;
                }
                at -= self.stride[d] * self.shape[d];
                position[d] = 0;
            }
        }
        gathered
    }
}

fn size(value: &Value<'_>) -> Option<usize> {
    match value {
        Value::Int(size) => usize::try_from(*size).ok(),
        _ => None,
    }
}
