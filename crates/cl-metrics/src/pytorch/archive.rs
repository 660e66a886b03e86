//! The form since PyTorch 1.6: a zip archive of `NAME/data.pkl` and, for each storage, `NAME/data/KEY`. `torch.save`
//! compresses nothing, so that a storage is a range of the file's bytes; a compressed member is refused, since it could
//! unpack to any size.

use std::io::{self, Cursor, Read};

use data_streams::pickle::Machine;
use zip::{CompressionMethod, ZipArchive, read::ZipFile};

use super::{Storages, Views, dialect::Torch, error::StateDictError, tensors};

/// Bytes of the pickle; a storage's are bounded by the file.
const MOST_PICKLE: u64 = 64 << 20;

type Archive<'a> = ZipArchive<Cursor<&'a [u8]>>;

pub(super) fn parse(bytes: &[u8]) -> Result<(Views, Storages), StateDictError> {
    let mut archive = ZipArchive::new(Cursor::new(bytes)).map_err(damaged)?;
    let root = archive
        .file_names()
        .find_map(|name| name.strip_suffix("data.pkl").filter(|root| root.ends_with('/')))
        .map(str::to_owned)
        .ok_or_else(|| StateDictError::Archive("it has no data.pkl".into()))?;
    check_order(&mut archive, &root)?;
    let mut pickle = Vec::new();
    let member = member(&mut archive, &format!("{root}data.pkl"))?;
    if member.size() > MOST_PICKLE {
        return Err(StateDictError::Archive(format!("its data.pkl has more than {MOST_PICKLE} bytes")));
    }
    member.take(MOST_PICKLE).read_to_end(&mut pickle).map_err(damaged)?;
    let mut machine = Machine::new(&pickle, 0, Torch::default());
    let object = machine.run()?;
    let (mut storages, mut total) = (Storages::new(), 0_u64);
    for storage in &machine.dialect().storages {
        if storages.contains_key(&storage.key) {
            continue;
        }
        let name = format!("{root}data/{}", storage.key);
        let mut member = self::member(&mut archive, &name)?;
        total = total.saturating_add(member.size());
        if total > bytes.len() as u64 {
            return Err(damaged("its members overlap"));
        }
        // To the end, where the checksum is compared.
        let size = io::copy(&mut member, &mut io::sink()).map_err(|e| damaged(format!("{name}: {e}")))?;
        let range = member.data_start().and_then(|start| {
            let (start, size) = (usize::try_from(start).ok()?, usize::try_from(size).ok()?);
            Some(start..start.checked_add(size).filter(|&end| end <= bytes.len())?)
        });
        let range = range.ok_or_else(|| damaged(format!("{name} is not where it is said to be")))?;
        storages.insert(storage.key.clone(), range);
    }
    Ok((tensors(object)?, storages))
}

/// A member that is stored as it is.
fn member<'z, 'a>(
    archive: &'z mut Archive<'a>,
    name: &str,
) -> Result<ZipFile<'z, Cursor<&'a [u8]>>, StateDictError> {
    let member = archive.by_name(name).map_err(|e| damaged(format!("{name}: {e}")))?;
    match member.compression() {
        CompressionMethod::Stored => Ok(member),
        other => Err(damaged(format!("{name} is compressed ({other}), as torch.save writes nothing"))),
    }
}

/// Files of PyTorch before 2.1 do not say in which order their bytes are.
fn check_order(archive: &mut Archive<'_>, root: &str) -> Result<(), StateDictError> {
    let name = format!("{root}byteorder");
    if archive.index_for_name(&name).is_none() {
        return Ok(());
    }
    let mut order = String::new();
    member(archive, &name)?.take(16).read_to_string(&mut order).map_err(damaged)?;
    if order.trim() == "little" { Ok(()) } else { Err(damaged(format!("its byte order is \"{order}\""))) }
}

fn damaged(problem: impl std::fmt::Display) -> StateDictError {
    StateDictError::Archive(problem.to_string())
}
