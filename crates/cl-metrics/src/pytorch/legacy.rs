//! The form before PyTorch 1.6, and that of `_use_new_zipfile_serialization=False`: a magic number, the protocol, the
//! machine that wrote it, the object, the keys of its storages (each a pickle), and the storages in the order of the keys,
//! each its count of numbers as eight bytes and then the numbers.

use std::{collections::BTreeMap, rc::Rc};

use data_streams::pickle::Machine;

use super::{
    Storages, Views,
    dialect::{Torch, Value},
    error::StateDictError,
    storage::Storage,
    tensors,
};

/// The first pickle: the number 0x1950a86a20f9469cfc6c.
pub(super) const MAGIC: [u8; 15] =
    [0x80, 2, 0x8a, 10, 0x6c, 0xfc, 0x9c, 0x46, 0xf9, 0x20, 0x6a, 0xa8, 0x50, 0x19, b'.'];
/// The second pickle: the only version that there was.
const PROTOCOL: i64 = 1001;
/// Bytes of a storage's count.
const COUNT: usize = 8;

pub(super) fn parse(bytes: &[u8]) -> Result<(Views, Storages), StateDictError> {
    let mut machine = Machine::new(bytes, MAGIC.len(), Torch::default());
    let protocol = machine.run()?;
    if !matches!(protocol, Value::Int(PROTOCOL)) {
        return Err(StateDictError::Content("PyTorch's older form, but of an unknown version".into()));
    }
    if !is_little_endian(&machine.run()?) {
        let problem = "written on a machine that is not known to be little-endian";
        return Err(StateDictError::Content(problem.into()));
    }
    let object = machine.run()?;
    let known: BTreeMap<Rc<str>, Rc<Storage>> = machine
        .dialect()
        .storages
        .iter()
        .map(|storage| (Rc::clone(&storage.key), Rc::clone(storage)))
        .collect();
    let Value::List(keys) = machine.run()? else {
        return Err(StateDictError::Content("the list of its storages is missing".into()));
    };
    let (mut storages, mut at) = (Storages::new(), machine.at());
    for key in keys.items.iter() {
        let storage = match key {
            Value::Text(key) => known.get(key),
            _ => None,
        };
        let Some(storage) = storage else {
            return Err(StateDictError::Content("it lists a storage that no tensor has".into()));
        };
        let cut = StateDictError::Cut { at: bytes.len(), within: "the numbers of a tensor" };
        let Some((count, rest)) = bytes.get(at..).and_then(|rest| rest.split_first_chunk::<COUNT>()) else {
            return Err(cut);
        };
        if u64::from_le_bytes(*count) != storage.count as u64 {
            let problem = format!("storage {} has another number of numbers than is said", storage.key);
            return Err(StateDictError::Content(problem));
        }
        let size = storage.bytes().filter(|&size| size <= rest.len()).ok_or(cut)?;
        storages.insert(Rc::clone(&storage.key), at + COUNT..at + COUNT + size);
        at += COUNT + size;
    }
    Ok((tensors(object)?, storages))
}

fn is_little_endian(machine: &Value<'_>) -> bool {
    let Value::Dict(dict) = machine else { return false };
    dict.items.iter().any(|(key, value)| {
        matches!((key, value), (Value::Text(key), Value::Bool(true)) if &**key == "little_endian")
    })
}
