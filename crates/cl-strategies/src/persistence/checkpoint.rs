//! States of a training on disk, from which it goes on after an interruption.
//!
//! `000001/`, `000002/` and so on hold `tensors.safetensors`, `values.json` and, written last, `manifest.json` with size
//! and SHA-256 of the two; a directory gets its name when all of them are on the disk. The newest that is whole is gone
//! on from, so that a damaged one costs some steps and nothing else. Nothing in it is executed.

use std::{
    borrow::Cow,
    collections::BTreeMap,
    fs, io,
    path::{Path, PathBuf},
};

use burn::tensor::{DType, TensorData};
use cldiff_durable::{check_space, remove, rename_directory, sha256, write_synced};
use safetensors::{Dtype, SafeTensors, View};
use serde::{Deserialize, Serialize};

use crate::{State, StrategyError};

const SCHEMA: u32 = 1;
const TENSORS: &str = "tensors.safetensors";
const VALUES: &str = "values.json";
const MANIFEST: &str = "manifest.json";
const UNFINISHED: &str = "unfinished-";

/// The largest manifest that is read.
const LARGEST_MANIFEST: u64 = 64 << 10;

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Manifest {
    schema: u32,
    files: BTreeMap<String, FileInfo>,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct FileInfo {
    bytes: u64,
    sha256: String,
}

/// The checkpoints of one training in a directory of their own.
#[derive(Debug, Clone)]
pub struct Checkpoints {
    dir: PathBuf,
    keep: usize,
}

impl Checkpoints {
    /// Opens a directory that retains the newest `keep` checkpoints, at least one.
    pub fn new(dir: PathBuf, keep: usize) -> Self {
        Self { dir, keep: keep.max(1) }
    }

    /// Adds a state, and removes the oldest beyond those to keep.
    ///
    /// # Errors
    /// [`StrategyError::Checkpoint`] if there is no room or a file cannot be written; the older states are still there
    /// then.
    pub fn save(&self, state: &State) -> Result<(), StrategyError> {
        let name = self.list().last().map_or(0, |(number, _)| *number) + 1;
        let finished = self.dir.join(format!("{name:06}"));
        let unfinished = self.dir.join(format!("{UNFINISHED}{name:06}"));
        let written = self.write(&unfinished, &finished, state);
        if written.is_err() {
            // A full disk is emptier without it.
            let _ = remove(&unfinished);
        }
        written.map_err(|problem| StrategyError::Checkpoint { path: finished, problem })?;
        self.prune();
        Ok(())
    }

    fn write(&self, unfinished: &Path, finished: &Path, state: &State) -> Result<(), String> {
        let shown = |error: io::Error| format!("it cannot be written: {error}");
        let tensors = tensors_to_bytes(state)?;
        let values = serde_json::to_vec(&state.values).map_err(|error| error.to_string())?;
        // Remains of a killed process.
        remove(unfinished).map_err(shown)?;
        fs::create_dir_all(unfinished).map_err(shown)?;
        check_space(&self.dir, (tensors.len() + values.len()) as u64).map_err(shown)?;
        let mut manifest = Manifest { schema: SCHEMA, files: BTreeMap::new() };
        for (name, bytes) in [(TENSORS, &tensors), (VALUES, &values)] {
            write_synced(&unfinished.join(name), bytes).map_err(shown)?;
            let info = FileInfo { bytes: bytes.len() as u64, sha256: sha256(bytes) };
            manifest.files.insert(name.to_owned(), info);
        }
        let manifest = serde_json::to_vec_pretty(&manifest).map_err(|error| error.to_string())?;
        write_synced(&unfinished.join(MANIFEST), &manifest)
            .and_then(|()| rename_directory(unfinished, finished))
            .map_err(shown)
    }

    /// The newest state that is whole, and what is wrong with newer ones.
    pub fn newest(&self) -> (Option<State>, Vec<StrategyError>) {
        let mut damaged = Vec::new();
        for (_, dir) in self.list().into_iter().rev() {
            match load(&dir) {
                Ok(state) => return (Some(state), damaged),
                Err(error) => damaged.push(error),
            }
        }
        (None, damaged)
    }

    /// Removes the states that killed processes were writing. Best effort: such a state is never read.
    pub fn tidy(&self) {
        for entry in fs::read_dir(&self.dir).into_iter().flatten().flatten() {
            if entry.file_name().to_string_lossy().starts_with(UNFINISHED) {
                let _ = remove(&entry.path());
            }
        }
    }

    /// Removes all of them: the training is finished.
    pub fn clear(&self) {
        // They only take room.
        let _ = remove(&self.dir);
    }

    /// Numbers and directories of finished states, oldest first.
    fn list(&self) -> Vec<(u64, PathBuf)> {
        let entries = fs::read_dir(&self.dir).into_iter().flatten().flatten();
        let numbered = |entry: fs::DirEntry| Some((entry.file_name().to_str()?.parse().ok()?, entry.path()));
        let mut found: Vec<(u64, PathBuf)> = entries.filter_map(numbered).collect();
        found.sort();
        found
    }

    fn prune(&self) {
        let all = self.list();
        for (_, old) in &all[..all.len().saturating_sub(self.keep)] {
            // It only takes room.
            let _ = remove(old);
        }
    }
}

fn damaged(path: PathBuf, problem: impl std::fmt::Display) -> StrategyError {
    StrategyError::Checkpoint { path, problem: problem.to_string() }
}

fn load(dir: &Path) -> Result<State, StrategyError> {
    let path = || dir.join(MANIFEST);
    let bytes = read(&path(), LARGEST_MANIFEST)?;
    let manifest: Manifest = serde_json::from_slice(&bytes).map_err(|error| damaged(path(), error))?;
    if manifest.schema != SCHEMA {
        return Err(damaged(path(), format!("schema {}, expected {SCHEMA}", manifest.schema)));
    }
    let values = checked(dir, &manifest, VALUES)?;
    let tensors = checked(dir, &manifest, TENSORS)?;
    let values = serde_json::from_slice(&values).map_err(|error| damaged(dir.join(VALUES), error))?;
    let tensors = tensors_from_bytes(&tensors).map_err(|problem| damaged(dir.join(TENSORS), problem))?;
    Ok(State { tensors, values })
}

/// Reads a file of at most `most` bytes.
fn read(path: &Path, most: u64) -> Result<Vec<u8>, StrategyError> {
    let fail = |error: std::io::Error| damaged(path.to_owned(), error);
    let length = fs::metadata(path).map_err(fail)?.len();
    if length > most {
        return Err(damaged(path.to_owned(), format!("{length} bytes, expected at most {most}")));
    }
    cldiff_durable::read(path).map_err(fail)
}

fn checked(dir: &Path, manifest: &Manifest, name: &str) -> Result<Vec<u8>, StrategyError> {
    let path = dir.join(name);
    let Some(info) = manifest.files.get(name) else {
        return Err(damaged(dir.join(MANIFEST), format!("it does not name {name}")));
    };
    let bytes = read(&path, info.bytes)?;
    if bytes.len() as u64 == info.bytes && sha256(&bytes) == info.sha256 {
        return Ok(bytes);
    }
    Err(damaged(path, "it was changed since it was written"))
}

struct Bytes<'a>(&'a TensorData, Dtype);

impl View for Bytes<'_> {
    fn dtype(&self) -> Dtype {
        self.1
    }

    fn shape(&self) -> &[usize] {
        &self.0.shape
    }

    fn data(&self) -> Cow<'_, [u8]> {
        Cow::Borrowed(self.0.as_bytes())
    }

    fn data_len(&self) -> usize {
        self.0.as_bytes().len()
    }
}

fn tensors_to_bytes(state: &State) -> Result<Vec<u8>, String> {
    let view = |(name, data): (&'_ String, &'_ TensorData)| match data.dtype {
        DType::F32 => Ok((name.clone(), Dtype::F32)),
        DType::U8 => Ok((name.clone(), Dtype::U8)),
        other => Err(format!("tensor `{name}` is {other:?}: expected f32 or u8")),
    };
    let types: Vec<(String, Dtype)> = state.tensors.iter().map(view).collect::<Result<_, _>>()?;
    let views = types.iter().zip(state.tensors.values());
    let views = views.map(|((name, dtype), data)| (name.as_str(), Bytes(data, *dtype)));
    safetensors::serialize(views, None).map_err(|error| error.to_string())
}

fn tensors_from_bytes(bytes: &[u8]) -> Result<BTreeMap<String, TensorData>, String> {
    let file = SafeTensors::deserialize(bytes).map_err(|error| error.to_string())?;
    let mut tensors = BTreeMap::new();
    for (name, view) in file.tensors() {
        let shape = view.shape().to_vec();
        let data = match view.dtype() {
            Dtype::U8 => TensorData::new(view.data().to_vec(), shape),
            Dtype::F32 => {
                let numbers = view.data().chunks_exact(4);
                let numbers = numbers.map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]]));
                TensorData::new(numbers.collect::<Vec<f32>>(), shape)
            }
            other => return Err(format!("tensor `{name}` is {other}: expected F32 or U8")),
        };
        tensors.insert(name, data);
    }
    Ok(tensors)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn state(of: f32) -> State {
        let mut state = State::default();
        state.tensors.insert("model.weight".into(), TensorData::new(vec![of, 2.0, 3.0], [3]));
        state.tensors.insert("buffer.images".into(), TensorData::new(vec![7_u8; 4], [1, 1, 2, 2]));
        state.put("position", [1, 2]);
        state
    }

    fn weight(state: &State) -> f32 {
        state.tensors["model.weight"].iter::<f32>().next().unwrap()
    }

    #[test]
    fn the_newest_counts_and_the_oldest_go() {
        let dir = tempfile::tempdir().unwrap();
        let states = Checkpoints::new(dir.path().join("state"), 2);
        assert!(states.newest().0.is_none());
        for i in 0..12 {
            states.save(&state(i as f32)).unwrap();
        }
        let numbers: Vec<u64> = states.list().into_iter().map(|(number, _)| number).collect();
        assert_eq!(numbers, [11, 12]);
        let (newest, damaged) = states.newest();
        let newest = newest.unwrap();
        assert!(damaged.is_empty() && weight(&newest) == 11.0 && newest.values == state(11.0).values);
        assert_eq!(newest.tensors["buffer.images"], state(11.0).tensors["buffer.images"]);
        states.clear();
        assert!(states.newest().0.is_none());
    }

    #[test]
    fn what_a_killed_process_was_writing_goes() {
        let dir = tempfile::tempdir().unwrap();
        let states = Checkpoints::new(dir.path().to_owned(), 1);
        states.save(&state(1.0)).unwrap();
        let remains = dir.path().join("unfinished-000002");
        fs::create_dir(&remains).unwrap();
        fs::write(remains.join(TENSORS), "half").unwrap();
        states.tidy();
        assert!(!remains.exists());
        assert_eq!(weight(&states.newest().0.unwrap()), 1.0);
    }

    /// Any byte of any file: the older state is found, and the message names the file.
    #[test]
    fn a_flipped_byte_costs_the_newest_state_and_nothing_else() {
        let dir = tempfile::tempdir().unwrap();
        let states = Checkpoints::new(dir.path().join("state"), 2);
        states.save(&state(1.0)).unwrap();
        states.save(&state(2.0)).unwrap();
        let (_, newest) = states.list().pop().unwrap();
        for name in [TENSORS, VALUES, MANIFEST] {
            let path = newest.join(name);
            let whole = fs::read(&path).unwrap();
            for i in 0..200 {
                let mut bytes = whole.clone();
                let position = i * bytes.len() / 200;
                bytes[position] ^= 1 << (i % 8);
                fs::write(&path, &bytes).unwrap();
                let (found, damaged) = states.newest();
                let found = weight(&found.unwrap());
                // Spaces between a manifest's parts may change without harm.
                assert!(found == 1.0 || name == MANIFEST && found == 2.0, "{name} at {position}");
                // The error names the file.
                assert!(found == 2.0 || damaged[0].to_string().contains("000002"));
            }
            fs::write(&path, &whole[..whole.len() / 2]).unwrap();
            assert_eq!(weight(&states.newest().0.unwrap()), 1.0, "{name} cut in half");
            fs::write(&path, whole).unwrap();
        }
        assert_eq!(weight(&states.newest().0.unwrap()), 2.0);
    }
    proptest! {
        #![proptest_config(ProptestConfig::with_cases(48))]

        /// Any number of a tensor, bit for bit, and any value of JSON: numbers that are not finite are `null` there.
        #[test]
        fn any_state_is_read_back(
            bits in prop::collection::vec(any::<u32>(), 0..20),
            pixels in prop::collection::vec(any::<u8>(), 0..20),
            names in prop::collection::btree_set("\\PC{1,12}", 2),
            (whole, signed, number) in any::<(u64, i64, f64)>(),
            strange in prop::sample::select(&[f64::NAN, f64::INFINITY, f64::NEG_INFINITY][..]),
            text in any::<String>(),
        ) {
            let mut state = State::default();
            let names: Vec<String> = names.into_iter().collect();
            let numbers: Vec<f32> = bits.iter().map(|&bits| f32::from_bits(bits)).collect();
            let (count, size) = (numbers.len(), pixels.len());
            state.tensors.insert(names[0].clone(), TensorData::new(numbers, [count]));
            state.tensors.insert(names[1].clone(), TensorData::new(pixels, [1, size, 1]));
            state.put(&names[0], (whole, signed, number, &text));
            state.put("strange", [strange]);
            let dir = tempfile::tempdir().unwrap();
            let states = Checkpoints::new(dir.path().join("state"), 1);
            states.save(&state).unwrap();
            let (newest, damaged) = states.newest();
            prop_assert!(damaged.is_empty());
            let mut read = newest.unwrap();
            prop_assert_eq!(&read.values, &state.values);
            for (name, data) in &state.tensors {
                let same = &read.tensors[name];
                prop_assert_eq!((&same.shape, same.dtype, same.as_bytes()), (&data.shape, data.dtype, data.as_bytes()));
            }
            let values: (u64, i64, f64, String) = read.take(&names[0]).unwrap();
            prop_assert_eq!(values, (whole, signed, number, text));
            prop_assert_eq!(read.take::<[Option<f64>; 1]>("strange").unwrap(), [None]);
        }
    }
}
