//! Thrift's compact protocol, in which Parquet writes its footer and the headers of its pages, as a tree of values.
//!
//! A tree is bounded by a number of values: a list that claims to be long is read no further than its bytes go.
//! (Apache Thrift, `doc/specs/thrift-compact-protocol.md`.)

/// Structs and lists within each other; Parquet's have about six.
const DEEPEST: usize = 16;

/// A value of a message.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Value<'a> {
    /// An integer of any width, or a truth value.
    Int(i64),
    /// A floating-point number, which nothing here needs.
    Double,
    /// Bytes or text.
    Bytes(&'a [u8]),
    /// A list or set.
    List(Vec<Value<'a>>),
    /// Fields by their numbers.
    Struct(Vec<(i16, Value<'a>)>),
}

impl<'a> Value<'a> {
    /// A field of a struct.
    pub(super) fn field(&self, number: i16) -> Option<&Value<'a>> {
        let Self::Struct(fields) = self else { return None };
        fields.iter().find_map(|(id, value)| (*id == number).then_some(value))
    }

    /// An integer field.
    pub(super) fn int(&self, number: i16) -> Option<i64> {
        match self.field(number)? {
            Self::Int(value) => Some(*value),
            _ => None,
        }
    }

    /// An integer field that is a size or a position.
    pub(super) fn size(&self, number: i16) -> Option<usize> {
        self.int(number).and_then(|value| usize::try_from(value).ok())
    }

    /// A field of bytes.
    pub(super) fn bytes(&self, number: i16) -> Option<&'a [u8]> {
        match self.field(number)? {
            Self::Bytes(bytes) => Some(bytes),
            _ => None,
        }
    }

    /// A field of text.
    pub(super) fn text(&self, number: i16) -> Option<&'a str> {
        std::str::from_utf8(self.bytes(number)?).ok()
    }

    /// The elements of a field that is a list; none where there is no such field.
    pub(super) fn list(&self, number: i16) -> &[Value<'a>] {
        match self.field(number) {
            Some(Self::List(values)) => values,
            _ => &[],
        }
    }
}

/// Reads a struct of at most `most` values from the beginning of `bytes`, and how many bytes it has; none where the bytes
/// are no such struct.
pub(super) fn read_struct(bytes: &[u8], most: usize) -> Option<(Value<'_>, usize)> {
    let mut reader = Reader { rest: bytes, left: most };
    let value = reader.fields(0)?;
    Some((value, bytes.len() - reader.rest.len()))
}

struct Reader<'a> {
    rest: &'a [u8],
    /// Values that may still be read.
    left: usize,
}

/// The types of the compact protocol, of fields and of the elements of lists.
mod kind {
    pub(super) const TRUE: u8 = 1;
    pub(super) const FALSE: u8 = 2;
    pub(super) const I8: u8 = 3;
    pub(super) const I16: u8 = 4;
    pub(super) const I64: u8 = 6;
    pub(super) const DOUBLE: u8 = 7;
    pub(super) const BINARY: u8 = 8;
    pub(super) const LIST: u8 = 9;
    pub(super) const SET: u8 = 10;
    pub(super) const MAP: u8 = 11;
    pub(super) const STRUCT: u8 = 12;
}

impl<'a> Reader<'a> {
    fn byte(&mut self) -> Option<u8> {
        let (first, rest) = self.rest.split_first()?;
        self.rest = rest;
        Some(*first)
    }

    fn take(&mut self, n: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.rest.split_at_checked(n)?;
        self.rest = rest;
        Some(taken)
    }

    /// Seven bits a byte, the lowest first.
    fn varint(&mut self) -> Option<u64> {
        let mut value = 0;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            value |= u64::from(byte & 0x7F) << shift;
            if byte & 0x80 == 0 {
                return Some(value);
            }
        }
        None
    }

    /// A signed number: 0, -1, 1, -2 and so on.
    fn zigzag(&mut self) -> Option<i64> {
        let value = self.varint()?;
        Some((value >> 1) as i64 ^ -((value & 1) as i64))
    }

    fn fields(&mut self, depth: usize) -> Option<Value<'a>> {
        let (mut fields, mut number) = (Vec::new(), 0_i16);
        loop {
            let head = self.byte()?;
            let (step, kind) = (head >> 4, head & 0x0F);
            if kind == 0 {
                return Some(Value::Struct(fields));
            }
            number = match step {
                0 => i16::try_from(self.zigzag()?).ok()?,
                step => number.checked_add(i16::from(step))?,
            };
            let value = match kind {
                kind::TRUE => Value::Int(1),
                kind::FALSE => Value::Int(0),
                kind => self.value(kind, depth)?,
            };
            fields.push((number, value));
        }
    }

    /// A value; a truth value in a list has a byte of its own.
    fn value(&mut self, kind: u8, depth: usize) -> Option<Value<'a>> {
        self.left = self.left.checked_sub(1)?;
        if depth >= DEEPEST {
            return None;
        }
        Some(match kind {
            kind::TRUE | kind::FALSE => Value::Int(i64::from(self.byte()? == 1)),
            kind::I8 => Value::Int(i64::from(self.byte()? as i8)),
            kind::I16..=kind::I64 => Value::Int(self.zigzag()?),
            kind::DOUBLE => self.take(8).map(|_| Value::Double)?,
            kind::BINARY => {
                let length = usize::try_from(self.varint()?).ok()?;
                Value::Bytes(self.take(length)?)
            }
            kind::LIST | kind::SET => self.list(depth)?,
            kind::MAP => self.map(depth)?,
            kind::STRUCT => self.fields(depth + 1)?,
            _ => return None,
        })
    }

    fn list(&mut self, depth: usize) -> Option<Value<'a>> {
        let head = self.byte()?;
        let length = if head >> 4 == 15 { self.varint()? } else { u64::from(head >> 4) };
        let mut values = Vec::new();
        for _ in 0..length {
            values.push(self.value(head & 0x0F, depth + 1)?);
        }
        Some(Value::List(values))
    }

    /// Keys and values in turn.
    fn map(&mut self, depth: usize) -> Option<Value<'a>> {
        let length = self.varint()?;
        let kinds = if length > 0 { self.byte()? } else { 0 };
        let mut values = Vec::new();
        for _ in 0..length {
            values.push(self.value(kinds >> 4, depth + 1)?);
            values.push(self.value(kinds & 0x0F, depth + 1)?);
        }
        Some(Value::List(values))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_have_their_numbers_and_values() {
        // 1: i32 -3; 3: text "ab"; 20: list of two i32; 21: true; 22: struct { 1: false }; stop.
        let bytes = [
            0x15, 0x05, 0x28, 2, b'a', b'b', 0x09, 40, 0x25, 2, 0x80, 0x01, 0x11, 0x1C, 0x12, 0x00, 0x00, 99,
        ];
        let (value, length) = read_struct(&bytes, 10).unwrap();
        assert_eq!(length, bytes.len() - 1);
        assert_eq!((value.int(1), value.text(3), value.int(21)), (Some(-3), Some("ab"), Some(1)));
        assert_eq!(value.list(20), [Value::Int(1), Value::Int(64)]);
        assert_eq!(value.field(22).unwrap().int(1), Some(0));
        assert_eq!((value.size(1), value.int(2), value.list(2).len()), (None, None, 0));
        for end in 0..bytes.len() - 1 {
            assert_eq!(read_struct(&bytes[..end], 10), None, "{end}");
        }
        // Six values: -3, the text, the list and its elements, and the inner struct.
        assert!(read_struct(&bytes, 6).is_some() && read_struct(&bytes, 5).is_none());
    }

    #[test]
    fn what_claims_to_be_long_or_deep_is_refused() {
        // A list of 2^62 empty structs, of which three are there.
        let long = [&[0x19, 0xFC][..], &[0x80; 8], &[0x40, 0, 0, 0]].concat();
        assert_eq!(read_struct(&long, 1000), None);
        // A text of 2^62 bytes.
        let text = [&[0x18][..], &[0x80; 8], &[0x40, b'a']].concat();
        assert_eq!(read_struct(&text, 1000), None);
        assert_eq!(read_struct(&[0x1C; 100], 1000), None);
        // A number of eleven bytes, and a field beyond the last number.
        assert_eq!(read_struct(&[&[0x15][..], &[0x80; 10], &[1, 0]].concat(), 1000), None);
        assert_eq!(read_struct(&[0x05, 0xFE, 0xFF, 0x03, 0x02, 0x15, 0x02, 0x00], 1000), None);
    }
}
