//! The pages of a column chunk, decompressed (parquet-format, `README.md` and `src/main/thrift/parquet.thrift`).
//!
//! A page may be as large as its compressed bytes can make it, whatever its header claims.

use std::io::Read;

use flate2::read::MultiGzDecoder;

use super::thrift::{Value, read_struct};

/// Values of a page's header, statistics included.
const HEADER_VALUES: usize = 256;
/// A page that is larger than this is refused.
const LARGEST_PAGE: usize = 1 << 30;
/// More than Snappy makes of a byte: a copy of at most 64 bytes takes three.
const SNAPPY_RATIO: usize = 32;

/// How the pages of a column are compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Codec {
    /// Not at all.
    None,
    /// Google's Snappy, the usual one.
    Snappy,
    /// gzip.
    Gzip,
}

impl Codec {
    /// By the number of `CompressionCodec`.
    pub(super) fn of(number: i64) -> Result<Self, String> {
        const OTHERS: [&str; 5] = ["LZO", "Brotli", "LZ4", "Zstandard", "raw LZ4"];
        match number {
            0 => Ok(Self::None),
            1 => Ok(Self::Snappy),
            2 => Ok(Self::Gzip),
            n => {
                let other = usize::try_from(n - 3).ok().and_then(|n| OTHERS.get(n));
                let other = other.map_or_else(|| format!("codec {n}"), |name| (*name).to_owned());
                Err(format!("its columns are compressed by {other}: expected Snappy, gzip or none"))
            }
        }
    }

    fn decompress(self, bytes: &[u8], size: usize) -> Result<Vec<u8>, String> {
        let damaged = |e: String| format!("damaged: a page cannot be decompressed: {e}");
        let page = match self {
            Self::None => bytes.to_vec(),
            // Some writers leave an empty page empty.
            _ if size == 0 => Vec::new(),
            Self::Snappy => {
                let claimed = snap::raw::decompress_len(bytes).map_err(|e| damaged(e.to_string()))?;
                if claimed != size || claimed > bytes.len().saturating_mul(SNAPPY_RATIO) {
                    return Err(damaged(format!("{} bytes cannot be {claimed}", bytes.len())));
                }
                snap::raw::Decoder::new().decompress_vec(bytes).map_err(|e| damaged(e.to_string()))?
            }
            Self::Gzip => {
                let mut page = Vec::new();
                let read = MultiGzDecoder::new(bytes).take(size as u64 + 1).read_to_end(&mut page);
                read.map_err(|e| damaged(e.to_string()))?;
                page
            }
        };
        if page.len() == size { Ok(page) } else { Err(damaged(format!("its header claims {size} bytes"))) }
    }
}

/// A page of a column chunk.
#[derive(Debug)]
pub(super) struct Page {
    /// The content of the page.
    pub kind: Kind,
    /// Values in it, nulls included.
    pub count: usize,
    /// The number of `Encoding`.
    pub encoding: i64,
    /// Where repetition and definition levels are, and the values after them.
    pub layout: Layout,
    /// Its content.
    pub bytes: Vec<u8>,
}

/// The kinds of pages that are read; others are passed over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Data,
    Dictionary,
}

/// Where the levels of a page are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Layout {
    /// Each kind of levels that a column has begins with its length in four bytes.
    Prefixed,
    /// So many bytes of repetition levels, then so many of definition levels.
    Given(usize, usize),
}

/// Numbers of `PageType`.
const DATA: i64 = 0;
const DICTIONARY: i64 = 2;
const DATA_V2: i64 = 3;

/// Takes the next page from the beginning of a chunk's bytes; none for a page of another kind.
pub(super) fn next(chunk: &mut &[u8], codec: Codec) -> Result<Option<Page>, String> {
    let damaged = || "damaged: a page has no header that can be read".to_owned();
    let (header, length) = read_struct(chunk, HEADER_VALUES).ok_or_else(damaged)?;
    let size = header.size(2).filter(|size| *size <= LARGEST_PAGE).ok_or_else(damaged)?;
    let compressed = header.size(3).ok_or_else(damaged)?;
    let (body, rest) = chunk[length..].split_at_checked(compressed).ok_or_else(damaged)?;
    *chunk = rest;
    let (kind, details) = match header.int(1).ok_or_else(damaged)? {
        DATA => (Kind::Data, header.field(5)),
        DICTIONARY => (Kind::Dictionary, header.field(7)),
        DATA_V2 => return second_version(&header, body, size, codec).map(Some),
        _ => return Ok(None),
    };
    let details = details.ok_or_else(damaged)?;
    let (count, encoding) = (details.size(1).ok_or_else(damaged)?, details.int(2).ok_or_else(damaged)?);
    let bytes = codec.decompress(body, size)?;
    Ok(Some(Page { kind, count, encoding, layout: Layout::Prefixed, bytes }))
}

/// A data page of version 2, whose levels are not compressed.
fn second_version(header: &Value<'_>, body: &[u8], size: usize, codec: Codec) -> Result<Page, String> {
    let damaged = || "damaged: a data page has no header that can be read".to_owned();
    let details = header.field(8).ok_or_else(damaged)?;
    let (definition, repetition) = details.size(5).zip(details.size(6)).ok_or_else(damaged)?;
    let levels = definition.checked_add(repetition).filter(|levels| *levels <= size).ok_or_else(damaged)?;
    let (levels, values) = body.split_at_checked(levels).ok_or_else(damaged)?;
    let codec = if details.int(7) == Some(0) { Codec::None } else { codec };
    let values = codec.decompress(values, size - levels.len())?;
    Ok(Page {
        kind: Kind::Data,
        count: details.size(1).ok_or_else(damaged)?,
        encoding: details.int(4).ok_or_else(damaged)?,
        layout: Layout::Given(repetition, definition),
        bytes: [levels, &values].concat(),
    })
}
