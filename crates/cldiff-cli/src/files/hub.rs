//! Models of the Hugging Face Hub: `hf:OWNER/NAME` or `hf:OWNER/NAME@REVISION` in place of a directory.
//!
//! With the feature `hub`, hf-hub gets the files that a model is read from, into the cache that it shares with Python's
//! `huggingface_hub`. `HF_ENDPOINT`, `HF_HOME` and `HF_TOKEN` mean what they mean there. Weights are read from safetensors
//! alone, whatever else a repository holds.

use std::{
    borrow::Cow,
    path::{Path, PathBuf},
    sync::OnceLock,
};

use crate::ui::failure::Failure;

/// How the place of a model on the Hub begins.
const PREFIX: &str = "hf:";

/// A model on the Hub.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Place {
    /// `OWNER/NAME`.
    name: String,
    /// A branch, tag or commit.
    revision: String,
}

/// The directory of a model: the one that is named, or that of a model which is got from the Hub.
///
/// # Errors
/// [`Failure::Mistake`] for a place that is none, a repository that holds no model or cannot be reached, and in a program
/// without the feature `hub`.
pub(crate) fn directory(model: &Path) -> Result<Cow<'_, Path>, Failure> {
    // A command has one model, whose files are asked for several times.
    static GOT: OnceLock<PathBuf> = OnceLock::new();
    let Some(text) = model.to_str().and_then(|text| text.strip_prefix(PREFIX)) else {
        return Ok(Cow::Borrowed(model));
    };
    if model.exists() {
        return Ok(Cow::Borrowed(model));
    }
    if let Some(got) = GOT.get() {
        return Ok(Cow::Borrowed(got.as_path()));
    }
    let told = |problem: String| Failure::mistake(format!("--model {PREFIX}{text}: {problem}"));
    let got = get(&Place::of(text).map_err(told)?).map_err(told)?;
    Ok(Cow::Borrowed(GOT.get_or_init(|| got).as_path()))
}

impl Place {
    fn of(text: &str) -> Result<Self, String> {
        let (name, revision) = text.split_once('@').unwrap_or((text, "main"));
        let is_part = |part: &str| {
            let plain = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
            !part.is_empty() && part.len() <= 96 && part.chars().all(plain) && !part.starts_with('.')
        };
        let parts: Vec<&str> = name.split('/').collect();
        if parts.len() != 2 || !parts.iter().copied().all(is_part) || !revision.split('/').all(is_part) {
            return Err("expected hf:OWNER/NAME or hf:OWNER/NAME@REVISION".into());
        }
        Ok(Self { name: name.into(), revision: revision.into() })
    }
}

/// The files of a repository that a model is read from.
#[cfg(any(feature = "hub", test))]
fn wanted(files: &[String]) -> Vec<&str> {
    const NAMES: [&str; 5] = [
        "config.json",
        "model_index.json",
        "scheduler_config.json",
        "diffusion_pytorch_model.safetensors",
        "diffusion_pytorch_model.safetensors.index.json",
    ];
    let is_wanted = |file: &&str| {
        let (folder, name) = file.rsplit_once('/').unwrap_or(("", *file));
        let shard = name.strip_prefix("diffusion_pytorch_model-").and_then(|rest| rest.split_once("-of-"));
        let is_shard = shard.is_some_and(|(_, of)| of.ends_with(".safetensors") && !of.contains(".."));
        ["", "unet", "network", "scheduler"].contains(&folder) && (NAMES.contains(&name) || is_shard)
    };
    files.iter().map(String::as_str).filter(is_wanted).collect()
}

#[cfg(not(feature = "hub"))]
fn get(place: &Place) -> Result<PathBuf, String> {
    let Place { name, revision } = place;
    Err(format!(
        "this program was built without the feature `hub`; `hf download {name} --revision {revision} --local-dir DIR` gets \
         the model, and --model DIR reads it"
    ))
}

/// Gets what is not in the cache yet.
#[cfg(feature = "hub")]
fn get(place: &Place) -> Result<PathBuf, String> {
    use hf_hub::{Repo, RepoType, api::sync::ApiBuilder};

    let told = |error: hf_hub::api::sync::ApiError| {
        format!(
            "{error}; a private model needs its token in HF_TOKEN, and a machine without a network the model's directory"
        )
    };
    let mut api = ApiBuilder::from_env();
    if let Ok(token) = std::env::var("HF_TOKEN") {
        api = api.with_token(Some(token));
    }
    let api = api.with_progress(true).build().map_err(told)?;
    let repo = |revision: &str| {
        api.repo(Repo::with_revision(place.name.clone(), RepoType::Model, revision.to_owned()))
    };
    let info = repo(&place.revision).info().map_err(told)?;
    let files: Vec<String> = info.siblings.into_iter().map(|sibling| sibling.rfilename).collect();
    // All files are of one commit, whatever happens to the branch meanwhile.
    let (repo, mut root) = (repo(&info.sha), None);
    for file in wanted(&files) {
        let path = repo.get(file).map_err(told)?;
        root = root.or_else(|| path.ancestors().nth(file.split('/').count()).map(Path::to_owned));
    }
    root.ok_or_else(|| {
        let there = data_streams::listed(files.iter().map(String::as_str));
        format!("it holds no model in diffusers' form; it holds {there}")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_has_an_owner_a_name_and_perhaps_a_revision() {
        let place = |text: &str| Place::of(text).map(|place| (place.name, place.revision));
        let pair = |name: &str, revision: &str| Ok((name.to_owned(), revision.to_owned()));
        assert_eq!(place("google/ddpm-cifar10-32"), pair("google/ddpm-cifar10-32", "main"));
        assert_eq!(place("a/b@refs/pr/1"), pair("a/b", "refs/pr/1"));
        for none in ["", "a", "a/b/c", "a/", "a/..", "a/b@", "a/b@../x", "a b/c", "a/b?x"] {
            assert!(place(none).is_err(), "{none}");
        }
    }

    #[test]
    fn a_directory_is_itself() {
        assert_eq!(directory(Path::new("runs/x")).unwrap(), Path::new("runs/x"));
        let error = directory(Path::new("hf:nothing")).unwrap_err();
        assert!(format!("{error:?}").contains("expected hf:OWNER/NAME"), "{error:?}");
    }

    #[cfg(not(feature = "hub"))]
    #[test]
    fn a_program_without_the_feature_says_what_else_to_do() {
        let told = get(&Place::of("a/b").unwrap()).unwrap_err();
        assert!(told.contains("`hf download a/b --revision main --local-dir DIR`"), "{told}");
    }

    #[test]
    fn of_a_repository_no_more_is_wanted_than_a_model() {
        let files = [
            "README.md",
            "model_index.json",
            "unet/config.json",
            "unet/diffusion_pytorch_model.bin",
            "unet/diffusion_pytorch_model.safetensors",
            "unet/diffusion_pytorch_model.fp16.safetensors",
            "unet/diffusion_pytorch_model-00001-of-00002.safetensors",
            "../config.json",
            "vae/config.json",
            "scheduler/scheduler_config.json",
        ];
        let expected = [files[1], files[2], files[4], files[6], files[9]];
        assert_eq!(wanted(&files.map(str::to_owned)), expected);
    }
}
