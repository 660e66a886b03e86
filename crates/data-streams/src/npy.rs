//! The header of a NumPy array (NEP 1), bounded before it is parsed.

use std::io::{Cursor, Read};

use npyz::NpyHeader;

/// A header is a line; a longer one is damaged.
const LONGEST: usize = 1024;

/// A dictionary with a list of fields, each a tuple with a shape. The parser's time doubles with every bracket within a
/// bracket, so that a line of them would never be done.
const DEEPEST: usize = 4;

/// Reads the header alone.
///
/// # Errors
/// An error in words: no array, a header longer or deeper than any array has.
pub fn npy_header(reader: &mut impl Read) -> Result<NpyHeader, String> {
    let damaged = |e: std::io::Error| format!("not an array of NumPy: {e}");
    // The magic string, the version, and the header's length in 2 bytes, from version 2 on in 4.
    let mut start = vec![0; 10];
    reader.read_exact(&mut start).map_err(damaged)?;
    if !start.starts_with(b"\x93NUMPY") {
        return Err("not an array of NumPy: its magic string is missing".into());
    }
    let mut length = u32::from_le_bytes([start[8], start[9], 0, 0]);
    if start[6] > 1 {
        start.extend([0, 0]);
        reader.read_exact(&mut start[10..]).map_err(damaged)?;
        length = u32::from_le_bytes([start[8], start[9], start[10], start[11]]);
    }
    let length = length as usize;
    if length > LONGEST {
        return Err(format!("a header of {length} bytes: expected at most {LONGEST}"));
    }
    let at = start.len();
    start.resize(at + length, 0);
    reader.read_exact(&mut start[at..]).map_err(damaged)?;
    if depth(&start[at..]) > DEEPEST {
        return Err(format!("its header has brackets within brackets, more than {DEEPEST} deep"));
    }
    if holds_objects(&start[at..]) {
        return Err("an array of Python objects, which are pickled: save numbers, np.array(images, dtype=np.uint8), for \
                    which all images need one shape"
            .into());
    }
    NpyHeader::from_reader(Cursor::new(start)).map_err(damaged)
}

/// Whether the type of the elements, or of a field of them, is Python's object: `'descr': '|O'`.
fn holds_objects(header: &[u8]) -> bool {
    ["'|O'", "'O'", "'|O8'", "'|O4'"]
        .iter()
        .any(|kind| header.windows(kind.len()).any(|w| w == kind.as_bytes()))
}

/// How many brackets are open at most.
fn depth(text: &[u8]) -> usize {
    let mut open = 0_usize;
    let depths = text.iter().map(|byte| {
        match byte {
            b'(' | b'[' | b'{' => open += 1,
            b')' | b']' | b'}' => open = open.saturating_sub(1),
            _ => {}
        }
        open
    });
    depths.max().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn array(header: &str) -> Vec<u8> {
        let length = u16::try_from(header.len()).unwrap().to_le_bytes();
        [&b"\x93NUMPY\x01\x00"[..], &length, header.as_bytes()].concat()
    }

    #[test]
    fn plain_and_structured_arrays_are_known_and_deep_ones_refused_at_once() {
        let read = |header: &str| npy_header(&mut &array(header)[..]).map(|header| header.shape().to_vec());
        assert_eq!(read("{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), }"), Ok(vec![2, 3]));
        let fields = "{'descr': [('x', '<f4', (2,))], 'fortran_order': False, 'shape': (5,), }";
        assert_eq!(read(fields), Ok(vec![5]));
        for bracket in ["[", "(", "{"] {
            let deep = format!("{{'descr': {}", bracket.repeat(300));
            assert!(read(&deep).unwrap_err().contains("deep"));
        }
        for kind in ["'|O'", "'O'", "[('x', '<f4'), ('y', '|O')]"] {
            let told =
                read(&format!("{{'descr': {kind}, 'fortran_order': False, 'shape': (3,), }}")).unwrap_err();
            assert!(told.contains("Python objects") && told.contains("save numbers"), "{told}");
        }
        assert!(read(&" ".repeat(2000)).unwrap_err().contains("2000 bytes"));
    }
}
