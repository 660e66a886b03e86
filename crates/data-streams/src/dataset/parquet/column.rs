//! The values of a flat column of bytes or integers, row by row.
//!
//! Encodings are `PLAIN` and the two names of dictionaries: what every writer makes of bytes and of integers unless it is
//! told otherwise.

use super::{
    footer::{Kind as Type, Leaf},
    levels,
    pages::{Codec, Kind, Layout, Page, next},
};
use crate::error::shortened;

/// A column chunk that is larger than this, decompressed, is refused.
const LARGEST_CHUNK: usize = 1 << 31;

/// Numbers of `Encoding`.
const PLAIN: i64 = 0;
const PLAIN_DICTIONARY: i64 = 2;
const RLE_DICTIONARY: i64 = 8;

/// The values of a column in a row group.
#[derive(Debug, Default)]
pub(super) struct Column {
    pages: Vec<Vec<u8>>,
    values: Vec<Option<Span>>,
}

/// A value: bytes of a page.
#[derive(Debug, Clone, Copy)]
struct Span {
    page: u32,
    start: u32,
    length: u32,
}

impl Column {
    /// Reads a column chunk of so many rows.
    ///
    /// # Errors
    /// In words, for a chunk that is damaged, is encoded in another way, or has another number of rows.
    pub(super) fn read(mut chunk: &[u8], leaf: &Leaf, codec: Codec, rows: usize) -> Result<Self, String> {
        let mut column = Self::default();
        let (mut dictionary, mut total) = (None, 0);
        while column.values.len() < rows && !chunk.is_empty() {
            let Some(page) = next(&mut chunk, codec)? else { continue };
            total += page.bytes.len();
            if total > LARGEST_CHUNK {
                return Err(format!("a column of a row group is larger than {LARGEST_CHUNK} bytes"));
            }
            if page.kind == Kind::Dictionary {
                let spans = plain(&page.bytes, leaf.kind, page.count, column.pages.len());
                dictionary = Some(spans.ok_or("damaged: a dictionary is shorter than it claims")?);
            } else if page.count > rows - column.values.len() {
                return Err(format!("damaged: a column has more values than its {rows} rows"));
            } else {
                let spans = column.data(&page, leaf, dictionary.as_deref())?;
                column.values.extend(spans);
            }
            column.pages.push(page.bytes);
        }
        match column.values.len() {
            found if found == rows => Ok(column),
            found => Err(format!("damaged: a column has {found} values for {rows} rows")),
        }
    }

    /// The value of a row; none where it is null.
    pub(super) fn get(&self, row: usize) -> Option<&[u8]> {
        let Span { page, start, length } = (*self.values.get(row)?)?;
        let start = start as usize;
        self.pages.get(page as usize)?.get(start..start + length as usize)
    }

    fn data(
        &self,
        page: &Page,
        leaf: &Leaf,
        dictionary: Option<&[Span]>,
    ) -> Result<Vec<Option<Span>>, String> {
        let damaged = || "damaged: a data page ends before its last value".to_owned();
        let (present, start) = present(page, leaf.definition).ok_or_else(damaged)?;
        let count = present.iter().filter(|present| **present).count();
        let body = &page.bytes[start..];
        let spans = match page.encoding {
            PLAIN => {
                let mut spans = plain(body, leaf.kind, count, self.pages.len()).ok_or_else(damaged)?;
                spans.iter_mut().for_each(|span| span.start += start as u32);
                spans
            }
            PLAIN_DICTIONARY | RLE_DICTIONARY => {
                let dictionary = dictionary.ok_or("damaged: a data page lacks its dictionary")?;
                indexed(body, dictionary, count).ok_or_else(damaged)?
            }
            other => {
                let name = shortened(&leaf.name());
                return Err(format!("column {name} has encoding {other}: expected PLAIN or a dictionary"));
            }
        };
        let mut spans = spans.into_iter();
        Ok(present.into_iter().map(|present| if present { spans.next() } else { None }).collect())
    }
}

/// For each row of a data page, whether it has a value; and the offset at which the values begin.
fn present(page: &Page, highest: u32) -> Option<(Vec<bool>, usize)> {
    let (levels, start) = match page.layout {
        Layout::Given(repetition, definition) => {
            (page.bytes.get(repetition..repetition + definition)?, repetition + definition)
        }
        Layout::Prefixed if highest == 0 => (&[][..], 0),
        Layout::Prefixed => {
            let (length, rest) = page.bytes.split_first_chunk::<4>()?;
            let length = u32::from_le_bytes(*length) as usize;
            (rest.get(..length)?, 4 + length)
        }
    };
    if highest == 0 {
        return Some((vec![true; page.count], start));
    }
    let levels = levels::decode(levels, u32::BITS - highest.leading_zeros(), page.count)?;
    Some((levels.into_iter().map(|level| level == highest).collect(), start))
}

/// Values one after another, in page `page`.
fn plain(bytes: &[u8], kind: Type, count: usize, page: usize) -> Option<Vec<Span>> {
    let (mut spans, mut at) = (Vec::new(), 0_usize);
    let page = u32::try_from(page).ok()?;
    for _ in 0..count {
        let length = match kind {
            Type::Int32 => 4,
            Type::Int64 => 8,
            // Each after its length in four bytes.
            Type::Bytes => {
                let length = bytes.get(at..)?.first_chunk::<4>()?;
                at += 4;
                u32::from_le_bytes(*length) as usize
            }
            Type::Other => return None,
        };
        bytes.get(at..)?.get(..length)?;
        spans.push(Span { page, start: u32::try_from(at).ok()?, length: length as u32 });
        at += length;
    }
    Some(spans)
}

/// Values by their indices in a dictionary, whose width is in the first byte.
fn indexed(bytes: &[u8], dictionary: &[Span], count: usize) -> Option<Vec<Span>> {
    if count == 0 {
        return Some(Vec::new());
    }
    let (width, bytes) = bytes.split_first()?;
    let indices = levels::decode(bytes, u32::from(*width), count)?;
    indices.into_iter().map(|index| dictionary.get(index as usize).copied()).collect()
}
