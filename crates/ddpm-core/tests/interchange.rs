//! Directories as diffusers writes them: read, sampled from, written again; and those that are damaged.

mod common;

use std::{fs, path::Path};

use burn_autodiff::Autodiff;
use burn_flex::Flex;
use common::{Fixture, distance, floats, path};
use ddpm_core::{
    Conditioning, CoreError, DiTConfig, ImageSize, ProcessConfig, UNet2DConfig,
    diffusers::{
        NetworkFile, SchedulerConfig, load_diffusers, load_network, load_unet, save_diffusers, save_network,
    },
    diffusion::{Prediction, Variance},
    noise::{Key, Purpose, indices},
    parameters::named_parameters,
    sampler::{Ddim, SampleRequest, SamplerOptions, draw_from},
    schedule::{BetaSchedule, Given, ScaledLinear, Sigmoid, SquaredcosCapV2},
};
use safetensors::{SafeTensors, tensor::TensorView};
use serde_json::json;

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
    let twice = UNet2DConfig { out_channels: 2, ..unet.config().clone() };
    let learned = twice.init::<Flex>(Key::new(0, Purpose::named("learned")), &device).unwrap();
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
        let unet = if i % 3 == 2 { &learned } else { &unet };
        save_diffusers(unet, &SchedulerConfig::of(&process), &to).unwrap();
        let again = load_diffusers::<Flex>(&to, &device).unwrap();
        assert_eq!(
            again.scheduler.process().unwrap().build().unwrap(),
            process.build().unwrap(),
            "{process:?}"
        );
        assert_eq!(named_parameters::<Flex, _>(&again.unet), named_parameters::<Flex, _>(unet));
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

/// The same of a transformer, whose sizes may be claimed in many ways: those that no weights can have are refused by the
/// weights' number, the others by their key.
#[test]
fn a_transformer_larger_than_its_weights_takes_no_memory() {
    let device = Default::default();
    let dir = tempfile::tempdir().unwrap();
    let config = DiTConfig { input_size: 8.into(), hidden_size: 16, depth: 1, ..DiTConfig::default() };
    let dit = config.init::<Autodiff<Flex>>(Key::new(0, Purpose::named("small")), &device).unwrap();
    save_network(&dit, dir.path()).unwrap();
    let file = dir.path().join("config.json");
    let fields: serde_json::Map<String, serde_json::Value> =
        serde_json::from_slice(&fs::read(&file).unwrap()).unwrap();
    let outcome = |changes: &[(&str, serde_json::Value)]| {
        let mut fields = fields.clone();
        fields.extend(changes.iter().map(|(key, value)| ((*key).to_owned(), value.clone())));
        fs::write(&file, serde_json::to_vec(&fields).unwrap()).unwrap();
        let mut options = DiTConfig::default();
        NetworkFile::read(dir.path())?.fill(&mut options)?;
        load_network::<Autodiff<Flex>>(&options, dir.path(), &device).map(|_| options)
    };
    assert_eq!(outcome(&[]).unwrap(), config);
    for (changes, told) in [
        (vec![("mlp_ratio", json!(1e12))], "has at least"),
        (vec![("in_channels", json!(1_000_000_000_000_u64))], "has at least"),
        (vec![("patch_size", json!(4096)), ("input_size", json!(4096))], "has at least"),
        (vec![("hidden_size", json!(4_000_000_000_u64))], "has at least"),
        (vec![("depth", json!(u64::MAX))], "has at least"),
        (vec![("num_classes", json!(u64::MAX))], "has at least"),
        (vec![("in_channels", json!(u64::MAX)), ("learn_sigma", json!(true))], "`in_channels` is"),
        (vec![("input_size", json!(1 << 20))], "`input_size` is 1048576: expected at most 4096 pixels"),
    ] {
        let message = outcome(&changes).unwrap_err().to_string();
        assert!(message.contains(told) && message.contains("config.json"), "{changes:?}: {message}");
    }
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

/// The fixture with a text of one of its files replaced.
fn edited(file: &str, from: &str, to: &str) -> tempfile::TempDir {
    let dir = changed(|bytes| bytes);
    let path = dir.path().join(file);
    let text = fs::read_to_string(&path).unwrap();
    assert!(text.contains(from), "{file}: {from}");
    fs::write(path, text.replacen(from, to, 1)).unwrap();
    dir
}

const CONFIG: &str = "unet/config.json";
const SCHEDULER: &str = "scheduler/scheduler_config.json";

#[test]
fn what_changes_nothing_at_inference_is_read() {
    let device = Default::default();
    let plain = load_diffusers::<Flex>(&path("pipeline"), &device).unwrap();
    for (file, from, to) in [
        // Dropout, a square as two numbers, keys of other releases and of other programs.
        (CONFIG, "\"dropout\": 0.0", "\"dropout\": 0.25"),
        (CONFIG, "\"sample_size\": 8", "\"sample_size\": [\n    8,\n    8\n  ]"),
        (CONFIG, "\"add_attention\"", "\"ema_decay_of_mine\": {\"a\": [1]}, \"add_attention\""),
        (CONFIG, "\"_class_name\"", "\"_name_or_path\": \"somewhere\", \"_class_name\""),
        (SCHEDULER, "\"thresholding\"", "\"snr_gamma\": 5.0, \"thresholding\""),
    ] {
        let dir = edited(file, from, to);
        let read = load_diffusers::<Flex>(dir.path(), &device).unwrap();
        assert_eq!(named_parameters::<Flex, _>(&read.unet), named_parameters::<Flex, _>(&plain.unet));
        assert_eq!(read.unet.config().sample_size, Some(8.into()));
        assert_eq!(read.scheduler.process().unwrap(), plain.scheduler.process().unwrap());
    }
    // Dropout is kept for who trains on, and refused where it would be passed over in silence.
    let dir = edited(CONFIG, "\"dropout\": 0.0", "\"dropout\": 0.25");
    let read = load_diffusers::<Flex>(dir.path(), &device).unwrap();
    assert_eq!(read.unet.config().dropout, 0.25);
    assert!(read.unet.config().validate_training().unwrap_err().to_string().contains("`dropout` is 0.25"));
}

/// diffusers has `sample_size` as a number, or as height and width.
#[test]
fn a_rectangle_is_read_and_written_as_two_numbers() {
    let device = Default::default();
    let dir = edited(CONFIG, "\"sample_size\": 8", "\"sample_size\": [8, 16]");
    let read = load_diffusers::<Flex>(dir.path(), &device).unwrap();
    assert_eq!(read.unet.config().sample_size, Some(ImageSize { height: 8, width: 16 }));
    let written = tempfile::tempdir().unwrap();
    let out = written.path().join("pipeline");
    save_diffusers(&read.unet, &read.scheduler, &out).unwrap();
    let config: serde_json::Value =
        serde_json::from_slice(&std::fs::read(out.join("unet/config.json")).unwrap()).unwrap();
    assert_eq!(config["sample_size"], serde_json::json!([8, 16]));
    let again = load_diffusers::<Flex>(&out, &device).unwrap();
    assert_eq!(again.unet.config(), read.unet.config());
    assert_eq!(named_parameters::<Flex, _>(&again.unet), named_parameters::<Flex, _>(&read.unet));
}

#[test]
fn a_mistake_in_json_names_its_file_and_key() {
    for (file, from, to, told) in [
        (
            CONFIG,
            "\"sample_size\": 8",
            "\"sample_size\": [8, 16, 3]",
            "`sample_size` is [8,16,3]: expected a whole number of pixels, or [height, width]",
        ),
        (
            CONFIG,
            "\"sample_size\": 8",
            "\"sample_size\": [8, 13]",
            "`sample_size` is [8, 13]: 2 levels halve the image 1 times, so the width, 13, would have to be a multiple",
        ),
        (
            CONFIG,
            "\"sample_size\": 8",
            "\"sample_size\": [8]",
            "`sample_size` is [8]: expected a whole number of",
        ),
        (CONFIG, "\"AttnDownBlock2D\"", "\"SkipDownBlock2D\"", "`down_block_types.1` is \"SkipDownBlock2D\""),
        (
            CONFIG,
            "\"norm_eps\": 1e-05",
            "\"norm_eps\": \"1e-5\"",
            "`norm_eps` is \"1e-5\": expected a number",
        ),
        (CONFIG, "\"norm_eps\": 1e-05", "\"norm_eps\": NaN", "`norm_eps` is \"NaN\": expected a number"),
        (CONFIG, "\"mid_block_type\": \"UNetMidBlock2D\"", "\"mid_block_type\": null", "`mid_block_type`"),
        (CONFIG, "\"dropout\": 0.0", "\"dropout\": 1.0", "`dropout` is 1.0"),
        (SCHEDULER, "\"beta_end\": 0.02", "\"beta_end\": null", "`beta_end` is null: expected a number"),
        (
            SCHEDULER,
            "\"steps_offset\": 0",
            "\"steps_offset\": -1",
            "`steps_offset` is -1: expected a whole number",
        ),
        (
            SCHEDULER,
            "\"trained_betas\": null",
            "\"trained_betas\": [0.1, \"b\"]",
            "`trained_betas.1` is \"b\"",
        ),
        (
            SCHEDULER,
            "\"prediction_type\": \"epsilon\"",
            "\"prediction_type\": \"flow\"",
            "`prediction_type` is \"flow\"",
        ),
    ] {
        let dir = edited(file, from, to);
        let message = refusal(dir.path());
        let file = Path::new(file).file_name().unwrap().to_str().unwrap();
        assert!(message.contains(told) && message.contains(file), "{message}");
        for word in ["Some(", "usize", "f64", "{ "] {
            assert!(!message.contains(word), "{message}");
        }
    }
}

#[test]
fn network_and_scheduler_have_to_fit_before_weights_are_read() {
    for (file, from, to) in [
        (SCHEDULER, "\"fixed_small\"", "\"learned_range\""),
        (CONFIG, "\"out_channels\": 1", "\"out_channels\": 2"),
        (CONFIG, "\"in_channels\": 1", "\"in_channels\": 3"),
    ] {
        let dir = edited(file, from, to);
        fs::remove_file(dir.path().join(WEIGHTS)).unwrap();
        let message = refusal(dir.path());
        for part in ["scheduler_config.json", "`variance_type`", "`in_channels`", "`out_channels`"] {
            assert!(message.contains(part), "{message}");
        }
    }
    let dir = changed(|bytes| bytes);
    fs::rename(dir.path().join(WEIGHTS), dir.path().join("unet/model.safetensors")).unwrap();
    assert!(refusal(dir.path()).contains("it holds config.json, model.safetensors"));
}

#[test]
fn a_network_in_shards_is_the_network() {
    let dir = changed(|bytes| bytes);
    let whole = fs::read(dir.path().join(WEIGHTS)).unwrap();
    fs::remove_file(dir.path().join(WEIGHTS)).unwrap();
    let shard = |n: usize| format!("diffusion_pytorch_model-0000{n}-of-00002.safetensors");
    let is_first = |name: &str| name.starts_with("down_blocks");
    let mut map = serde_json::Map::new();
    for (n, wanted) in [(1, true), (2, false)] {
        let keep = |name: &str, shape| (is_first(name) == wanted).then(|| (name.to_owned(), shape));
        fs::write(dir.path().join("unet").join(shard(n)), with_tensors(&whole, keep)).unwrap();
    }
    for name in SafeTensors::deserialize(&whole).unwrap().names() {
        map.insert(name.to_owned(), shard(if is_first(name) { 1 } else { 2 }).into());
    }
    let index = serde_json::json!({ "metadata": { "total_size": whole.len() }, "weight_map": map });
    fs::write(dir.path().join("unet/diffusion_pytorch_model.safetensors.index.json"), index.to_string())
        .unwrap();
    let device = Default::default();
    let (read, plain) = (
        load_diffusers::<Flex>(dir.path(), &device).unwrap(),
        load_diffusers::<Flex>(&path("pipeline"), &device).unwrap(),
    );
    assert_eq!(named_parameters::<Flex, _>(&read.unet), named_parameters::<Flex, _>(&plain.unet));
}
