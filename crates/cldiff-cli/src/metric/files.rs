//! A safetensors file as a set: features, images, samples, class probabilities or saved statistics.

use std::path::Path;

use cl_metrics::{features::FeatureMatrix, sample::moments::Gaussian};
use data_streams::{ImageDataset, ImageShape, listed};
use safetensors::{Dtype, tensor::TensorView};

use super::set::{Content, Set};
use crate::{
    failure::Failure,
    files::{class_names::class_names, pictures::to_pixels, tensors::Tensors},
};

/// The note in a file's header that names its features.
pub(super) const FEATURES_NOTE: &str = "features";
/// The note in a file's header that says of which shape the images were.
pub(super) const SHAPE_NOTE: &str = "shape";
/// Files that earlier versions of the program wrote have this for a name where they had none.
const NO_NAME: &str = "those of the files";

/// The tensor of samples that `cldiff sample` writes.
const SAMPLES: &str = "x_0";

/// Reads a set; what it is depends on the tensors that are there.
pub(super) fn read(path: &Path) -> Result<Set, Failure> {
    let file = Tensors::read(path)?;
    let labels = file.has("labels").then(|| file.indices("labels")).transpose()?;
    let content = if file.has("images") {
        Content::Images { images: images(&file, path, labels.as_deref())?, data: None }
    } else if let Some(name) = ["features", "probabilities", "logits"].into_iter().find(|name| file.has(name))
    {
        let features = matrix(&file, name)?;
        let probabilities = match name {
            "features" if file.has("probabilities") => Some(matrix(&file, "probabilities")?),
            "features" if file.has("logits") => Some(softmax(&matrix(&file, "logits")?)),
            "probabilities" => Some(features.clone()),
            "logits" => Some(softmax(&features)),
            _ => None,
        };
        Content::Features { features, probabilities, extracted: false }
    } else if file.has("mu") {
        Content::Statistics(statistics(&file)?)
    } else if file.has(SAMPLES) {
        Content::Images { images: samples(&file, path, labels.as_deref())?, data: None }
    } else {
        let mut there = file.file()?.names().into_iter().map(str::to_owned).collect::<Vec<_>>();
        there.sort_unstable();
        return Err(file.mistake(format!(
            "there is no tensor `features`, `images`, `x_0`, or `mu` and `sigma`; there is {}",
            listed(there.iter().map(String::as_str))
        )));
    };
    let features = file.note(FEATURES_NOTE).filter(|name| name != NO_NAME);
    let shape = match &content {
        Content::Images { images, .. } => Some(images.shape()),
        _ => file.note(SHAPE_NOTE).as_deref().and_then(parsed_shape),
    };
    let set = Set { name: path.display().to_string(), content, labels, features, shape };
    if let (Some(labels), Some(n)) = (&set.labels, set.count())
        && labels.len() != n
    {
        return Err(file.mistake(format!("{} labels for {n} images", labels.len())));
    }
    Ok(set)
}

/// The rows of logits as probabilities.
pub(super) fn softmax(logits: &FeatureMatrix) -> FeatureMatrix {
    let row = |i: usize| -> Vec<f32> {
        let largest = logits.row(i).iter().copied().fold(f32::NEG_INFINITY, f32::max);
        let powers: Vec<f64> = logits.row(i).iter().map(|x| f64::from(x - largest).exp()).collect();
        let sum: f64 = powers.iter().sum();
        powers.into_iter().map(|p| (p / sum) as f32).collect()
    };
    let values = (0..logits.rows()).flat_map(row).collect();
    FeatureMatrix::new(logits.width(), values).expect("shares of a finite sum are finite")
}

fn matrix(file: &Tensors, name: &str) -> Result<FeatureMatrix, Failure> {
    let view = file.tensor(name)?;
    let width = match *view.shape() {
        [_, width] if width > 0 => width,
        ref other => {
            return Err(file.mistake(format!("tensor `{name}` is {other:?}, expected N x d with d above 0")));
        }
    };
    let values = floats(file, name, &view)?.into_iter().map(|x| x as f32).collect();
    FeatureMatrix::new(width, values).map_err(|e| file.mistake(format!("tensor `{name}`: {e}")))
}

fn floats(file: &Tensors, name: &str, view: &TensorView<'_>) -> Result<Vec<f64>, Failure> {
    let data = view.data();
    match view.dtype() {
        Dtype::F32 => Ok(data.as_chunks::<4>().0.iter().map(|b| f64::from(f32::from_le_bytes(*b))).collect()),
        Dtype::F64 => Ok(data.as_chunks::<8>().0.iter().map(|b| f64::from_le_bytes(*b)).collect()),
        other => Err(file.mistake(format!("tensor `{name}` is {other}, expected F32 or F64"))),
    }
}

fn statistics(file: &Tensors) -> Result<Gaussian, Failure> {
    let (mu, sigma) = (file.tensor("mu")?, file.tensor("sigma")?);
    let count = if file.has("n") { file.indices("n")?.first().copied() } else { None };
    let (mean, covariance) = (floats(file, "mu", &mu)?, floats(file, "sigma", &sigma)?);
    if sigma.shape() != [mean.len(); 2] || mu.shape().len() != 1 {
        let problem =
            format!("`mu` is {:?} and `sigma` {:?}, expected d and d x d", mu.shape(), sigma.shape());
        return Err(file.mistake(problem));
    }
    if let Some(n @ 0..2) = count {
        return Err(file.mistake(format!("statistics of {n} images: a covariance needs at least 2")));
    }
    Gaussian::from_statistics(count, mean, &covariance).map_err(|e| file.mistake(e))
}

fn images(file: &Tensors, path: &Path, labels: Option<&[usize]>) -> Result<ImageDataset, Failure> {
    let view = file.tensor("images")?;
    let refuse = |problem: String| file.mistake(format!("tensor `images` {problem}"));
    if view.dtype() != Dtype::U8 {
        return Err(refuse(format!("is of type {}, expected U8", view.dtype())));
    }
    let (shape, pixels) = channels_first(view.shape(), view.data()).map_err(refuse)?;
    image_set(path, shape, pixels, labels)
}

/// Samples with values in [-1, 1], as the pictures that `cldiff sample` makes of them: clipped, and rounded to 8 bits.
fn samples(file: &Tensors, path: &Path, labels: Option<&[usize]>) -> Result<ImageDataset, Failure> {
    let samples = file.images(SAMPLES)?;
    let [_, channels, height, width] = samples.shape;
    if ![1, 3].contains(&channels) || height == 0 || width == 0 {
        let found = samples.shape;
        return Err(file.mistake(format!(
            "tensor `{SAMPLES}` is {found:?}, expected N x C x H x W with 1 or 3 channels, and pixels"
        )));
    }
    image_set(path, ImageShape { channels, height, width }, to_pixels(&samples), labels)
}

/// The shape of images, and their pixels channel after channel.
pub(super) fn channels_first(d: &[usize], data: &[u8]) -> Result<(ImageShape, Vec<u8>), String> {
    let layouts = "N x C x H x W or N x H x W x C with 1 or 3 channels";
    let [_, a, b, c] = *d else { return Err(format!("is {d:?}, expected {layouts}")) };
    let last_is_channel = match ([1, 3].contains(&a), [1, 3].contains(&c)) {
        (true, false) => false,
        (false, true) => true,
        (true, true) => return Err(format!("is {d:?}, which may be either of {layouts}")),
        (false, false) => return Err(format!("is {d:?}, expected {layouts}")),
    };
    if d.contains(&0) {
        return Err(format!("is {d:?}: it has no pixels"));
    }
    if !last_is_channel {
        return Ok((ImageShape { channels: a, height: b, width: c }, data.to_vec()));
    }
    let shape = ImageShape { channels: c, height: a, width: b };
    let plane =
        |image: &[u8], channel: usize| image.iter().skip(channel).step_by(c).copied().collect::<Vec<_>>();
    let planes = |image: &[u8]| (0..c).flat_map(|channel| plane(image, channel)).collect::<Vec<_>>();
    Ok((shape, data.chunks(a * b * c).flat_map(planes).collect()))
}

/// Images of classes that are called by their numbers; of one class, if nothing says which.
pub(super) fn image_set(
    path: &Path,
    shape: ImageShape,
    pixels: Vec<u8>,
    labels: Option<&[usize]>,
) -> Result<ImageDataset, Failure> {
    let refuse = |problem: String| Failure::mistake(format!("{}: {problem}", path.display()));
    let labels = labels.map_or_else(|| vec![0; pixels.len() / shape.len()], <[usize]>::to_vec);
    let names = class_names(&labels, usize::MAX).map_err(refuse)?;
    ImageDataset::new(&path.display().to_string(), shape, names, pixels, labels).map_err(Failure::mistake)
}

/// A shape as a file's header notes it: `3x32x32`.
fn parsed_shape(text: &str) -> Option<ImageShape> {
    let numbers: Vec<usize> = text.split('x').map(str::parse).collect::<Result<_, _>>().ok()?;
    let [channels, height, width] = *numbers else { return None };
    Some(ImageShape { channels, height, width })
}

#[cfg(test)]
mod tests {
    use cldiff_engine::HostImages;

    use super::*;
    use crate::files::tensors;

    fn set(shape: [usize; 4], values: Vec<f32>) -> Result<Set, Failure> {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("samples.safetensors");
        tensors::write(&path, SAMPLES, &HostImages { shape, values }).unwrap();
        read(&path)
    }

    /// As the PNG files of the same samples: (v + 1) 127.5, rounded and clipped.
    #[test]
    fn samples_of_the_program_are_images_of_8_bits() {
        let read = set([3, 1, 1, 2], vec![-1.0, -0.2, 0.0, 0.5, 1.0, -7.0]).unwrap();
        let Content::Images { images, .. } = &read.content else { panic!("no images") };
        let pixels: Vec<&[u8]> = (0..3).map(|i| images.pixels_of(i)).collect();
        assert_eq!(pixels, [[0, 102], [128, 191], [255, 0]]);
        assert_eq!(read.shape, Some(ImageShape { channels: 1, height: 1, width: 2 }));
        assert_eq!((read.count(), read.labels), (Some(3), None));
    }

    #[test]
    fn samples_that_are_no_pictures_are_refused() {
        for shape in [[1, 2, 1, 2], [1, 1, 0, 2]] {
            let outcome = set(shape, vec![0.0; shape.iter().product()]);
            let Err(Failure::Mistake(told)) = outcome else { panic!("{shape:?} is accepted") };
            assert!(told.contains(&format!("`x_0` is {shape:?}, expected N x C x H x W")), "{told}");
        }
    }
}
