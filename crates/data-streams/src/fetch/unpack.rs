//! Unpacks the wanted files of an archive, each by its name alone, so that nothing can be written elsewhere.

use std::{
    fs::{self, File},
    io::{BufReader, Read, copy},
    path::{Path, PathBuf},
};

use flate2::read::GzDecoder;

use crate::{Archive, DataError, Unpack, error::shortened};

/// A file in an archive may not be larger than this.
const MOST_BYTES: u64 = 2 << 30;

/// Unpacks the members into `dir` and removes the archive.
///
/// All else in the archive is passed over: links, directories, other names. A member is written to its own name in
/// `dir`, whatever its path in the archive says.
///
/// # Errors
/// [`DataError::Io`]; [`DataError::Format`] for an archive that is damaged, lacks a member, or holds one of more than
/// 2 GiB.
pub fn unpack(path: &Path, unpack: &Unpack, dir: &Path) -> Result<Vec<PathBuf>, DataError> {
    let format = |problem: String| DataError::Format { path: path.to_owned(), problem };
    let open = || File::open(path).map_err(|source| DataError::Io { path: path.to_owned(), source });
    match unpack.archive {
        Archive::TarGz => {
            let mut archive = tar::Archive::new(GzDecoder::new(BufReader::new(open()?)));
            let damaged = |e: std::io::Error| format(format!("damaged: {e}"));
            // Headers as they stand: long names and other extensions would be read into memory, however long they claim
            // to be, and no member needs them.
            for entry in archive.entries().map_err(damaged)?.raw(true) {
                let mut entry = entry.map_err(damaged)?;
                let name = entry.path().map_err(damaged)?.into_owned();
                if entry.header().entry_type().is_file() && is_member(&name, unpack) {
                    write(&mut entry, &name, dir, path)?;
                }
            }
        }
        Archive::Zip => {
            let mut archive = zip::ZipArchive::new(BufReader::new(open()?))
                .map_err(|e| format(format!("not a zip: {e}")))?;
            for i in 0..archive.len() {
                let mut entry = archive.by_index(i).map_err(|e| format(format!("damaged: {e}")))?;
                let name = PathBuf::from(entry.name());
                if entry.is_file() && is_member(&name, unpack) {
                    write(&mut entry, &name, dir, path)?;
                }
            }
        }
    }
    let members: Vec<PathBuf> = unpack.members.iter().map(|name| dir.join(name)).collect();
    if let Some(missing) = members.iter().find(|member| !member.is_file()) {
        return Err(format(format!("there is no {} in it", missing.display())));
    }
    fs::remove_file(path).map_err(|source| DataError::Io { path: path.to_owned(), source })?;
    Ok(members)
}

fn is_member(name: &Path, unpack: &Unpack) -> bool {
    let name = name.file_name().and_then(|name| name.to_str());
    name.is_some_and(|name| unpack.members.iter().any(|member| member == name))
}

/// Writes one file under another name first, so that it is never half there.
fn write(from: &mut impl Read, name: &Path, dir: &Path, archive: &Path) -> Result<(), DataError> {
    let path = dir.join(name.file_name().unwrap_or_default());
    let part = path.with_added_extension("part");
    let io = |source| DataError::Io { path: part.clone(), source };
    let format = |problem: String| DataError::Format { path: archive.to_owned(), problem };
    let mut file = File::create(&part).map_err(io)?;
    let problem = match copy(&mut from.take(MOST_BYTES + 1), &mut file) {
        Ok(copied) if copied > MOST_BYTES => format!("larger than {MOST_BYTES} bytes"),
        Ok(_) => String::new(),
        Err(error) => format!("cannot be unpacked: {error}"),
    };
    if !problem.is_empty() {
        fs::remove_file(&part).map_err(io)?;
        return Err(format(format!("{}: {problem}", shortened(&name.to_string_lossy()))));
    }
    file.sync_all().map_err(io)?;
    fs::rename(&part, &path).map_err(io)
}
