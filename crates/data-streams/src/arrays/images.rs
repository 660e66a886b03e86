//! Numbers of images as 8 bits.

use super::{Array, Values};

/// The pixels of an array of images as bytes, 0 black and 255 white, rounded.
///
/// # Errors
/// In words, with the array's name: floats whose range is not stated, and a number that is not finite or beyond the range
/// by half a step of 1/255 or more.
pub fn pixels(array: Array, values: Option<Values>) -> Result<Vec<u8>, String> {
    let (name, number) = (&array.name, array.number.name());
    let values = match values {
        None if array.number.is_float() => {
            return Err(format!(
                "`{name}` is {number}: set `values` to \"unit\" (0 to 1), \"signed\" (-1 to 1) or \"byte\" (0 to 255), \
                 or save it as uint8"
            ));
        }
        values => values.unwrap_or(Values::Byte),
    };
    if array.number == super::Number::U8 && values == Values::Byte {
        return Ok(array.bytes);
    }
    let (lowest, highest) = values.range();
    let scale = 255.0 / (highest - lowest);
    let images = array.dimensions.first().copied().unwrap_or(0).max(1);
    let size = (array.bytes.len() / array.number.size() / images).max(1);
    let byte = |(i, value): (usize, f64)| {
        let scaled = ((value - lowest) * scale).round();
        // Not a number is in no range.
        if (0.0..=255.0).contains(&scaled) {
            return Ok(scaled as u8);
        }
        Err(format!(
            "`{name}` has the value {value} in image {}: expected {lowest} to {highest}, as `values` says{}",
            i / size,
            if values == Values::Byte { " or leaves unsaid" } else { "" }
        ))
    };
    array.values().enumerate().map(byte).collect()
}

impl Values {
    fn range(self) -> (f64, f64) {
        match self {
            Self::Byte => (0.0, 255.0),
            Self::Unit => (0.0, 1.0),
            Self::Signed => (-1.0, 1.0),
        }
    }
}
