//! Models of diffusers, weights of PyTorch, and states of a training.

use std::{fs, path::Path};

use burn_autodiff::Autodiff;
use burn_flex::Flex;
use cl_metrics::pytorch::StateDict;
use cl_strategies::Checkpoints;
use ddpm_core::{
    BuildNetwork,
    diffusers::{NetworkFile, load_diffusers, load_network, read_configs},
    parameters::named_parameters,
};
use serde_json::json;
use sha2::{Digest, Sha256};

use crate::{choice, files, in_directory, write};

/// `config.json`, `scheduler_config.json` and weights, as diffusers keeps a network.
pub fn diffusers(data: &[u8]) {
    let [config, scheduler, weights] = files(data);
    in_directory(|dir| {
        let dir = dir.join("unet");
        write(&dir.join("config.json"), config);
        write(&dir.join("scheduler_config.json"), scheduler);
        write(&dir.join("diffusion_pytorch_model.safetensors"), weights);
        networks(&dir, weights);
        let Ok((config, scheduler)) = read_configs(&dir) else { return };
        if let Ok(process) = scheduler.process()
            && let Ok(process) = process.build()
        {
            let process = format!("{process:?}");
            assert!(!process.contains("NaN"), "{process}");
        }
        if let Ok(model) = load_diffusers::<Flex>(&dir, &Default::default()) {
            // A model that was accepted is no larger than its file.
            assert!(config.least_parameters() <= weights.len());
            assert_eq!(model.scheduler, scheduler);
        }
    });
}

/// Each network of the list, which the program loads where the file names its class.
fn networks(dir: &Path, weights: &[u8]) {
    macro_rules! each {
        ($($Options:ty),* $(,)?) => { $(network::<$Options>(dir, weights);)* };
    }
    ddpm_core::built_in_networks!(each! {});
}

/// A network that was accepted is no larger than its file, and no smaller than it says.
fn network<O: BuildNetwork<Autodiff<Flex>> + Default>(dir: &Path, weights: &[u8]) {
    let mut options = O::default();
    let filled = NetworkFile::read(dir).and_then(|file| file.fill(&mut options));
    if filled.is_ok()
        && let Ok(network) = load_network::<Autodiff<Flex>>(&options, dir, &Default::default())
    {
        let parameters = named_parameters(&network);
        let numbers = parameters.values().fold(0, |sum, value| sum + value.num_elements());
        assert!(options.least_parameters() <= numbers && numbers <= weights.len());
    }
}

/// The files of weights as diffusers names them: an index with shards, a variant's file or its index, or one file; some
/// of them are there, as the first byte says.
pub fn weights(data: &[u8]) {
    let (choice, rest) = choice(data);
    let [config, index, first, second] = files(rest);
    let stem = "diffusion_pytorch_model";
    let all = [
        (1, format!("{stem}.safetensors.index.json"), index),
        (2, format!("{stem}.safetensors.index.fp16.json"), index),
        (4, format!("{stem}.safetensors"), first),
        (8, format!("{stem}.fp16.safetensors"), first),
        (16, format!("{stem}.ema.safetensors"), second),
        (32, format!("{stem}-00001-of-00002.safetensors"), first),
        (32, format!("{stem}-00002-of-00002.safetensors"), second),
    ];
    in_directory(|dir| {
        let dir = dir.join("weights");
        let _ = fs::remove_dir_all(&dir);
        write(&dir.join("config.json"), config);
        for (bit, name, bytes) in &all {
            if choice & bit != 0 {
                write(&dir.join(name), bytes);
            }
        }
        match load_diffusers::<Flex>(&dir, &Default::default()) {
            Ok(_) => {
                let (config, _) = read_configs(&dir).expect("it was read before");
                assert!(config.least_parameters() <= first.len() + second.len());
            }
            // The error names the file.
            Err(error) => assert!(error.to_string().contains("weights"), "{error}"),
        }
    });
}

/// A state dict of PyTorch, in either form of file.
pub fn pytorch(data: &[u8]) {
    in_directory(|dir| {
        let path = dir.join("weights.pth");
        write(&path, data);
        let Ok(weights) = StateDict::read(&path) else { return };
        for name in weights.names() {
            let (dtype, shape) = weights.form(name).expect("a name that was given");
            let bytes = weights.data(name).expect("a name that was given");
            assert_eq!(bytes.len() * 8, dtype.bitsize() * shape.iter().product::<usize>(), "{name}");
        }
    });
}

/// Values and tensors of a training's state under a manifest that is right, or with a manifest of the input.
pub fn checkpoint(data: &[u8]) {
    let (choice, rest) = choice(data);
    let [values, tensors, manifest] = files(rest);
    in_directory(|dir| {
        let root = dir.join("states");
        let _ = fs::remove_dir_all(&root);
        let state = root.join("000001");
        let files = [("values.json", values), ("tensors.safetensors", tensors)];
        for (name, bytes) in files {
            write(&state.join(name), bytes);
        }
        let right = files.map(|(name, bytes)| {
            let sha256: String = Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect();
            (name.to_owned(), json!({ "bytes": bytes.len(), "sha256": sha256 }))
        });
        let right = json!({ "schema": 1, "files": serde_json::Map::from_iter(right) }).to_string();
        write(&state.join("manifest.json"), if choice & 1 == 0 { right.as_bytes() } else { manifest });
        let (found, damaged) = Checkpoints::new(root, 1).newest();
        match found {
            Some(state) => {
                assert!(damaged.is_empty());
                for tensor in state.tensors.values() {
                    assert_eq!(tensor.num_elements(), tensor.shape.iter().product::<usize>());
                }
                // A state that was read is written, and read again.
                let copies = Checkpoints::new(dir.join("copies"), 1);
                copies.save(&state).expect("a state that was read can be written");
                let again = copies.newest().0.expect("a state that was written can be read");
                assert_eq!(again.values, state.values);
                assert!(again.tensors.keys().eq(state.tensors.keys()));
                for (name, tensor) in &state.tensors {
                    assert_eq!(again.tensors[name].as_bytes(), tensor.as_bytes(), "{name}");
                }
            }
            // The error of an unreadable state names its file.
            None => assert!(damaged.len() == 1 && damaged[0].to_string().contains("000001")),
        }
    });
}
