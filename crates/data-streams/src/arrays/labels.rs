//! Labels as others write them: one number an image, in a row or in a column, or a row with a single 1.

use super::{Array, Number};

/// More classes than any data set has.
const MOST_CLASSES: usize = u16::MAX as usize;

/// The labels of some images.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Labels {
    /// One an image.
    pub values: Vec<i128>,
    /// How many classes there are, where rows with a single 1 say so.
    pub classes: Option<usize>,
}

/// The labels in an array of N, N x 1, or N x classes with a single 1 in each row.
///
/// # Errors
/// In words, with the array's name: other dimensions, fractions, and rows that are not so.
pub fn labels(array: &Array) -> Result<Labels, String> {
    match *array.dimensions {
        [_] | [_, 1] => Ok(Labels { values: integers(array)?, classes: None }),
        [_, classes] if classes > MOST_CLASSES => Err(format!(
            "`{}` has rows of {classes} numbers: expected N x classes with at most {MOST_CLASSES}",
            array.name
        )),
        [_, classes] if classes > 1 => {
            Ok(Labels { values: one_hot(array, classes)?, classes: Some(classes) })
        }
        ref other => {
            let dimensions = dimensions(other);
            Err(format!(
                "`{}` is {dimensions}: expected one dimension, N x 1, or N x classes with a single 1 in each row",
                array.name
            ))
        }
    }
}

/// Dimensions as a message has them: `2x3`, and `a single number` for none.
pub(crate) fn dimensions(dimensions: &[usize]) -> String {
    match dimensions {
        [] => "a single number".into(),
        [one] => format!("{one} numbers"),
        more => more.iter().map(usize::to_string).collect::<Vec<_>>().join("x"),
    }
}

fn integers(array: &Array) -> Result<Vec<i128>, String> {
    match array.number {
        number if number.is_float() => Err(format!(
            "`{}` is {}, not of an integer type: expected integers, or rows with a single 1",
            array.name,
            number.name()
        )),
        // Beyond the integers that f64 has.
        Number::U64 => {
            let chunks = array.bytes.as_chunks::<8>().0;
            Ok(chunks.iter().map(|bytes| i128::from(u64::from_le_bytes(*bytes))).collect())
        }
        Number::I64 => {
            let chunks = array.bytes.as_chunks::<8>().0;
            Ok(chunks.iter().map(|bytes| i128::from(i64::from_le_bytes(*bytes))).collect())
        }
        _ => Ok(array.values().map(|value| value as i128).collect()),
    }
}

fn one_hot(array: &Array, classes: usize) -> Result<Vec<i128>, String> {
    if array.bytes.is_empty() {
        return Ok(Vec::new());
    }
    let size = array.number.size();
    let class = |(i, row): (usize, &[u8])| {
        let (mut place, mut ones, mut zeros) = (0, 0, 0);
        for (class, value) in row.chunks_exact(size).map(|bytes| array.number.value(bytes)).enumerate() {
            if value == 1.0 {
                (place, ones) = (class, ones + 1);
            }
            zeros += usize::from(value == 0.0);
        }
        if ones == 1 && zeros == classes - 1 {
            return Ok(place as i128);
        }
        Err(format!(
            "row {i} of `{}` is no class: expected a single 1 among {classes} numbers, the others 0",
            array.name
        ))
    };
    array.bytes.chunks_exact(classes * size).enumerate().map(class).collect()
}
