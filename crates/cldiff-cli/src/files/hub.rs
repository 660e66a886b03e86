//! Models of the Hugging Face Hub: `hf:OWNER/NAME` or `hf:OWNER/NAME@REVISION` in place of a directory.
//!
//! With the feature `hub`, the files that a model is read from are downloaded into the cache that Python's
//! `huggingface_hub` uses. `HF_ENDPOINT`, `HF_HOME` and `HF_TOKEN` mean what they mean there. Weights are read from
//! safetensors alone, whatever else a repository holds.
//!
//! hf-hub lists the files of a repository. It does not download them: it joins the `ETag` and `X-Repo-Commit` that a server
//! sends to the path of the cache, so that a server could write anywhere. Here a server names the commit, which must be
//! hexadecimal, and files, which must be on the list of [`wanted`].

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
    let is_number = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let is_shard = |name: &str| {
        let numbers =
            name.strip_prefix("diffusion_pytorch_model-").and_then(|rest| rest.strip_suffix(".safetensors"));
        numbers
            .and_then(|numbers| numbers.split_once("-of-"))
            .is_some_and(|(i, n)| is_number(i) && is_number(n))
    };
    let is_wanted = |file: &&str| {
        let name = match file.split_once('/') {
            Some(("unet" | "network" | "scheduler", name)) => name,
            Some(_) => return false,
            None => *file,
        };
        NAMES.contains(&name) || is_shard(name)
    };
    files.iter().map(String::as_str).filter(is_wanted).collect()
}

/// Whether a server's text is the hash of a commit, and so the name of one directory.
#[cfg(any(feature = "hub", test))]
fn is_commit(text: &str) -> bool {
    (7..=64).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

#[cfg(not(feature = "hub"))]
fn get(place: &Place) -> Result<PathBuf, String> {
    let Place { name, revision } = place;
    Err(format!(
        "this program was built without the feature `hub`; `hf download {name} --revision {revision} --local-dir DIR` gets \
         the model, and --model DIR reads it"
    ))
}

/// Gets the files that are not in the cache yet; gives the directory of the model.
#[cfg(feature = "hub")]
fn get(place: &Place) -> Result<PathBuf, String> {
    use hf_hub::{Cache, Repo, RepoType, api::sync::ApiBuilder};

    let cache = Cache::from_env();
    let token = std::env::var("HF_TOKEN").ok().or_else(|| cache.token());
    let api = ApiBuilder::from_env().with_token(token.clone()).build().map_err(advised)?;
    let repo = |revision: &str| Repo::with_revision(place.name.clone(), RepoType::Model, revision.to_owned());
    let info = api.repo(repo(&place.revision)).info().map_err(advised)?;
    if !is_commit(&info.sha) {
        return Err(format!("the server names {:?} as the commit: expected a hexadecimal hash", info.sha));
    }
    let files: Vec<String> = info.siblings.into_iter().map(|sibling| sibling.rfilename).collect();
    let wanted = wanted(&files);
    if wanted.is_empty() {
        let there = data_streams::listed(files.iter().map(String::as_str));
        return Err(format!("it holds no model in diffusers' form; it holds {there}"));
    }
    // All files are of one commit, whatever happens to the branch meanwhile.
    let (repo, root) = (repo(&info.sha), cache.repo(repo(&info.sha)).pointer_path(&info.sha));
    let api = api.repo(repo);
    for file in wanted {
        let path = root.join(file);
        if !path.exists() {
            download(&api.url(file), token.as_deref(), &path).map_err(advised)?;
        }
    }
    Ok(root)
}

#[cfg(feature = "hub")]
fn advised(error: impl std::fmt::Display) -> String {
    format!(
        "{error}; a private model needs its token in HF_TOKEN, and a machine without a network the model's directory"
    )
}

/// Downloads a file beside its place, and then renames it. The token goes to no other host.
#[cfg(feature = "hub")]
fn download(url: &str, token: Option<&str>, path: &Path) -> Result<(), String> {
    use std::{fs, io, time::Duration};

    use ureq::{Agent, config::RedirectAuthHeaders};

    let patience = Some(Duration::from_mins(1));
    let config = Agent::config_builder()
        .timeout_connect(patience)
        .timeout_recv_response(patience)
        .timeout_per_read(patience)
        .redirect_auth_headers(RedirectAuthHeaders::SameHost)
        .user_agent(concat!("cldiff/", env!("CARGO_PKG_VERSION")));
    let mut request = Agent::from(config.build()).get(url);
    if let Some(token) = token {
        request = request.header("Authorization", format!("Bearer {token}"));
    }
    let body = request.call().map_err(|error| format!("{url}: {error}"))?.into_body();
    let bar =
        body.content_length().map_or_else(indicatif::ProgressBar::no_length, indicatif::ProgressBar::new);
    let told = |error: io::Error| format!("{url}: {}: {error}", path.display());
    fs::create_dir_all(path.parent().unwrap_or(path)).map_err(told)?;
    let part = path.with_extension(format!("{}.part", std::process::id()));
    let written = fs::File::create(&part)
        .and_then(|mut file| io::copy(&mut bar.wrap_read(body.into_reader()), &mut file).and(file.sync_all()))
        .and_then(|()| fs::rename(&part, path));
    bar.finish_and_clear();
    written.map_err(|error| {
        let _ = fs::remove_file(&part);
        told(error)
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

    #[test]
    fn a_commit_is_the_name_of_one_directory() {
        assert!(is_commit("0123456789abcdef0123456789abcdef01234567"));
        for none in ["", ".", "../../..", "/etc", "0123456/89abcdef", "0123456789abcdeg", &"0".repeat(65)] {
            assert!(!is_commit(none), "{none}");
        }
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
            "/config.json",
            "unet/../../config.json",
            "unet/diffusion_pytorch_model-..\\..\\x-of-1.safetensors",
            "diffusion_pytorch_model-/../../x-of-1.safetensors",
            "diffusion_pytorch_model-1-of-2/../../x.safetensors",
            "vae/config.json",
            "scheduler/scheduler_config.json",
        ];
        let expected = [files[1], files[2], files[4], files[6], files[14]];
        assert_eq!(wanted(&files.map(str::to_owned)), expected);
    }
}
