//! Helpers that tests share: every built-in choice describes itself and its options, and its file has an example that
//! parses; files of NumPy.

use std::{
    fs,
    io::Write,
    path::{Path, PathBuf},
};

use cldiff_choices::List;
use schemars::SchemaGenerator;
use serde_json::Value;
use zip::{ZipWriter, write::SimpleFileOptions};

use crate::ImageDataset;

/// The first example of configuration in the file of a choice, `src/FOLDER/NAME.rs` or `src/FOLDER/NAME/mod.rs`.
pub(crate) fn documented_example(folder: &str, name: &str) -> String {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src").join(folder);
    let files = [folder.join(format!("{name}.rs")), folder.join(name).join("mod.rs")];
    let text = files.iter().find_map(|file| fs::read_to_string(file).ok());
    let text = text.unwrap_or_else(|| panic!("{name} has no file in {}", folder.display()));
    let prose = text.lines().map_while(|line| line.strip_prefix("//!")).map(str::trim_start);
    let example: Vec<&str> =
        prose.skip_while(|line| *line != "```toml").skip(1).take_while(|line| *line != "```").collect();
    assert!(!example.is_empty(), "the file of {name} has no example");
    example.join("\n")
}

/// Every choice has a summary of one sentence, and every option says what it means.
pub(crate) fn assert_described<K: ?Sized>(list: &List<K>) {
    for entry in list.entries() {
        assert!(!entry.summary.is_empty() && !entry.summary.ends_with('.'), "{}", entry.name);
        let mut generator = SchemaGenerator::default();
        let schema = (entry.schema)(&mut generator).to_value();
        let reference = schema["$ref"].as_str().unwrap_or_default();
        let definition = reference.rsplit('/').next().unwrap_or_default();
        let options = &generator.definitions()[definition];
        assert_eq!(options["additionalProperties"], Value::Bool(false), "{}", entry.name);
        for (option, schema) in options["properties"].as_object().into_iter().flatten() {
            let meaning = schema["description"].as_str().unwrap_or_default();
            assert!(!meaning.is_empty(), "{}.{option} has no meaning", entry.name);
            for flag in ["--", "data."] {
                assert!(!meaning.contains(flag), "{}.{option} names {flag}", entry.name);
            }
        }
    }
}

/// An array as NumPy writes it.
pub(crate) fn npy(kind: &str, shape: &str, bytes: &[u8]) -> Vec<u8> {
    let mut header = format!("{{'descr': '{kind}', 'fortran_order': False, 'shape': {shape}, }}");
    while (10 + header.len() + 1) % 64 != 0 {
        header.push(' ');
    }
    header.push('\n');
    let length = (header.len() as u16).to_le_bytes();
    [b"\x93NUMPY\x01\x00", &length[..], header.as_bytes(), bytes].concat()
}

/// An `.npz` of arrays.
pub(crate) fn npz(path: &Path, arrays: &[(&str, Vec<u8>)]) {
    let mut archive = ZipWriter::new(fs::File::create(path).unwrap());
    for (name, bytes) in arrays {
        let options = SimpleFileOptions::default().compression_method(zip::CompressionMethod::Deflated);
        archive.start_file(format!("{name}.npy"), options).unwrap();
        archive.write_all(bytes).unwrap();
    }
    archive.finish().unwrap();
}

/// A file or folder of `tests/fixtures`.
pub(crate) fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(name)
}

/// The twelve pictures and labels of `tools/golden/records.py`.
pub(crate) struct Expected(Value);

impl Expected {
    pub(crate) fn read() -> Self {
        let text = fs::read_to_string(fixture("records/expected.json")).unwrap();
        Self(serde_json::from_str(&text).unwrap())
    }

    /// The set has these and no others.
    pub(crate) fn check(&self, set: &ImageDataset) {
        let numbers = |value: &Value| -> Vec<usize> {
            value.as_array().unwrap().iter().map(|n| n.as_u64().unwrap() as usize).collect()
        };
        let shape = set.shape();
        assert_eq!([shape.channels, shape.height, shape.width].to_vec(), numbers(&self.0["shape"]));
        assert_eq!(set.labels(), numbers(&self.0["labels"]));
        for (i, pixels) in self.0["pixels"].as_array().unwrap().iter().enumerate() {
            let found: Vec<usize> = set.pixels_of(i).iter().map(|&p| usize::from(p)).collect();
            assert_eq!(found, numbers(pixels), "picture {i}");
        }
    }
}
