//! Arrays of NumPy within pickles: how `ndarray.__reduce__` writes them at protocols 2 to 4 (`_reconstruct`, then the
//! array's state), and `ndarray.__reduce_ex__` at protocol 5 (`_frombuffer`). NumPy 1 has these functions in `numpy.core`,
//! NumPy 2 in `numpy._core`.

use std::{borrow::Cow, cell::Cell, rc::Rc};

use super::{Array, Number};
use crate::pickle::{self, Bytes, Dialect};

/// A value of a pickle with arrays.
pub(crate) type Value<'a> = pickle::Value<'a, Object<'a>>;

/// A value that is none of Python's own.
#[derive(Debug, Clone)]
pub(crate) enum Object<'a> {
    Name(Name),
    Type(Rc<NumberType>),
    /// Made, and filled later.
    Empty,
    Array(Rc<PickledArray<'a>>),
}

/// The functions and classes that arrays name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Name {
    /// `_reconstruct`
    Reconstruct,
    /// `_frombuffer`
    FromBuffer,
    /// `numpy.ndarray`
    Array,
    /// `numpy.dtype`
    Type,
    /// `_codecs.encode`, by which Python 3 writes bytes at protocol 2.
    Encode,
}

/// `numpy.dtype`: which numbers, and in which order their bytes are.
#[derive(Debug)]
pub(crate) struct NumberType {
    number: Number,
    is_big_endian: Cell<bool>,
}

/// An array whose bytes may still be parts of a file.
#[derive(Debug)]
pub(crate) struct PickledArray<'a> {
    number: Number,
    is_big_endian: bool,
    is_fortran: bool,
    dimensions: Vec<usize>,
    bytes: Bytes<'a>,
}

/// The dialect of pickles with arrays.
#[derive(Debug)]
pub(crate) struct Arrays {
    /// Bytes that may still be made of texts: as many as the file has, so that none is decoded over and over.
    left: usize,
}

impl Arrays {
    /// For a pickle of so many bytes.
    pub(crate) fn of(bytes: usize) -> Self {
        Self { left: bytes }
    }
}

impl<'a> Dialect<'a> for Arrays {
    type Object = Object<'a>;

    const CONTENT: &'static str = "a dict of arrays";
    const LATEST: u8 = 5;

    fn name(module: &str, name: &str) -> Option<Self::Object> {
        Some(Object::Name(match (module, name) {
            ("numpy.core.multiarray" | "numpy._core.multiarray", "_reconstruct") => Name::Reconstruct,
            ("numpy.core.numeric" | "numpy._core.numeric", "_frombuffer") => Name::FromBuffer,
            ("numpy", "ndarray") => Name::Array,
            ("numpy", "dtype") => Name::Type,
            ("_codecs", "encode") => Name::Encode,
            _ => return None,
        }))
    }

    fn kind(object: &Object<'a>) -> &'static str {
        match object {
            Object::Name(_) => "a name",
            Object::Type(_) => "a type",
            Object::Empty | Object::Array(_) => "an array",
        }
    }

    fn is_mutable(object: &Object<'a>) -> bool {
        matches!(object, Object::Empty)
    }

    fn call(&mut self, called: &Object<'a>, arguments: &[Value<'a>]) -> Result<Value<'a>, String> {
        use pickle::Value::Object as Of;
        let Object::Name(name) = called else { return Err("a call of what is no name".into()) };
        match (name, arguments) {
            (Name::Reconstruct, [Of(Object::Name(Name::Array)), pickle::Value::Tuple(_), _]) => {
                Ok(Of(Object::Empty))
            }
            (Name::Type, [kind, _, _]) => {
                let kind = kind.text().unwrap_or_default();
                let number =
                    number(kind).ok_or_else(|| format!("an array of \"{kind}\", expected numbers"))?;
                Ok(Of(Object::Type(Rc::new(NumberType { number, is_big_endian: Cell::new(false) }))))
            }
            (Name::FromBuffer, [pickle::Value::Bytes(bytes), Of(Object::Type(of)), shape, order]) => {
                let is_fortran = order.text() == Some("F");
                array(of, shape, is_fortran, bytes).map(|array| Of(Object::Array(Rc::new(array))))
            }
            (Name::Encode, [text, coding]) if coding.text() == Some("latin1") => self.encode(text),
            _ => Err(format!("arguments that {} does not take", name.in_python())),
        }
    }

    fn fill(&mut self, value: &mut Value<'a>, state: &Value<'a>) -> Result<(), String> {
        use pickle::Value::{Bool, Bytes, Int, Object as Of};
        let pickle::Value::Tuple(state) = state else { return Err("a state that is no tuple".into()) };
        match (&mut *value, &state.items[..]) {
            // Version, order of bytes, and what structured types have.
            (Of(Object::Type(of)), [Int(_), order, ..]) => {
                of.is_big_endian.set(order.text() == Some(">"));
                Ok(())
            }
            // Version, dimensions, type, whether the first dimension is the fastest, numbers.
            (Of(filled @ Object::Empty), [Int(1), shape, Of(Object::Type(of)), fortran, Bytes(bytes)]) => {
                let is_fortran = matches!(fortran, Bool(true) | Int(1));
                *filled = Object::Array(Rc::new(array(of, shape, is_fortran, bytes)?));
                Ok(())
            }
            _ => Err("a state of no array of numbers".into()),
        }
    }
}

impl Name {
    fn in_python(self) -> &'static str {
        match self {
            Self::Reconstruct => "numpy's _reconstruct",
            Self::FromBuffer => "numpy's _frombuffer",
            Self::Array => "numpy.ndarray",
            Self::Type => "numpy.dtype",
            Self::Encode => "_codecs.encode",
        }
    }
}

impl Arrays {
    /// The bytes that a text of characters below 256 stands for.
    fn encode<'a>(&mut self, text: &Value<'a>) -> Result<Value<'a>, String> {
        let pickle::Value::Text(text) = text else { return Err("bytes of what is no text".into()) };
        let left = self.left.checked_sub(text.len()).ok_or("more bytes than the file has")?;
        self.left = left;
        let byte = |character| u8::try_from(u32::from(character)).map_err(|_| "bytes beyond 255");
        let bytes: Vec<u8> = text.chars().map(byte).collect::<Result<_, _>>()?;
        Ok(pickle::Value::Bytes(Rc::new(Cow::Owned(bytes))))
    }
}

/// The numbers that a type's name says.
fn number(kind: &str) -> Option<Number> {
    Some(match kind {
        "b1" => Number::Bool,
        "u1" => Number::U8,
        "i1" => Number::I8,
        "u2" => Number::U16,
        "i2" => Number::I16,
        "u4" => Number::U32,
        "i4" => Number::I32,
        "u8" => Number::U64,
        "i8" => Number::I64,
        "f2" => Number::F16,
        "f4" => Number::F32,
        "f8" => Number::F64,
        _ => return None,
    })
}

fn array<'a>(
    of: &NumberType,
    shape: &Value<'a>,
    is_fortran: bool,
    bytes: &Bytes<'a>,
) -> Result<PickledArray<'a>, String> {
    let size = |value: &Value<'a>| match value {
        pickle::Value::Int(size) => usize::try_from(*size).ok(),
        _ => None,
    };
    let dimensions: Option<Vec<usize>> = match shape {
        pickle::Value::Tuple(shape) => shape.items.iter().map(size).collect(),
        _ => None,
    };
    let dimensions = dimensions.ok_or("an array whose dimensions are no numbers")?;
    let total = dimensions.iter().try_fold(of.number.size(), |product, &size| product.checked_mul(size));
    if total != Some(bytes.len()) {
        let said = super::labels::dimensions(&dimensions);
        return Err(format!("an array of {said} {} in {} bytes", of.number.name(), bytes.len()));
    }
    let is_big_endian = of.is_big_endian.get();
    Ok(PickledArray { number: of.number, is_big_endian, is_fortran, dimensions, bytes: Rc::clone(bytes) })
}

impl PickledArray<'_> {
    /// An array of its own.
    ///
    /// # Errors
    /// In words, with the name: the first dimension is the fastest.
    pub(crate) fn named(&self, name: &str) -> Result<Array, String> {
        if self.is_fortran && self.dimensions.len() > 1 {
            return Err(format!("`{name}` is in Fortran order: save np.ascontiguousarray of it"));
        }
        let mut bytes = self.bytes.to_vec();
        if self.is_big_endian {
            bytes.chunks_exact_mut(self.number.size()).for_each(<[u8]>::reverse);
        }
        Ok(Array { name: name.into(), number: self.number, dimensions: self.dimensions.clone(), bytes })
    }
}
