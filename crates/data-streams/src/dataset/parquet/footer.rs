//! The footer of a Parquet file: its columns, its row groups, and what `datasets` notes of its features.

use std::{
    fs::File,
    io::{Read, Seek, SeekFrom},
};

use super::{
    column::Column,
    pages::Codec,
    thrift::{Value, read_struct},
};

const MAGIC: &[u8; 4] = b"PAR1";
/// A footer that is larger than this is refused.
const LARGEST_FOOTER: u64 = 1 << 26;
/// Values in a footer; each takes some forty bytes of memory.
const MOST_VALUES: usize = 1 << 22;
/// Columns of a file, groups within groups, and bytes of a name: every leaf copies the names above it.
const MOST_LEAVES: usize = 10_000;
const DEEPEST: usize = 32;
const LONGEST_NAME: usize = 256;
/// The key under which `datasets` keeps features.
const HUGGINGFACE: &[u8] = b"huggingface";

/// A Parquet file whose footer is read.
#[derive(Debug)]
pub(super) struct ParquetFile {
    file: File,
    length: u64,
    /// Its columns.
    pub leaves: Vec<Leaf>,
    /// Its row groups.
    pub groups: Vec<Group>,
    /// The JSON that `datasets` wrote.
    pub huggingface: Option<String>,
}

/// A column: a leaf of the schema.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Leaf {
    /// Its names from the root on.
    pub path: Vec<String>,
    /// Definition level of a value that is there.
    pub definition: u32,
    /// Whether it is in a list.
    pub repeated: bool,
    /// The type of its values.
    pub kind: Kind,
}

/// The types of values that are told apart here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// Integers of 32 bits.
    Int32,
    /// Integers of 64 bits.
    Int64,
    /// Bytes or text of any length.
    Bytes,
    /// Anything else, which is not read.
    Other,
}

impl Leaf {
    /// Its names with dots between.
    pub(super) fn name(&self) -> String {
        self.path.join(".")
    }
}

/// A row group.
#[derive(Debug, Clone)]
pub(super) struct Group {
    /// How many rows it has.
    pub rows: usize,
    chunks: Vec<Option<Chunk>>,
}

/// Where the pages of a column are.
#[derive(Debug, Clone, Copy)]
struct Chunk {
    start: u64,
    length: u64,
    codec: i64,
}

impl ParquetFile {
    /// Reads the footer of a file.
    ///
    /// # Errors
    /// In words, for a file that cannot be read or is none of Parquet's.
    pub(super) fn open(mut file: File) -> Result<Self, String> {
        let length = file.seek(SeekFrom::End(0)).map_err(|e| e.to_string())?;
        let none = || "not a Parquet file: it does not end in PAR1".to_owned();
        let tail = length.checked_sub(8).ok_or_else(none)?;
        let end = read_at(&mut file, tail, 8)?;
        let (size, magic) = end.split_first_chunk::<4>().ok_or_else(none)?;
        if magic == b"PARE" {
            return Err("its footer is encrypted".into());
        }
        if magic != MAGIC {
            return Err(none());
        }
        let size = u64::from(u32::from_le_bytes(*size));
        if size > LARGEST_FOOTER {
            return Err(format!("its footer has {size} bytes: expected at most {LARGEST_FOOTER}"));
        }
        let start = tail.checked_sub(size).ok_or("damaged: its footer is longer than the file")?;
        let footer = read_at(&mut file, start, size)?;
        let (footer, _) = read_struct(&footer, MOST_VALUES).ok_or("damaged: its footer cannot be read")?;
        let leaves = leaves(footer.list(2)).ok_or("damaged: its schema cannot be read")?;
        let groups = footer.list(4).iter().map(|group| Group::of(group, leaves.len()));
        let groups = groups.collect::<Option<_>>().ok_or("damaged: a row group cannot be read")?;
        let is_features = |entry: &&Value<'_>| entry.bytes(1) == Some(HUGGINGFACE);
        let huggingface = footer.list(5).iter().find(is_features).and_then(|entry| entry.text(2));
        let huggingface = huggingface.map(str::to_owned);
        Ok(Self { file, length, leaves, groups, huggingface })
    }

    /// Reads a column of a row group.
    ///
    /// # Errors
    /// As [`Column::read`], and for a file that cannot be read.
    pub(super) fn column(&mut self, group: usize, leaf: usize) -> Result<Column, String> {
        let Group { rows, chunks } = &self.groups[group];
        let chunk = chunks[leaf].ok_or("damaged: a column has no place in the file")?;
        if chunk.start.checked_add(chunk.length).is_none_or(|end| end > self.length) {
            return Err("damaged: a column lies beyond the end of the file".into());
        }
        let codec = Codec::of(chunk.codec)?;
        let bytes = read_at(&mut self.file, chunk.start, chunk.length)?;
        Column::read(&bytes, &self.leaves[leaf], codec, *rows)
    }
}

/// As many bytes as are there.
fn read_at(file: &mut File, start: u64, length: u64) -> Result<Vec<u8>, String> {
    let mut bytes = Vec::new();
    file.seek(SeekFrom::Start(start)).map_err(|e| e.to_string())?;
    file.take(length).read_to_end(&mut bytes).map_err(|e| e.to_string())?;
    Ok(bytes)
}

impl Group {
    fn of(group: &Value<'_>, leaves: usize) -> Option<Self> {
        let chunks: Vec<Option<Chunk>> = group.list(1).iter().map(Chunk::of).collect();
        (chunks.len() == leaves).then_some(Self { rows: group.size(3)?, chunks })
    }
}

impl Chunk {
    fn of(chunk: &Value<'_>) -> Option<Self> {
        let details = chunk.field(3)?;
        let position = |number| details.int(number).and_then(|at| u64::try_from(at).ok());
        let data = position(9)?;
        // Some writers note 0 where there is no dictionary.
        let start = position(11).filter(|at| *at > 0).map_or(data, |dictionary| dictionary.min(data));
        Some(Self { start, length: position(7)?, codec: details.int(4)? })
    }
}

/// The leaves of a schema, whose elements come in the order in which a walk enters them.
fn leaves(schema: &[Value<'_>]) -> Option<Vec<Leaf>> {
    let (root, rest) = schema.split_first()?;
    // The groups that the walk is in, with the children that are still to come.
    let mut open = vec![(root.size(5)?, Leaf::root())];
    let mut found = Vec::new();
    for element in rest {
        while open.last().is_some_and(|(left, _)| *left == 0) {
            open.pop();
        }
        let (left, parent) = open.last_mut()?;
        *left -= 1;
        let leaf = parent.child(element)?;
        match element.size(5) {
            Some(children) if children > 0 && open.len() < DEEPEST => open.push((children, leaf)),
            Some(children) if children > 0 => return None,
            _ if found.len() < MOST_LEAVES => found.push(leaf),
            _ => return None,
        }
    }
    open.iter().all(|(left, _)| *left == 0).then_some(found)
}

impl Leaf {
    fn root() -> Self {
        Self { path: Vec::new(), definition: 0, repeated: false, kind: Kind::Other }
    }

    fn child(&self, element: &Value<'_>) -> Option<Self> {
        let mut path = self.path.clone();
        path.push(element.text(4).filter(|name| name.len() <= LONGEST_NAME)?.to_owned());
        // Numbers of `FieldRepetitionType`: required, optional, repeated.
        let repetition = element.int(3).unwrap_or(0);
        // Numbers of `Type`.
        let kind = match element.int(1) {
            Some(1) => Kind::Int32,
            Some(2) => Kind::Int64,
            Some(6) => Kind::Bytes,
            _ => Kind::Other,
        };
        Some(Self {
            path,
            definition: self.definition + u32::from(repetition != 0),
            repeated: self.repeated || repetition == 2,
            kind,
        })
    }
}
