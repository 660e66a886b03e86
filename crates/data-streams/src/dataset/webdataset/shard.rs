//! The files in a tar, one after another, each with its whole name and as many bytes as are there.

use std::{
    fs::File,
    io::{BufReader, Read},
    path::Path,
};

use flate2::bufread::MultiGzDecoder;
use tar::{Archive, Entry, EntryType};

use crate::DataError;

/// A longer name is no name of a picture.
const LONGEST_NAME: usize = 1024;
/// Headers that only say more of the file after them are passed over beyond this.
const LARGEST_HEADER: u64 = 1 << 16;

/// Gives the content of a file, unless it has more than so many bytes.
type Content<'a> = dyn FnMut(u64) -> Result<Vec<u8>, DataError> + 'a;

/// Visits the regular files of a tar, gzipped or not, with their names, in their order.
///
/// # Errors
/// [`DataError::Io`] and [`DataError::Format`] for a tar that cannot be read, and what the visitor says.
pub(super) fn members(
    path: &Path,
    visit: &mut dyn FnMut(&str, &mut Content<'_>) -> Result<(), DataError>,
) -> Result<(), DataError> {
    let io = |source| DataError::Io { path: path.to_owned(), source };
    let format = |problem: String| DataError::Format { path: path.to_owned(), problem };
    let damaged = |e: std::io::Error| format(format!("not a tar, or damaged: {e}"));
    let file = BufReader::new(File::open(path).map_err(io)?);
    let gzipped = path.extension().is_some_and(|end| end == "gz" || end == "tgz");
    let reader: Box<dyn Read> = if gzipped { Box::new(MultiGzDecoder::new(file)) } else { Box::new(file) };
    let mut archive = Archive::new(reader);
    let mut long = None;
    // Headers as they stand: a long name is read here, within bounds.
    for entry in archive.entries().map_err(damaged)?.raw(true) {
        let mut entry = entry.map_err(damaged)?;
        match entry.header().entry_type() {
            EntryType::XHeader | EntryType::GNULongName => {
                long = long_name(&mut entry).map_err(damaged)?.or(long);
            }
            kind if kind.is_file() => {
                let own = long.take().unwrap_or_else(|| entry.path_bytes().into_owned());
                let name = std::str::from_utf8(&own).ok().filter(|name| name.len() <= LONGEST_NAME);
                let unnamed =
                    || format(format!("a file whose name is not UTF-8, or above {LONGEST_NAME} bytes"));
                let name = name.ok_or_else(unnamed)?.trim_start_matches("./").to_owned();
                let mut content = |most: u64| {
                    let mut bytes = Vec::new();
                    entry.by_ref().take(most + 1).read_to_end(&mut bytes).map_err(damaged)?;
                    let size = entry.header().size().map_err(damaged)?;
                    match bytes.len() as u64 {
                        length if length > most => Err(format(format!("a file of more than {most} bytes"))),
                        length if length < size => Err(format("damaged: it ends within a file".into())),
                        _ => Ok(bytes),
                    }
                };
                visit(&name, &mut content)?;
            }
            _ => long = None,
        }
    }
    Ok(())
}

/// The name that a header gives to the file after it: GNU's, or the record `path` of POSIX's extended header.
fn long_name(entry: &mut Entry<'_, impl Read>) -> std::io::Result<Option<Vec<u8>>> {
    let is_gnu = entry.header().entry_type() == EntryType::GNULongName;
    let mut bytes = Vec::new();
    entry.by_ref().take(LARGEST_HEADER).read_to_end(&mut bytes)?;
    if is_gnu {
        let end = bytes.iter().position(|byte| *byte == 0).unwrap_or(bytes.len());
        bytes.truncate(end);
        return Ok(Some(bytes));
    }
    Ok(extended_path(&bytes).map(<[u8]>::to_vec))
}

/// The value of `path` in records `LENGTH KEY=VALUE\n`, each as long as it says (POSIX.1-2001, pax).
fn extended_path(mut records: &[u8]) -> Option<&[u8]> {
    let mut found = None;
    while !records.is_empty() {
        let space = records.iter().position(|byte| *byte == b' ')?;
        let length: usize = std::str::from_utf8(&records[..space]).ok()?.parse().ok()?;
        let (record, rest) = records.split_at_checked(length)?;
        let record = record.get(space + 1..)?.strip_suffix(b"\n")?;
        found = record.strip_prefix(b"path=").or(found);
        records = rest;
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_path_of_an_extended_header_is_found() {
        assert_eq!(extended_path(b"20 mtime=1700000.25\n14 path=a/b.c\n"), Some(&b"a/b.c"[..]));
        assert_eq!(extended_path(b"20 mtime=1700000.25\n"), None);
        for damaged in [&b"9 path=a/b.c\n"[..], b"path=a\n", b"99 path=a\n", b"3 a", b"0 x=y\n"] {
            assert_eq!(extended_path(damaged), None);
        }
    }
}
