//! Saved statistics as pytorch-fid writes them: an `.npz` with `mu` and `sigma`, which does not say of how many images.

use std::{
    fs::File,
    io::{BufReader, Cursor, Read},
    path::Path,
};

use cl_metrics::sample::moments::Gaussian;
use data_streams::{listed, npy_header};
use npyz::NpyFile;
use zip::ZipArchive;

use super::set::{Content, Set};
use crate::failure::Failure;

/// The largest array that is read: a covariance of 8192 features in f64.
const MOST_BYTES: u64 = 8192 * 8192 * 8 + 4096;

/// Reads a set.
pub(super) fn read(path: &Path) -> Result<Set, Failure> {
    let refuse = |problem: String| Failure::mistake(format!("{}: {problem}", path.display()));
    let file = File::open(path).map_err(|e| refuse(e.to_string()))?;
    let mut archive = ZipArchive::new(BufReader::new(file))
        .map_err(|e| refuse(format!("not an .npz, or truncated: {e}")))?;
    let (_, mu) = array(&mut archive, "mu").map_err(refuse)?;
    let (shape, sigma) = array(&mut archive, "sigma").map_err(refuse)?;
    if shape != [mu.len() as u64; 2] {
        return Err(refuse(format!(
            "`mu` has {} numbers and `sigma` is {shape:?}, expected d and d x d",
            mu.len()
        )));
    }
    let gaussian = Gaussian::from_statistics(None, mu, &sigma).map_err(|e| refuse(e.to_string()))?;
    let content = Content::Statistics(gaussian);
    Ok(Set { name: path.display().to_string(), content, labels: None, features: None })
}

/// Shape and numbers of an array; a symmetric matrix is the same in either order.
fn array(archive: &mut ZipArchive<BufReader<File>>, name: &str) -> Result<(Vec<u64>, Vec<f64>), String> {
    let there: Vec<String> = archive.file_names().map(|n| n.trim_end_matches(".npy").to_owned()).collect();
    let entry = archive.by_name(&format!("{name}.npy")).map_err(|_| {
        format!("there is no array `{name}`; there is {}", listed(there.iter().map(String::as_str)))
    })?;
    // Grows with what is really there, whatever the headers claim.
    let mut bytes = Vec::new();
    entry.take(MOST_BYTES + 1).read_to_end(&mut bytes).map_err(|e| format!("`{name}`: {e}"))?;
    if bytes.len() as u64 > MOST_BYTES {
        return Err(format!("`{name}` has more than {MOST_BYTES} bytes"));
    }
    let damaged = |e: std::io::Error| format!("`{name}`: not an array of NumPy: {e}");
    let open = || {
        let mut cursor = Cursor::new(&bytes[..]);
        let header = npy_header(&mut cursor).map_err(|problem| format!("`{name}`: {problem}"))?;
        Ok::<_, String>(NpyFile::with_header(header, cursor))
    };
    let shape = open()?.shape().to_vec();
    let claimed = shape.iter().try_fold(4_u64, |product, &n| product.checked_mul(n));
    if claimed.is_none_or(|claimed| claimed > bytes.len() as u64) {
        return Err(format!(
            "`{name}`: its header claims {shape:?}, which {} bytes do not hold",
            bytes.len()
        ));
    }
    let values = match open()?.into_vec::<f64>() {
        Ok(values) => values,
        Err(_) => open()?.into_vec::<f32>().map_err(damaged)?.into_iter().map(f64::from).collect(),
    };
    Ok((shape, values))
}
