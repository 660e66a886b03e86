//! Where a network's weights are: one file, its shards, or the one variant that is there, under diffusers' names.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    fs,
    path::{Component, Path, PathBuf},
};

use burn::tensor::TensorData;
use serde_json::Value;

use super::{
    super::{
        directory::contents,
        fields::{cut, warn_once},
        read_json,
    },
    load_tensors,
};
use crate::CoreError;

/// The beginning of every name.
const STEM: &str = "diffusion_pytorch_model";
pub(super) const WEIGHTS: &str = "diffusion_pytorch_model.safetensors";
const SHARDS: &str = "diffusion_pytorch_model.safetensors.index.json";

/// The files of a network's weights.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum WeightFiles {
    /// All in one.
    One(PathBuf),
    /// In shards, which an index lists.
    Shards {
        /// The index.
        index: PathBuf,
        /// Tensors by the shard that holds them.
        tensors: BTreeMap<PathBuf, Vec<String>>,
    },
}

/// Whether a directory has files with names of weights.
pub(crate) fn are_in(dir: &Path) -> bool {
    names(dir).iter().any(|name| name.starts_with(STEM))
}

/// The weights of a directory: as in diffusers the shards of an index go before one file, and both before a variant
/// (`diffusion_pytorch_model.fp16.safetensors`), which is read if it is the only one.
///
/// # Errors
/// [`CoreError::Format`] that lists what is there, where nothing or more than one thing fits.
pub(crate) fn find(dir: &Path) -> Result<WeightFiles, CoreError> {
    if dir.join(SHARDS).exists() {
        return shards(dir.join(SHARDS), dir);
    }
    if dir.join(WEIGHTS).exists() {
        return Ok(WeightFiles::One(dir.join(WEIGHTS)));
    }
    let names = names(dir);
    let variants: BTreeSet<&str> = names.iter().filter_map(|name| variant(name)).collect();
    let variants: Vec<&str> = variants.into_iter().collect();
    match variants[..] {
        [] => Err(nothing(dir, &names)),
        [only] => {
            let message = format!(
                "{}: there is only the variant `{only}` of the weights, which is read",
                dir.display()
            );
            warn_once(&message);
            let index = dir.join(format!("{SHARDS_STEM}.{only}.json"));
            if index.exists() {
                shards(index, dir)
            } else {
                Ok(WeightFiles::One(dir.join(format!("{STEM}.{only}.safetensors"))))
            }
        }
        _ => {
            let problem = format!(
                "the weights are there in the variants {} and not without one: rename one to {WEIGHTS}, or leave one alone",
                variants.join(", ")
            );
            Err(CoreError::Format { path: dir.to_owned(), problem })
        }
    }
}

const SHARDS_STEM: &str = "diffusion_pytorch_model.safetensors.index";

/// `fp16` of `diffusion_pytorch_model.fp16.safetensors` and of `diffusion_pytorch_model.safetensors.index.fp16.json`.
fn variant(name: &str) -> Option<&str> {
    let of_file = name.strip_prefix(STEM).and_then(|rest| rest.strip_suffix(".safetensors"));
    let of_index = name.strip_prefix(SHARDS_STEM).and_then(|rest| rest.strip_suffix(".json"));
    let variant = of_index.or(of_file)?.strip_prefix('.')?;
    // A shard of a variant (`fp16-00001-of-00002`) is none of its own.
    (!variant.is_empty() && !variant.contains("-of-")).then_some(variant)
}

fn names(dir: &Path) -> Vec<String> {
    let entries = fs::read_dir(dir).into_iter().flatten().flatten();
    let mut names: Vec<String> = entries.filter_map(|entry| entry.file_name().into_string().ok()).collect();
    names.sort();
    names
}

fn nothing(dir: &Path, names: &[String]) -> CoreError {
    let pickled = names.iter().find(|name| {
        let is_weights = name.starts_with(STEM) || name.starts_with("pytorch_model");
        is_weights && Path::new(name).extension().is_some_and(|extension| extension == "bin")
    });
    if let Some(pickled) = pickled {
        let problem = "a pickled checkpoint, which can execute code when it is loaded and is not read; in Python, \
                       `model.save_pretrained(dir, safe_serialization=True)` writes it as safetensors";
        return CoreError::Format { path: dir.join(pickled), problem: problem.into() };
    }
    let is_shard = |name: &String| name.starts_with(STEM) && name.contains("-of-");
    let missing = if names.iter().any(is_shard) {
        format!("shards of weights without their index, {SHARDS}")
    } else {
        format!("no weights: there is neither {WEIGHTS} nor {SHARDS}")
    };
    CoreError::Format { path: dir.to_owned(), problem: format!("{missing}; {}", contents(dir)) }
}

/// The shards of an index, all of which are there.
fn shards(index: PathBuf, dir: &Path) -> Result<WeightFiles, CoreError> {
    let format = |problem: String| CoreError::Format { path: index.clone(), problem };
    let fields = read_json(&index)?;
    let Some(Value::Object(map)) = fields.get("weight_map") else {
        return Err(format("`weight_map` is no table of tensors and their files".into()));
    };
    let mut tensors: BTreeMap<PathBuf, Vec<String>> = BTreeMap::new();
    for (tensor, file) in map {
        let name = file.as_str().filter(|name| is_plain(name)).ok_or_else(|| {
            let (tensor, file) = (cut(tensor), cut(&file.to_string()));
            format(format!("`weight_map.{tensor}` is {file}: expected the name of a file beside the index"))
        })?;
        tensors.entry(dir.join(name)).or_default().push(tensor.clone());
    }
    if tensors.is_empty() {
        return Err(format(format!("`weight_map` names no file; {}", contents(dir))));
    }
    match tensors.keys().find(|shard| !shard.is_file()) {
        Some(missing) => {
            let name = missing.file_name().unwrap_or_default().display();
            Err(format(format!("it names {name}, which is not there; {}", contents(dir))))
        }
        None => Ok(WeightFiles::Shards { index, tensors }),
    }
}

/// Whether a name leads out of no directory.
fn is_plain(name: &str) -> bool {
    let mut parts = Path::new(name).components();
    matches!((parts.next(), parts.next()), (Some(Component::Normal(_)), None))
}

impl WeightFiles {
    /// The file that stands for all of them in a message.
    pub(crate) fn name(&self) -> &Path {
        match self {
            Self::One(file) => file,
            Self::Shards { index, .. } => index,
        }
    }

    /// Every tensor of every file.
    ///
    /// # Errors
    /// As [`load_tensors`]; [`CoreError::Format`] for a tensor that is not in the shard that the index says, or in two.
    pub(crate) fn load(&self) -> Result<HashMap<String, TensorData>, CoreError> {
        let (index, shards) = match self {
            Self::One(file) => return load_tensors(file),
            Self::Shards { index, tensors } => (index, tensors),
        };
        let format = |problem: String| CoreError::Format { path: index.clone(), problem };
        let mut all = HashMap::new();
        for (shard, listed) in shards {
            let held = load_tensors(shard)?;
            if let Some(missing) = listed.iter().find(|&name| !held.contains_key(name)) {
                return Err(format(format!("tensor `{}` is not in {}", cut(missing), shard.display())));
            }
            if let Some(twice) = held.keys().find(|&name| all.contains_key(name)) {
                return Err(format(format!("tensor `{}` is in more than one shard", cut(twice))));
            }
            all.extend(held);
        }
        Ok(all)
    }
}

#[cfg(test)]
mod tests {
    use safetensors::{Dtype, tensor::TensorView};

    use super::*;

    /// A file with one tensor of one number for each name.
    fn tensors(names: &[&str]) -> Vec<u8> {
        let one = 1.0_f32.to_le_bytes();
        let views = names.iter().map(|name| (*name, TensorView::new(Dtype::F32, vec![1], &one).unwrap()));
        safetensors::serialize(views, None).unwrap()
    }

    fn with(files: &[(&str, &[u8])]) -> tempfile::TempDir {
        let dir = tempfile::tempdir().unwrap();
        files.iter().for_each(|(name, bytes)| fs::write(dir.path().join(name), bytes).unwrap());
        dir
    }

    fn loaded(dir: &Path) -> Vec<String> {
        let mut names: Vec<String> = find(dir).unwrap().load().unwrap().into_keys().collect();
        names.sort();
        names
    }

    fn told(dir: &Path) -> String {
        find(dir).and_then(|files| files.load()).unwrap_err().to_string()
    }

    #[test]
    fn a_variant_that_is_alone_is_read_and_two_are_named() {
        let (a, b) = (tensors(&["a"]), tensors(&["b"]));
        let bf16 = ("diffusion_pytorch_model.bf16.safetensors", &a[..]);
        let ema = ("diffusion_pytorch_model.ema.safetensors", &b[..]);
        assert_eq!(loaded(with(&[bf16]).path()), ["a"]);
        assert_eq!(loaded(with(&[bf16, ("diffusion_pytorch_model.safetensors", &b)]).path()), ["b"]);
        let message = told(with(&[bf16, ema]).path());
        assert!(message.contains("variants bf16, ema"), "{message}");
    }

    #[test]
    fn shards_are_read_as_their_index_says() {
        let (a, b) = (tensors(&["a"]), tensors(&["b"]));
        let (first, second) = (
            "diffusion_pytorch_model-00001-of-00002.safetensors",
            "diffusion_pytorch_model-00002-of-00002.safetensors",
        );
        let index = format!(r#"{{"metadata": {{}}, "weight_map": {{"a": "{first}", "b": "{second}"}}}}"#);
        let (shards, index) = ([(first, &a[..]), (second, &b[..])], index.as_bytes());
        assert_eq!(loaded(with(&[shards[0], shards[1], (SHARDS, index)]).path()), ["a", "b"]);
        // A variant has an index of its own.
        let of_variant = "diffusion_pytorch_model.safetensors.index.fp16.json";
        assert_eq!(loaded(with(&[shards[0], shards[1], (of_variant, index)]).path()), ["a", "b"]);
        // diffusers reads the shards, whatever else is there.
        assert_eq!(
            loaded(with(&[shards[0], shards[1], (SHARDS, index), (WEIGHTS, &tensors(&["c"]))]).path()),
            ["a", "b"]
        );

        let message = told(with(&[shards[0], (SHARDS, index)]).path());
        assert!(
            message.contains("names diffusion_pytorch_model-00002") && message.contains(SHARDS),
            "{message}"
        );
        let message = told(with(&[shards[0], (second, &tensors(&["other"])), (SHARDS, index)]).path());
        assert!(message.contains("tensor `b` is not in"), "{message}");
        let message = told(with(&[shards[0], (second, &tensors(&["a", "b"])), (SHARDS, index)]).path());
        assert!(message.contains("tensor `a` is in more than one shard"), "{message}");
        assert!(told(with(&shards).path()).contains("without their index"));
    }

    #[test]
    fn an_index_that_is_none_is_refused_with_its_key() {
        for (text, problem) in [
            (r#"{"weight_map": []}"#, "`weight_map` is no table"),
            (r#"{"weight_map": {"a": 3}}"#, "`weight_map.a` is 3"),
            (r#"{"weight_map": {"a": "../a.safetensors"}}"#, "`weight_map.a` is \"../a.safetensors\""),
            (r#"{"weight_map": {"a": "/etc/passwd"}}"#, "a file beside the index"),
            ("{}", "`weight_map` is no table"),
        ] {
            let message = told(with(&[(SHARDS, text.as_bytes())]).path());
            assert!(message.contains(problem), "{message}");
        }
    }

    #[test]
    fn a_directory_without_weights_lists_what_it_holds() {
        let message = told(with(&[("config.json", b"{}"), ("model.safetensors", b"")]).path());
        assert!(
            message.contains(WEIGHTS) && message.contains("it holds config.json, model.safetensors"),
            "{message}"
        );
        let message = told(with(&[("diffusion_pytorch_model.fp16.bin", b"")]).path());
        assert!(message.contains("safe_serialization=True") && message.contains("fp16.bin"), "{message}");
    }
}
