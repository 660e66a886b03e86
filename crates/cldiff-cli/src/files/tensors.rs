//! Tensors in safetensors files, as arguments and results.

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::Context;
use cldiff_engine::HostImages;
use data_streams::listed;
use safetensors::{Dtype, SafeTensors, tensor::TensorView};

use crate::ui::failure::Failure;

/// A safetensors file in memory.
pub(crate) struct Tensors {
    path: PathBuf,
    bytes: Vec<u8>,
}

impl Tensors {
    pub(crate) fn read(path: &Path) -> Result<Self, Failure> {
        let refuse = |problem: String| Failure::mistake(format!("{}: {problem}", path.display()));
        // A device or a pipe may never end.
        if !fs::metadata(path).map_err(|e| refuse(e.to_string()))?.is_file() {
            return Err(refuse("it is not a regular file".into()));
        }
        let bytes = fs::read(path).map_err(|e| refuse(e.to_string()))?;
        let tensors = Self { path: path.to_owned(), bytes };
        tensors.file()?;
        Ok(tensors)
    }

    pub(crate) fn file(&self) -> Result<SafeTensors<'_>, Failure> {
        SafeTensors::deserialize(&self.bytes)
            .map_err(|e| self.mistake(format!("not a safetensors file: {e}")))
    }

    pub(crate) fn mistake(&self, problem: impl std::fmt::Display) -> Failure {
        Failure::mistake(format!("{}: {problem}", self.path.display()))
    }

    /// A note in the file's header.
    pub(crate) fn note(&self, key: &str) -> Option<String> {
        let (_, header) = SafeTensors::read_metadata(&self.bytes).ok()?;
        header.metadata().as_ref()?.get(key).cloned()
    }

    pub(crate) fn has(&self, name: &str) -> bool {
        self.file().is_ok_and(|file| file.tensor(name).is_ok())
    }

    pub(crate) fn tensor(&self, name: &str) -> Result<TensorView<'_>, Failure> {
        let file = self.file()?;
        file.tensor(name).map_err(|_| {
            let mut there: Vec<&str> = file.names().into_iter().collect();
            there.sort_unstable();
            self.mistake(format!("there is no tensor `{name}`; there is {}", listed(there)))
        })
    }

    fn four_dimensions(&self, name: &str, view: &TensorView<'_>) -> Result<[usize; 4], Failure> {
        match *view.shape() {
            [n, c, h, w] if n > 0 => Ok([n, c, h, w]),
            ref other => {
                Err(self
                    .mistake(format!("tensor `{name}` is {other:?}, expected N x C x H x W with N above 0")))
            }
        }
    }

    /// A tensor of f32 images.
    pub(crate) fn images(&self, name: &str) -> Result<HostImages, Failure> {
        let view = self.tensor(name)?;
        let shape = self.four_dimensions(name, &view)?;
        if view.dtype() != Dtype::F32 {
            return Err(self.mistake(format!("tensor `{name}` is {}, expected F32", view.dtype())));
        }
        let values: Vec<f32> =
            view.data().as_chunks::<4>().0.iter().map(|b| f32::from_le_bytes(*b)).collect();
        if values.iter().any(|v| !v.is_finite()) {
            return Err(self.mistake(format!("tensor `{name}` has values that are not finite")));
        }
        Ok(HostImages { shape, values })
    }

    /// A tensor of 8-bit images: their shape and pixels.
    pub(crate) fn pixels(&self, name: &str) -> Result<([usize; 4], Vec<u8>), Failure> {
        let view = self.tensor(name)?;
        let shape = self.four_dimensions(name, &view)?;
        if view.dtype() != Dtype::U8 {
            return Err(self.mistake(format!("tensor `{name}` is {}, expected U8", view.dtype())));
        }
        Ok((shape, view.data().to_vec()))
    }

    /// A vector of timesteps or classes.
    pub(crate) fn indices(&self, name: &str) -> Result<Vec<usize>, Failure> {
        let view = self.tensor(name)?;
        if view.shape().len() != 1 {
            return Err(
                self.mistake(format!("tensor `{name}` is {:?}, expected one dimension", view.shape()))
            );
        }
        let data = view.data();
        let values: Vec<i64> = match view.dtype() {
            Dtype::I64 => data.as_chunks::<8>().0.iter().map(|b| i64::from_le_bytes(*b)).collect(),
            Dtype::I32 => data.as_chunks::<4>().0.iter().map(|b| i32::from_le_bytes(*b).into()).collect(),
            Dtype::U8 => data.iter().map(|&b| b.into()).collect(),
            other => {
                return Err(self.mistake(format!("tensor `{name}` is {other}, expected I64, I32 or U8")));
            }
        };
        let index = |&v: &i64| {
            usize::try_from(v)
                .map_err(|_| self.mistake(format!("tensor `{name}` has {v}, expected 0 or more")))
        };
        values.iter().map(index).collect()
    }
}

/// Writes one tensor of f32 images.
pub(crate) fn write(path: &Path, name: &str, images: &HostImages) -> Result<(), Failure> {
    let bytes: Vec<u8> = images.values.iter().flat_map(|v| v.to_le_bytes()).collect();
    let view = TensorView::new(Dtype::F32, images.shape.to_vec(), &bytes).map_err(anyhow::Error::from)?;
    let file = safetensors::serialize([(name, view)], None).map_err(anyhow::Error::from)?;
    Ok(fs::write(path, file).with_context(|| format!("cannot write {}", path.display()))?)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// Samples are written by `cldiff sample` and read by `cldiff predict` and `cldiff bpd`, bit for bit.
        #[test]
        fn images_are_read_back(
            shape in [1_usize..3, 1_usize..4, 1_usize..4, 1_usize..4],
            bits in prop::collection::vec(any::<u32>(), 54),
        ) {
            let n = shape.iter().product();
            let values: Vec<f32> = bits[..n].iter().map(|&bits| f32::from_bits(bits)).collect();
            let is_finite = values.iter().all(|value| value.is_finite());
            let dir = tempfile::tempdir().unwrap();
            let path = dir.path().join("samples.safetensors");
            write(&path, "samples", &HostImages { shape, values: values.clone() }).unwrap();
            match Tensors::read(&path).unwrap().images("samples") {
                Ok(read) => {
                    prop_assert!(is_finite);
                    prop_assert_eq!(read.shape, shape);
                    let bits = |values: &[f32]| values.iter().map(|value| value.to_bits()).collect::<Vec<_>>();
                    prop_assert_eq!(bits(&read.values), bits(&values));
                }
                // One word for all that is not finite.
                Err(Failure::Mistake(told)) => {
                    prop_assert!(!is_finite && told.contains("`samples` has values that are not finite"), "{}", told);
                }
                Err(_) => prop_assert!(false, "a mistake of the user's was expected"),
            }
        }
    }
}
