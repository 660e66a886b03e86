//! The size of images, a value that options of data sets and of networks share.
//!
//! A square is written as one number, as every configuration had it before; a rectangle as `[height, width]`, as
//! diffusers writes the `sample_size` of its networks. Two equal numbers are read as a square.

use std::{borrow::Cow, fmt, ops::RangeInclusive};

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{
    Deserialize, Deserializer, Serialize, Serializer,
    de::{Error, IgnoredAny, SeqAccess, Unexpected, Visitor},
};

/// Height and width of images, in pixels.
///
/// ```
/// use cldiff_choices::ImageSize;
///
/// let read = |text| serde_json::from_str::<ImageSize>(text);
/// assert_eq!(read("32")?, ImageSize::square(32));
/// assert_eq!(read("[8, 16]")?, ImageSize { height: 8, width: 16 });
/// assert_eq!(serde_json::to_string(&read("[8, 8]")?)?, "8");
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct ImageSize {
    /// Rows.
    pub height: usize,
    /// Columns.
    pub width: usize,
}

impl ImageSize {
    /// As many rows as columns.
    pub const fn square(side: usize) -> Self {
        Self { height: side, width: side }
    }

    /// Whether there are as many rows as columns.
    pub const fn is_square(self) -> bool {
        self.height == self.width
    }

    /// The shorter side.
    pub fn shorter(self) -> usize {
        self.height.min(self.width)
    }

    /// The longer side.
    pub fn longer(self) -> usize {
        self.height.max(self.width)
    }

    /// Whether both sides are in a range.
    pub fn is_within(self, range: &RangeInclusive<usize>) -> bool {
        range.contains(&self.height) && range.contains(&self.width)
    }

    /// The first side that is no multiple of `n`, or is 0, with its name.
    pub fn side_that_is_no_multiple_of(self, n: usize) -> Option<(&'static str, usize)> {
        let sides = [("height", self.height), ("width", self.width)];
        sides.into_iter().find(|(_, side)| *side == 0 || !side.is_multiple_of(n))
    }
}

impl From<usize> for ImageSize {
    fn from(side: usize) -> Self {
        Self::square(side)
    }
}

impl From<ImageSize> for [usize; 2] {
    fn from(size: ImageSize) -> Self {
        [size.height, size.width]
    }
}

/// As a configuration has it: `8` or `[8, 16]`.
impl fmt::Display for ImageSize {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self { height, width } if height == width => write!(f, "{height}"),
            Self { height, width } => write!(f, "[{height}, {width}]"),
        }
    }
}

/// As [`Display`](fmt::Display): messages show values in this form.
impl fmt::Debug for ImageSize {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Serialize for ImageSize {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if self.is_square() {
            self.height.serialize(serializer)
        } else {
            [self.height, self.width].serialize(serializer)
        }
    }
}

impl<'de> Deserialize<'de> for ImageSize {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(OneOrTwo)
    }
}

struct OneOrTwo;

impl<'de> Visitor<'de> for OneOrTwo {
    type Value = ImageSize;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a whole number of pixels, or [height, width]")
    }

    fn visit_u64<E: Error>(self, side: u64) -> Result<ImageSize, E> {
        let side = usize::try_from(side).map_err(|_| E::invalid_value(Unexpected::Unsigned(side), &self))?;
        Ok(ImageSize::square(side))
    }

    fn visit_i64<E: Error>(self, side: i64) -> Result<ImageSize, E> {
        let side = usize::try_from(side).map_err(|_| E::invalid_value(Unexpected::Signed(side), &self))?;
        Ok(ImageSize::square(side))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut sides: A) -> Result<ImageSize, A::Error> {
        let height = sides.next_element()?.ok_or_else(|| A::Error::invalid_length(0, &self))?;
        let width = sides.next_element()?.ok_or_else(|| A::Error::invalid_length(1, &self))?;
        let mut length = 2;
        while sides.next_element::<IgnoredAny>()?.is_some() {
            length += 1;
        }
        if length > 2 {
            Err(A::Error::invalid_length(length, &self))
        } else {
            Ok(ImageSize { height, width })
        }
    }
}

impl JsonSchema for ImageSize {
    fn schema_name() -> Cow<'static, str> {
        "ImageSize".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": ["integer", "array"],
            "minimum": 0,
            "items": { "type": "integer", "minimum": 0 },
            "minItems": 2,
            "maxItems": 2,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
    struct Options {
        #[serde(default, skip_serializing_if = "Option::is_none")]
        size: Option<ImageSize>,
    }

    fn read(text: &str) -> Result<Options, String> {
        toml::from_str(text).map_err(|error: toml::de::Error| error.message().to_owned())
    }

    #[test]
    fn a_square_is_one_number_and_a_rectangle_two() {
        for (text, size) in [
            ("size = 8\n", ImageSize::square(8)),
            ("size = [8, 16]\n", ImageSize { height: 8, width: 16 }),
            ("size = [16, 8]\n", ImageSize { height: 16, width: 8 }),
        ] {
            let options = read(text).unwrap();
            assert_eq!(options.size, Some(size));
            assert_eq!(toml::to_string(&options).unwrap(), text);
            assert_eq!(text, format!("size = {size}\n"));
        }
        assert_eq!(read("size = [9, 9]").unwrap().size, Some(9.into()));
        assert_eq!(toml::to_string(&read("size = [9, 9]").unwrap()).unwrap(), "size = 9\n");
        assert_eq!(read("").unwrap().size, None);
        assert_eq!(format!("{:?}", [ImageSize::square(3), ImageSize { height: 1, width: 2 }]), "[3, [1, 2]]");
    }

    #[test]
    fn anything_else_is_refused_in_plain_words() {
        let expected = "expected a whole number of pixels, or [height, width]";
        for (text, told) in [
            ("size = \"8x16\"", format!("invalid type: string \"8x16\", {expected}")),
            ("size = 8.0", format!("invalid type: floating point `8.0`, {expected}")),
            ("size = -8", format!("invalid value: integer `-8`, {expected}")),
            ("size = []", format!("invalid length 0, {expected}")),
            ("size = [8]", format!("invalid length 1, {expected}")),
            ("size = [8, 16, 3]", format!("invalid length 3, {expected}")),
            ("size = true", format!("invalid type: boolean `true`, {expected}")),
        ] {
            assert_eq!(read(text).unwrap_err(), told);
        }
        assert!(read("size = [8, -16]").unwrap_err().contains("-16"));
        assert!(serde_json::from_str::<ImageSize>("[8, 1.5]").unwrap_err().to_string().contains("1.5"));
    }

    #[test]
    fn a_side_that_does_not_divide_is_named() {
        let size = |height, width| ImageSize { height, width };
        assert_eq!(size(8, 16).side_that_is_no_multiple_of(8), None);
        assert_eq!(size(8, 13).side_that_is_no_multiple_of(2), Some(("width", 13)));
        assert_eq!(size(6, 9).side_that_is_no_multiple_of(4), Some(("height", 6)));
        assert_eq!(size(8, 0).side_that_is_no_multiple_of(2), Some(("width", 0)));
        assert!(size(4, 1024).is_within(&(4..=1024)) && !size(4, 1025).is_within(&(4..=1024)));
        assert!(!size(3, 4).is_within(&(4..=1024)));
        assert_eq!((size(3, 7).shorter(), size(3, 7).longer(), size(3, 7).is_square()), (3, 7, false));
    }

    #[test]
    fn the_schema_takes_both_forms() {
        let schema = serde_json::to_value(schemars::schema_for!(Options)).unwrap();
        let size = &schema["properties"]["size"];
        assert_eq!(size["type"], serde_json::json!(["integer", "array", "null"]));
        assert_eq!((&size["minItems"], &size["maxItems"]), (&2.into(), &2.into()));
    }
}
