//! Files of the world: gzipped or not, and never larger in memory than they may be.

use std::{
    fs::File,
    io::{BufReader, Read},
    path::Path,
};

use flate2::read::MultiGzDecoder;

use crate::DataError;

/// The file's bytes, decompressed if they are gzipped, whatever the name says.
pub(super) fn open(path: &Path) -> Result<Box<dyn Read>, DataError> {
    let io = |source| DataError::Io { path: path.to_owned(), source };
    let mut start = [0; 2];
    let read = File::open(path).map_err(io)?.read(&mut start).map_err(io)?;
    let file = BufReader::new(File::open(path).map_err(io)?);
    let gzipped = read == 2 && start == [0x1f, 0x8b];
    Ok(if gzipped { Box::new(MultiGzDecoder::new(file)) } else { Box::new(file) })
}

/// Reads the rest of a file, which should be `expected` bytes and is read to one more at most.
///
/// Memory for all of it is taken at once where the file on the disk could well hold that much, so that no buffer is
/// outgrown and left behind; a claim beyond that costs nothing, since the buffer then grows with what is there.
pub(super) fn read_expected(
    path: &Path,
    reader: &mut dyn Read,
    expected: usize,
    bytes: &mut Vec<u8>,
) -> std::io::Result<()> {
    let on_disk = usize::try_from(std::fs::metadata(path)?.len()).unwrap_or(usize::MAX);
    bytes.reserve_exact((expected + 1).min(on_disk.saturating_mul(LIKELY_COMPRESSION)));
    reader.take(expected as u64 + 1).read_to_end(bytes).map(drop)
}

/// Images of the published sets are compressed to a fifth at best.
const LIKELY_COMPRESSION: usize = 8;

/// All of a file that holds at most `most` bytes.
pub(super) fn read_all(path: &Path, most: usize) -> Result<Vec<u8>, DataError> {
    let format = |problem: String| DataError::Format { path: path.to_owned(), problem };
    let mut bytes = Vec::new();
    open(path)?
        .take(most as u64 + 1)
        .read_to_end(&mut bytes)
        .map_err(|e| format(format!("truncated or damaged after {} bytes: {e}", bytes.len())))?;
    if bytes.len() > most {
        return Err(format(format!("more than {most} bytes: not a file of this data set")));
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_may_have_as_many_bytes_as_are_allowed_and_no_more() {
        let scratch = tempfile::tempdir().unwrap();
        let path = scratch.path().join("four");
        std::fs::write(&path, [1, 2, 3, 4]).unwrap();
        assert_eq!(read_all(&path, 4).unwrap(), [1, 2, 3, 4]);
        let refused = read_all(&path, 3).unwrap_err().to_string();
        assert!(refused.contains("more than 3 bytes"), "{refused}");
    }
}
