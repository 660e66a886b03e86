//! The directory of a model, taken apart: where its network and its scheduler are, and whether they fit each other.

use std::{
    fs,
    path::{Path, PathBuf},
};

use serde_json::Value;

use super::{
    CONFIG, INDEX, NETWORK, SCHEDULER, SchedulerConfig, UNET,
    fields::{cut, cut_list},
    read_json, weights,
};
use crate::{CoreError, diffusion::Variance, network::NetworkShape};

/// A directory of images or of a data set would take long to be looked through.
const MOST_ENTRIES: usize = 10_000;
/// `RUN/cells/LABEL-SEED/checkpoints/after-task-K/unet`.
const DEEPEST: usize = 5;
/// Names in a message.
const MOST_NAMES: usize = 8;

/// A directory that diffusers or [`save_diffusers`](super::save_diffusers) wrote, taken apart.
#[derive(Debug, Clone, PartialEq)]
pub struct Parts {
    /// Where the network is.
    pub network: PathBuf,
    /// The process and how diffusers would sample from it; diffusers' defaults where a directory has none.
    pub scheduler: SchedulerConfig,
    /// The file of the scheduler, or the directory that has none.
    place: PathBuf,
}

impl Parts {
    /// Looks into a directory.
    ///
    /// # Errors
    /// [`CoreError::Io`] for a directory that is not there, [`CoreError::Format`] for a pipeline or scheduler that is not
    /// supported, and for a directory without a model: the message names the models below it, or what is there.
    pub fn find(dir: &Path) -> Result<Self, CoreError> {
        if dir.is_file() {
            let problem = "a file: give the directory that holds the model".into();
            return Err(CoreError::Format { path: dir.to_owned(), problem });
        }
        if !dir.is_dir() {
            let missing = std::io::Error::new(std::io::ErrorKind::NotFound, "no such directory");
            return Err(CoreError::Io { path: dir.to_owned(), source: missing });
        }
        let index = dir.join(INDEX);
        let (network, scheduler) = if index.exists() {
            check_pipeline(&index)?;
            (dir.join(UNET), dir.join("scheduler").join(SCHEDULER))
        } else if dir.join(NETWORK).join(CONFIG).exists() {
            (dir.join(NETWORK), dir.join("scheduler").join(SCHEDULER))
        } else if dir.join(CONFIG).exists() {
            (dir.to_owned(), dir.join(SCHEDULER))
        } else {
            return Err(no_model(dir));
        };
        let (place, scheduler) = if scheduler.exists() || index.exists() {
            let config = SchedulerConfig::read(&scheduler)?;
            (scheduler, config)
        } else {
            (dir.to_owned(), SchedulerConfig::default())
        };
        Ok(Self { network, scheduler, place })
    }

    /// Checks, before any weights are read, that the network gives what the process asks for, and that the weights are
    /// there.
    ///
    /// # Errors
    /// [`CoreError::Format`] for channels that do not fit the variance, and for weights that are not there.
    pub fn check(&self, network: &NetworkShape) -> Result<(), CoreError> {
        let process = self.scheduler.process().map_err(CoreError::in_file(&self.place))?;
        check_channels(network, process.variance, self.scheduler.variance_type.as_deref())
            .map_err(CoreError::in_file(&self.place))?;
        weights::find(&self.network).map(|_| ())
    }
}

/// Checks that a network has the channels for a variance, learned or fixed.
///
/// # Errors
/// [`CoreError::Config`] that names `variance_type` and both numbers of channels.
pub(super) fn check_channels(
    network: &NetworkShape,
    variance: Variance,
    variance_type: Option<&str>,
) -> Result<(), CoreError> {
    let NetworkShape { in_channels, out_channels, .. } = *network;
    let needed = if variance == Variance::LearnedRange { in_channels.saturating_mul(2) } else { in_channels };
    if out_channels == needed {
        return Ok(());
    }
    let expected = format!(
        "with it, `out_channels` has to be {needed} for `in_channels` = {in_channels}, and the network's config.json \
         has {out_channels}"
    );
    Err(CoreError::config("variance_type", variance_type, expected))
}

fn check_pipeline(index: &Path) -> Result<(), CoreError> {
    const READ: [&str; 3] = ["DDPMPipeline", "DDIMPipeline", "PNDMPipeline"];
    let fields = read_json(index)?;
    match fields.get("_class_name") {
        Some(Value::String(class)) if READ.contains(&class.as_str()) => Ok(()),
        class => {
            let class = class.map_or_else(|| "absent".to_owned(), |class| cut(&class.to_string()));
            let problem = format!("`_class_name` is {class}: supported are {}", READ.join(", "));
            Err(CoreError::Format { path: index.to_owned(), problem })
        }
    }
}

fn no_model(dir: &Path) -> CoreError {
    let mut below = Vec::new();
    models_below(dir, 0, &mut 0, &mut below);
    below.sort();
    let problem = if below.is_empty() {
        format!("no model: there is neither {CONFIG} nor {INDEX}; {}", contents(dir))
    } else {
        let names: Vec<String> = below.iter().map(|model| model.display().to_string()).collect();
        format!(
            "not a model itself, but these below it are; give one of them: {}",
            cut_list(&names, MOST_NAMES)
        )
    };
    CoreError::Format { path: dir.to_owned(), problem }
}

/// The directories below one that [`Parts::find`] takes for a model.
fn models_below(dir: &Path, depth: usize, seen: &mut usize, found: &mut Vec<PathBuf>) {
    let Ok(entries) = fs::read_dir(dir) else { return };
    for entry in entries.flatten() {
        *seen += 1;
        if *seen > MOST_ENTRIES {
            return;
        }
        let path = entry.path();
        // Not through links, which may lead back.
        if !entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            continue;
        }
        let is_model = path.join(INDEX).exists()
            || path.join(NETWORK).join(CONFIG).exists()
            || (path.join(CONFIG).exists() && weights::are_in(&path));
        if is_model {
            found.push(path);
        } else if depth + 1 < DEEPEST {
            models_below(&path, depth + 1, seen, found);
        }
    }
}

/// The names in a directory, for a message.
pub(super) fn contents(dir: &Path) -> String {
    let entries = fs::read_dir(dir).into_iter().flatten().flatten();
    let mut names: Vec<String> = entries.map(|entry| entry.file_name().display().to_string()).collect();
    names.sort();
    if names.is_empty() {
        "the directory is empty".into()
    } else {
        format!("it holds {}", cut_list(&names, MOST_NAMES))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(dir: &Path) -> String {
        Parts::find(dir).unwrap_err().to_string()
    }

    /// Empty files of these names.
    fn with(files: &[&str]) -> tempfile::TempDir {
        let dir = tempfile::tempdir().unwrap();
        for file in files {
            let path = dir.path().join(file);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, "{}").unwrap();
        }
        dir
    }

    #[test]
    fn a_directory_without_a_model_names_those_below_it_or_its_content() {
        let weights = "diffusion_pytorch_model.safetensors";
        let step = |n: usize, part: &str| {
            [format!("out/step-{n}/{part}/config.json"), format!("out/step-{n}/{part}/{weights}")]
        };
        let files = [step(500, "unet"), step(500, "unet_ema"), step(1000, "unet_ema")].concat();
        let dir = with(&files.iter().map(String::as_str).collect::<Vec<_>>());
        let message = told(dir.path());
        for model in ["out/step-500/unet,", "out/step-500/unet_ema", "out/step-1000/unet_ema"] {
            assert!(message.contains(model), "{message}");
        }
        // A pipeline is named once, not with its parts.
        let dir = with(&["a/model_index.json", "a/unet/config.json", &format!("a/unet/{weights}")]);
        let message = told(dir.path());
        assert!(message.ends_with(&dir.path().join("a").display().to_string()), "{message}");

        assert!(told(with(&[]).path()).contains("the directory is empty"));
        let message = told(with(&["last.ckpt", "hparams.yaml"]).path());
        assert!(
            message.contains("neither config.json nor model_index.json; it holds hparams.yaml, last.ckpt"),
            "{message}"
        );
        let dir = with(&["model.safetensors"]);
        assert!(told(&dir.path().join("model.safetensors")).contains("give the directory"));
    }

    #[test]
    fn variance_and_channels_must_fit() {
        let shape = |in_channels, out_channels| NetworkShape {
            in_channels,
            out_channels,
            size: Some(8.into()),
            multiple: 1,
            fixed_size: false,
            conditions: None,
        };
        let check = |i, o, variance| check_channels(&shape(i, o), variance, Some("its name"));
        for (i, o, variance) in
            [(1, 1, Variance::FixedSmall), (3, 3, Variance::FixedLarge), (3, 6, Variance::LearnedRange)]
        {
            assert!(check(i, o, variance).is_ok());
        }
        for (i, o, variance) in [
            (1, 2, Variance::FixedSmall),
            (3, 4, Variance::FixedLarge),
            (3, 3, Variance::LearnedRange),
            (4, 4, Variance::LearnedRange),
        ] {
            let message = check(i, o, variance).unwrap_err().to_string();
            for part in
                ["`variance_type` is \"its name\"", "`in_channels`", "`out_channels`", &format!("has {o}")]
            {
                assert!(message.contains(part), "{message}");
            }
        }
    }
}
