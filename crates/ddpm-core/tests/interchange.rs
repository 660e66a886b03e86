//! Directories as diffusers writes them: read, sampled from, written again; and those that are damaged.

mod common;

use std::{fs, path::Path};

use burn_flex::Flex;
use common::{Fixture, distance, floats, path};
use ddpm_core::{
    Conditioning, CoreError, ProcessConfig,
    diffusers::{SchedulerConfig, load_diffusers, load_unet, save_diffusers},
    diffusion::{Prediction, Variance},
    noise::{Key, Purpose, indices},
    parameters::named_parameters,
    sampler::{Ddim, SampleRequest, SamplerOptions, draw_from},
    schedule::{BetaSchedule, Given, ScaledLinear, Sigmoid, SquaredcosCapV2},
};
use safetensors::{SafeTensors, tensor::TensorView};

const WEIGHTS: &str = "unet/diffusion_pytorch_model.safetensors";

#[test]
fn a_pipeline_of_diffusers_predicts_and_samples_as_there() {
    let fixture = Fixture::read("pipeline/expected.safetensors");
    let device = Default::default();
    let pretrained = load_diffusers::<Flex>(&path("pipeline"), &device).unwrap();
    let ints = |name: &str| fixture.values(name).iter().map(|&v| v as usize).collect::<Vec<_>>();
    let (t, y) = (indices(&ints("t"), &device), indices(&ints("y"), &device));
    let prediction = pretrained.unet.forward(fixture.tensor("x_t"), t, Some(y));
    let difference = distance(&floats(prediction), fixture.values("prediction"));
    assert!(difference < 1e-5, "the prediction differs by {difference}");

    let process = pretrained.scheduler.process().unwrap().build().unwrap();
    let request = |batch| SampleRequest {
        count: 3,
        batch,
        shape: [1, 8, 8],
        conditioning: Conditioning::Classes(ints("y")),
        key: Key::new(0, Purpose::named("unused: DDIM draws nothing")),
    };
    let mut ddim = Ddim::default();
    ddim.follow(&pretrained.scheduler, Some(50), 0.0);
    let sample = |batch| {
        let x_t = fixture.tensor("x_T");
        draw_from(&ddim, &pretrained.unet, &process, &request(batch), x_t, &mut |_| {}).unwrap()
    };
    let together = floats(sample(3));
    let difference = distance(&together, fixture.values("x_0"));
    assert!(difference < 1e-3, "the samples differ by {difference}");
    assert_eq!(together, floats(sample(2)), "samples depend on the batch that they were drawn in");
}

#[test]
fn what_is_written_is_read_as_it_was() {
    let device = Default::default();
    let dir = tempfile::tempdir().unwrap();
    let unet = load_unet::<Flex>(&path("pipeline/unet"), &device).unwrap();
    let schedules = [
        BetaSchedule::linear(),
        BetaSchedule::of(ScaledLinear { beta_start: 8.5e-4, beta_end: 0.012 }),
        BetaSchedule::cosine(),
        BetaSchedule::of(SquaredcosCapV2 { max_beta: 0.9 }),
        BetaSchedule::of(Sigmoid { beta_start: 1e-4, beta_end: 0.02 }),
        BetaSchedule::of(Given((1..=50).map(|i| f64::from(i) * 1e-3).collect())),
    ];
    for (i, schedule) in schedules.into_iter().enumerate() {
        let process = ProcessConfig {
            timesteps: 50,
            schedule,
            zero_terminal_snr: i % 2 == 0,
            prediction: [Prediction::VPrediction, Prediction::Epsilon][i % 2],
            variance: [Variance::FixedSmall, Variance::FixedLarge, Variance::LearnedRange][i % 3],
        };
        let to = dir.path().join(i.to_string());
        save_diffusers(&unet, &process, &to).unwrap();
        let again = load_diffusers::<Flex>(&to, &device).unwrap();
        assert_eq!(
            again.scheduler.process().unwrap().build().unwrap(),
            process.build().unwrap(),
            "{process:?}"
        );
        assert_eq!(named_parameters::<Flex, _>(&again.unet), named_parameters::<Flex, _>(&unet));
    }
}

/// A copy of the fixture, its weights changed by `change`.
fn changed(change: impl FnOnce(Vec<u8>) -> Vec<u8>) -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    for file in ["model_index.json", "unet/config.json", "scheduler/scheduler_config.json", WEIGHTS] {
        fs::create_dir_all(dir.path().join(file).parent().unwrap()).unwrap();
        fs::copy(path("pipeline").join(file), dir.path().join(file)).unwrap();
    }
    let weights = dir.path().join(WEIGHTS);
    let bytes = fs::read(&weights).unwrap();
    fs::write(&weights, change(bytes)).unwrap();
    dir
}

/// The weights file with other tensors: a name is changed, a tensor dropped or given another shape.
fn with_tensors(bytes: &[u8], edit: impl Fn(&str, Vec<usize>) -> Option<(String, Vec<usize>)>) -> Vec<u8> {
    let file = SafeTensors::deserialize(bytes).unwrap();
    let tensors: Vec<(String, TensorView<'_>)> = file
        .tensors()
        .into_iter()
        .filter_map(|(name, view)| {
            let (name, shape) = edit(&name, view.shape().to_vec())?;
            let numbers = shape.iter().product::<usize>() * 4;
            Some((name, TensorView::new(view.dtype(), shape, &view.data()[..numbers]).unwrap()))
        })
        .collect();
    safetensors::serialize(tensors, None).unwrap()
}

fn refusal(dir: &Path) -> String {
    load_diffusers::<Flex>(dir, &Default::default()).unwrap_err().to_string()
}

#[test]
fn old_names_of_attention_are_read() {
    let dir = changed(|bytes| {
        with_tensors(&bytes, |name, shape| {
            let old = name
                .replace(".to_q.", ".query.")
                .replace(".to_k.", ".key.")
                .replace(".to_v.", ".value.")
                .replace(".to_out.0.", ".proj_attn.");
            Some((old, shape))
        })
    });
    let old = load_diffusers::<Flex>(dir.path(), &Default::default()).unwrap();
    let new = load_diffusers::<Flex>(&path("pipeline"), &Default::default()).unwrap();
    assert_eq!(named_parameters::<Flex, _>(&old.unet), named_parameters::<Flex, _>(&new.unet));
}

#[test]
fn a_tensor_that_does_not_fit_is_named_with_its_file() {
    let keep = |name: &str, shape| Some((name.to_owned(), shape));
    let missing = changed(|b| with_tensors(&b, |n, s| if n == "conv_in.bias" { None } else { keep(n, s) }));
    let shape = changed(|b| {
        with_tensors(&b, |n, s| if n == "conv_out.weight" { keep(n, vec![1, 8, 3, 1]) } else { keep(n, s) })
    });
    let renamed =
        changed(|b| with_tensors(&b, |n, s| keep(if n == "conv_in.bias" { "conv_in.offset" } else { n }, s)));
    for (dir, tensor, problem) in [
        (missing, "conv_in.bias", "missing"),
        (shape, "conv_out.weight", "shape"),
        (renamed, "conv_in.bias", "missing"),
    ] {
        let message = refusal(dir.path());
        assert!(message.contains(&format!("`{tensor}`")) && message.contains(problem), "{message}");
        assert!(message.contains(".safetensors"), "{message}");
    }
}

#[test]
fn damaged_files_are_errors() {
    let whole = fs::read(path("pipeline").join(WEIGHTS)).unwrap();
    for length in [0, 4, 8, 100, whole.len() / 2, whole.len() - 1] {
        let message = refusal(changed(|bytes| bytes[..length].to_vec()).path());
        assert!(message.contains("not a safetensors file"), "{length}: {message}");
    }
    // A header that claims more than the file has, and one whose tensors lie beyond its end or overflow.
    let header = |json: &str| {
        let mut bytes = (json.len() as u64).to_le_bytes().to_vec();
        bytes.extend(json.as_bytes());
        bytes
    };
    let huge = u64::MAX.to_le_bytes().to_vec();
    let beyond = header(r#"{"a":{"dtype":"F32","shape":[1000000],"data_offsets":[0,4000000]}}"#);
    let overflow =
        header(r#"{"a":{"dtype":"F32","shape":[4294967296,4294967296,4294967296],"data_offsets":[0,8]}}"#);
    let negative = header(r#"{"a":{"dtype":"F32","shape":[-1],"data_offsets":[0,4]}}"#);
    for bytes in [huge, beyond, overflow, negative] {
        let message = refusal(changed(|_| bytes.clone()).path());
        assert!(message.contains("not a safetensors file"), "{message}");
    }
}

#[test]
fn a_configuration_larger_than_its_weights_takes_no_memory() {
    let dir = changed(|bytes| bytes);
    let file = dir.path().join("unet/config.json");
    let text = fs::read_to_string(&file).unwrap();
    let text = text.replace("\"norm_num_groups\": 4", "\"norm_num_groups\": 1");
    let start = text.find("\"block_out_channels\"").unwrap();
    let end = start + text[start..].find(']').unwrap() + 1;
    let huge = "\"block_out_channels\": [4000000000, 4000000000]";
    fs::write(&file, format!("{}{huge}{}", &text[..start], &text[end..])).unwrap();
    let message = refusal(dir.path());
    assert!(message.contains("parameters"), "{message}");
}

#[test]
fn pickled_checkpoints_and_other_pipelines_are_refused_with_advice() {
    let dir = changed(|bytes| bytes);
    fs::rename(dir.path().join(WEIGHTS), dir.path().join("unet/diffusion_pytorch_model.bin")).unwrap();
    assert!(refusal(dir.path()).contains("safe_serialization=True"));
    let index = dir.path().join("model_index.json");
    fs::write(&index, r#"{"_class_name": "StableDiffusionPipeline"}"#).unwrap();
    assert!(refusal(dir.path()).contains("StableDiffusionPipeline"));
    let nothing = load_diffusers::<Flex>(&dir.path().join("nowhere"), &Default::default());
    assert!(matches!(nothing, Err(CoreError::Io { .. })));
}

#[test]
fn an_unknown_schedule_names_its_file_and_key() {
    let dir = changed(|bytes| bytes);
    let file = dir.path().join("scheduler/scheduler_config.json");
    fs::write(&file, r#"{"beta_schedule": "laplace"}"#).unwrap();
    let message = refusal(dir.path());
    assert!(message.contains("scheduler_config.json") && message.contains("laplace"), "{message}");
    assert_eq!(SchedulerConfig::default().process().unwrap(), ProcessConfig::default());
}
