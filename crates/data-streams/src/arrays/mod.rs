//! Arrays as others write them, of NumPy's archives and of safetensors files: images and labels of any type of numbers,
//! under any of the usual names.

mod images;
mod labels;
mod names;
mod npz;
pub(crate) mod pickled;
#[cfg(test)]
mod tests;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub(crate) use self::labels::dimensions;
pub use self::{
    images::pixels,
    labels::{Labels, labels},
    names::{IMAGES, Pair, find},
    npz::Npz,
};

/// The range of the images' numbers; 0 to 255 by default.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Values {
    /// 0 is black and 255 white.
    Byte,
    /// 0 is black and 1 white.
    Unit,
    /// -1 is black and 1 white.
    Signed,
}

/// The types of numbers that are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Number {
    /// True or false, a byte each.
    Bool,
    /// 8 bits without a sign.
    U8,
    /// 8 bits with one.
    I8,
    /// 16 bits without a sign.
    U16,
    /// 16 bits with one.
    I16,
    /// 32 bits without a sign.
    U32,
    /// 32 bits with one.
    I32,
    /// 64 bits without a sign.
    U64,
    /// 64 bits with one.
    I64,
    /// Half precision.
    F16,
    /// Single precision.
    F32,
    /// Double precision.
    F64,
}

impl Number {
    /// Bytes of one.
    pub fn size(self) -> usize {
        match self {
            Self::Bool | Self::U8 | Self::I8 => 1,
            Self::U16 | Self::I16 | Self::F16 => 2,
            Self::U32 | Self::I32 | Self::F32 => 4,
            Self::U64 | Self::I64 | Self::F64 => 8,
        }
    }

    /// The name of it in NumPy.
    pub fn name(self) -> &'static str {
        match self {
            Self::Bool => "bool",
            Self::U8 => "uint8",
            Self::I8 => "int8",
            Self::U16 => "uint16",
            Self::I16 => "int16",
            Self::U32 => "uint32",
            Self::I32 => "int32",
            Self::U64 => "uint64",
            Self::I64 => "int64",
            Self::F16 => "float16",
            Self::F32 => "float32",
            Self::F64 => "float64",
        }
    }

    /// Whether it may have a fraction.
    pub fn is_float(self) -> bool {
        matches!(self, Self::F16 | Self::F32 | Self::F64)
    }

    /// One number from its bytes, the lowest first. Every integer but the largest of 64 bits is exact.
    fn value(self, bytes: &[u8]) -> f64 {
        macro_rules! number {
            ($kind:ty) => {{
                let mut array = [0; size_of::<$kind>()];
                array.copy_from_slice(bytes);
                <$kind>::from_le_bytes(array)
            }};
        }
        match self {
            Self::Bool | Self::U8 => f64::from(bytes[0]),
            Self::I8 => f64::from(number!(i8)),
            Self::U16 => f64::from(number!(u16)),
            Self::I16 => f64::from(number!(i16)),
            Self::U32 => f64::from(number!(u32)),
            Self::I32 => f64::from(number!(i32)),
            Self::U64 => number!(u64) as f64,
            Self::I64 => number!(i64) as f64,
            Self::F16 => half::f16::from_le_bytes([bytes[0], bytes[1]]).to_f64(),
            Self::F32 => f64::from(number!(f32)),
            Self::F64 => number!(f64),
        }
    }
}

/// An array: its name in the file, the type of its numbers, its dimensions, and its bytes, the lowest of each number first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Array {
    /// The name in the file.
    pub name: String,
    /// The type of the numbers.
    pub number: Number,
    /// The dimensions, the slowest first.
    pub dimensions: Vec<usize>,
    /// The numbers.
    pub bytes: Vec<u8>,
}

impl Array {
    /// The numbers.
    pub fn values(&self) -> impl Iterator<Item = f64> + '_ {
        self.bytes.chunks_exact(self.number.size()).map(|bytes| self.number.value(bytes))
    }
}
