//! State dicts as PyTorch's `torch.save` writes them, read without running anything that they say.
//!
//! A file is data of a pickle, a program for a machine that may call any function by name, and the numbers of the
//! tensors behind it. [`data_streams::pickle`] understands the instructions that data are written in, and `dialect` has the
//! fourteen names that a dict of tensors takes from Python (`collections.OrderedDict`, `torch.FloatStorage`...); every other
//! instruction or name is an error that says which. Two forms of file: a zip archive (`archive`), since PyTorch 1.6, and
//! pickles one after another (`legacy`), before.
//!
//! Nothing that a file claims allocates memory: tensors are views of its own bytes, and a view that would reach beyond its
//! storage is refused when the file is read.

mod archive;
mod dialect;
mod error;
mod legacy;
mod storage;
#[cfg(test)]
mod tests;

use std::{collections::BTreeMap, fs, io, ops::Range, path::Path, rc::Rc};

use safetensors::Dtype;
use sha2::{Digest, Sha256};

pub use self::error::StateDictError;
use self::{
    dialect::{Object, Torch, Value},
    storage::View,
};

/// No state dict that is read here is nearly as large.
const MOST_BYTES: u64 = 2 << 30;

/// Where the numbers of each storage stand in the file.
type Storages = BTreeMap<Rc<str>, Range<usize>>;

/// The tensors by their names.
type Views = BTreeMap<Rc<str>, Rc<View>>;

/// A file with a dict of tensors.
#[derive(Debug)]
pub struct StateDict {
    bytes: Vec<u8>,
    storages: Storages,
    views: Views,
}

impl StateDict {
    /// Reads a file of `torch.save(module.state_dict(), file)`.
    ///
    /// # Errors
    /// [`StateDictError`] for a file that cannot be read, is damaged, or holds anything but a dict of tensors.
    pub fn read(path: &Path) -> Result<Self, StateDictError> {
        let metadata = fs::metadata(path)?;
        // A device or a pipe may never end.
        if !metadata.is_file() {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "it is not a regular file").into());
        }
        let size = metadata.len();
        if size > MOST_BYTES {
            return Err(StateDictError::Large { bytes: size, most: MOST_BYTES });
        }
        Self::parse(fs::read(path)?)
    }

    fn parse(bytes: Vec<u8>) -> Result<Self, StateDictError> {
        let (views, storages) = if bytes.starts_with(b"PK") {
            archive::parse(&bytes)?
        } else if bytes.starts_with(&legacy::MAGIC) {
            legacy::parse(&bytes)?
        } else {
            return Err(StateDictError::Unknown);
        };
        for (name, view) in &views {
            let there = storages.get(&view.storage.key).map_or(0, ExactSizeIterator::len);
            view.check(there).map_err(|problem| StateDictError::tensor(name, problem))?;
        }
        Ok(Self { bytes, storages, views })
    }

    /// The names of the tensors, sorted.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.views.keys().map(|name| &**name)
    }

    /// Type and shape of a tensor.
    pub fn form(&self, name: &str) -> Option<(Dtype, &[usize])> {
        self.views.get(name).map(|view| (view.storage.dtype, &*view.shape))
    }

    /// The numbers of a tensor in the order of its shape, the last dimension fastest, as little-endian bytes.
    pub fn data(&self, name: &str) -> Option<Vec<u8>> {
        let view = self.views.get(name)?;
        let range = self.storages.get(&view.storage.key)?;
        Some(view.gather(self.bytes.get(range.clone())?))
    }

    /// The SHA-256 of the file, in hexadecimal digits.
    pub fn sha256(&self) -> String {
        Sha256::digest(&self.bytes).iter().map(|byte| format!("{byte:02x}")).collect()
    }
}

/// The dict of tensors that the file is expected to be.
fn tensors(object: Value<'_>) -> Result<Views, StateDictError> {
    let Value::Dict(dict) = object else {
        let kind = object.kind::<Torch>();
        return Err(StateDictError::Content(format!("expected a dict of tensors, found {kind}")));
    };
    let mut views = BTreeMap::new();
    for (key, value) in dict.items {
        match (key, value) {
            (Value::Text(name), Value::Object(Object::Tensor(view))) => views.insert(name, view),
            (Value::Text(name), other) => {
                return Err(StateDictError::tensor(
                    &name,
                    format!("it is {}, no tensor", other.kind::<Torch>()),
                ));
            }
            (key, _) => {
                let problem = format!("a key of the dict is {}, expected text", key.kind::<Torch>());
                return Err(StateDictError::Content(problem));
            }
        };
    }
    Ok(views)
}
