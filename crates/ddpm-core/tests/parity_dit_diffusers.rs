//! The DiT against diffusers' `DiTTransformer2DModel`: read from its directories, written as they are, and refused where
//! the two differ.

mod common;

use std::{collections::HashMap, fs, path::Path};

use burn::tensor::{Tensor, TensorData};
use burn_flex::Flex;
use burn_ndarray::NdArray;
use common::{Fixture, distance, floats, path};
use ddpm_core::{
    CoreError, DiT, DiTConfig, ImageSize, Kernels,
    diffusers::load_tensors,
    dit::diffusers::{config_from_diffusers, config_to_diffusers, names_from_diffusers, names_to_diffusers},
    noise::{Key, NormalNoise, Purpose, indices},
    parameters::{named_parameters, with_named_parameters},
};
use safetensors::{Dtype, tensor::TensorView};
use serde_json::{Map, Value, json};

const NAMES: [&str; 2] = ["plain", "learned_variance"];
const CONFIG: &str = "config.json";
const WEIGHTS: &str = "diffusion_pytorch_model.safetensors";

type Tensors = HashMap<String, TensorData>;

fn fixture(name: &str) -> (Map<String, Value>, Tensors) {
    parts(&path("dit_diffusers").join(name))
}

fn parts(dir: &Path) -> (Map<String, Value>, Tensors) {
    let config = serde_json::from_slice(&fs::read(dir.join(CONFIG)).unwrap()).unwrap();
    (config, load_tensors(&dir.join(WEIGHTS)).unwrap())
}

fn network<B: Kernels>((fields, tensors): (Map<String, Value>, Tensors)) -> DiT<B> {
    let config = config_from_diffusers(&fields).unwrap();
    let parameters = names_from_diffusers(tensors, &config).unwrap();
    let blank = config.init::<B>(Key::new(0, Purpose::named("blank")), &B::Device::default()).unwrap();
    with_named_parameters(blank, parameters).unwrap()
}

fn check<B: Kernels>(name: &str) {
    let expected = Fixture::read(&format!("dit_diffusers/{name}/expected.safetensors"));
    let device = B::Device::default();
    let ints = |name: &str| {
        indices::<B>(&expected.values(name).iter().map(|&v| v as usize).collect::<Vec<_>>(), &device)
    };
    let out = network::<B>(fixture(name)).forward(expected.tensor("x"), ints("t"), Some(ints("y")));
    let largest = expected.values("out").iter().fold(0.0_f64, |most, v| most.max(v.abs()));
    let difference = distance(&floats(out), expected.values("out")) / largest;
    assert!(difference < 1e-5, "{name}: the output differs by {difference} of its largest number");
    println!("{name}: {difference:.1e} of the largest number");
}

#[test]
fn flex_agrees_with_diffusers() {
    NAMES.iter().for_each(|name| check::<Flex>(name));
}

#[test]
fn ndarray_agrees_with_diffusers() {
    NAMES.iter().for_each(|name| check::<NdArray<f32>>(name));
}

#[test]
fn what_is_written_is_what_diffusers_writes() {
    for name in NAMES {
        let (fields, tensors) = fixture(name);
        let dit = network::<Flex>((fields.clone(), tensors.clone()));
        let written = names_to_diffusers(named_parameters(&dit).into_iter().collect(), dit.config()).unwrap();
        assert_eq!(written, tensors, "{name}");
        let mut again = config_to_diffusers(dit.config()).unwrap();
        assert_eq!(config_from_diffusers(&again).unwrap(), *dit.config(), "{name}");
        // Two ways to say the same: a number, or nothing where it is that of the inputs.
        let channels = again.remove("out_channels").unwrap();
        assert!(fields["out_channels"].is_null() || fields["out_channels"] == channels, "{name}");
        let theirs =
            fields.into_iter().filter(|(key, _)| !["out_channels", "_diffusers_version"].contains(&&**key));
        assert_eq!(again, theirs.collect::<Map<_, _>>(), "{name}");
    }
}

/// A network that is not new: the gates and outputs of a new one are zero.
fn random(config: &DiTConfig) -> DiT<Flex> {
    let key = Key::new(0, Purpose::named("random"));
    let dit = config.init::<Flex>(key, &Default::default()).unwrap();
    let parameters = named_parameters(&dit).into_iter().enumerate().map(|(i, (name, value))| {
        let values = key.normal_values(i as u64, 1, value.num_elements()).into_iter().map(|v| 0.2 * v);
        (name, TensorData::new(values.collect::<Vec<f32>>(), value.shape))
    });
    with_named_parameters(dit, parameters.collect()).unwrap()
}

fn write(tensors: &[(String, TensorData)], file: &Path) {
    let views = tensors.iter().map(|(name, values)| {
        (name, TensorView::new(Dtype::F32, values.shape.to_vec(), values.as_bytes()).unwrap())
    });
    let metadata = HashMap::from([("format".to_owned(), "pt".to_owned())]);
    fs::write(file, safetensors::serialize(views, Some(metadata)).unwrap()).unwrap();
}

/// The directories stay where they are, for `tools/parity/dit_in_diffusers.py`.
#[test]
fn directories_written_here_are_read_here() {
    let sizes =
        DiTConfig { input_size: 8.into(), hidden_size: 24, depth: 3, freq_shift: 1, ..DiTConfig::default() };
    let configs = [
        ("one_channel", DiTConfig { num_classes: Some(11), ..sizes.clone() }),
        (
            "colour",
            DiTConfig { num_classes: Some(1), in_channels: 3, learn_sigma: true, patch_size: 2, ..sizes },
        ),
    ];
    let device = Default::default();
    for (name, config) in configs {
        let dir = Path::new(env!("CARGO_TARGET_TMPDIR")).join("dit_in_diffusers").join(name);
        fs::create_dir_all(&dir).unwrap();
        let dit = random(&config);
        let parameters = named_parameters(&dit);
        let tensors = names_to_diffusers(parameters.clone().into_iter().collect(), &config).unwrap();
        let fields = Value::Object(config_to_diffusers(&config).unwrap());
        fs::write(dir.join(CONFIG), format!("{fields:#}\n")).unwrap();
        write(&tensors.into_iter().collect::<Vec<_>>(), &dir.join(WEIGHTS));
        let again = network::<Flex>(parts(&dir));
        assert_eq!(again.config(), &config);
        assert_eq!(named_parameters(&again), parameters);

        let key = Key::new(0, Purpose::named("x_t"));
        let x_t: Tensor<Flex, 4> = key.normal(0, [4, config.in_channels, 8, 8], &device);
        let last = config.num_classes.unwrap() - 1;
        let (t, y) = ([0, 10, 500, 999], [0, last / 2, last, 0]);
        let out = again.forward(x_t.clone(), indices(&t, &device), Some(indices(&y, &device)));
        assert!(out.clone().abs().max().into_scalar() > 0.1);
        // Whole numbers below 2^24 are exact in f32.
        let numbers = |values: [usize; 4]| TensorData::new(values.map(|v| v as f32).to_vec(), [4]);
        let pairs =
            [("x_t", x_t.into_data()), ("t", numbers(t)), ("y", numbers(y)), ("prediction", out.into_data())];
        write(&pairs.map(|(name, data)| (name.to_owned(), data)), &dir.join("predictions.safetensors"));
    }
}

#[test]
fn what_diffusers_cannot_express_is_named() {
    let good = DiTConfig { num_classes: Some(11), freq_shift: 1, ..DiTConfig::default() };
    config_to_diffusers(&good).unwrap();
    let refusal = |config: DiTConfig| {
        let named = names_to_diffusers(HashMap::new(), &config).unwrap_err().to_string();
        let message = config_to_diffusers(&config).unwrap_err().to_string();
        assert_eq!(named, message);
        message
    };
    let unconditional = refusal(DiTConfig { num_classes: None, ..good.clone() });
    assert!(unconditional.contains("`num_classes` is absent") && unconditional.contains("unconditional"));
    assert!(refusal(DiTConfig { mlp_ratio: 2.0, ..good.clone() }).contains("`mlp_ratio` is 2.0: expected 4"));
    assert!(refusal(DiTConfig { freq_shift: 0, ..good.clone() }).contains("`freq_shift` is 0: expected 1"));
    let wide = refusal(DiTConfig { input_size: ImageSize { height: 8, width: 16 }, ..good });
    assert!(wide.contains("`input_size` is [8, 16]") && wide.contains("takes squares only"), "{wide}");
}

#[test]
fn a_configuration_that_is_not_supported_names_its_key() {
    let (fields, _) = fixture("plain");
    let cases = [
        ("_class_name", json!("UNet2DModel"), "DiTTransformer2DModel"),
        ("activation_fn", json!("geglu"), "gelu-approximate"),
        ("attention_bias", json!(false), "true"),
        ("dropout", json!(1.5), "less than 1"),
        ("norm_elementwise_affine", json!(true), "false"),
        ("norm_type", json!("layer_norm"), "ada_norm_zero"),
        ("upcast_attention", json!(true), "false"),
        ("norm_eps", json!(0), "above 0"),
        ("num_layers", json!(0), "from 1"),
        ("num_attention_heads", json!("2"), "whole number"),
        ("attention_head_dim", json!(3), "multiple of 4"),
        ("patch_size", json!(3), "divisor of `sample_size`, 8"),
        ("sample_size", json!([8, 8]), "whole number"),
        ("sample_size", json!([8, 16]), "whole number"),
        ("sample_size", json!(8192), "at most 4096 pixels"),
        ("in_channels", json!(u64::MAX), "whole number"),
        ("out_channels", json!(3), "1, or 2"),
        ("num_embeds_ada_norm", Value::Null, "whole number"),
    ];
    for (key, value, expected) in cases {
        let mut fields = fields.clone();
        fields.insert(key.to_owned(), value);
        let error = config_from_diffusers(&fields).unwrap_err();
        assert!(matches!(&error, CoreError::Config { key: named, .. } if named == key), "{key}: {error}");
        assert!(error.to_string().contains(expected), "{error}");
    }
    let mut same = fields.clone();
    same.insert("dropout".to_owned(), json!(0));
    same.insert("norm_num_groups".to_owned(), json!(8));
    assert_eq!(config_from_diffusers(&same).unwrap(), config_from_diffusers(&fields).unwrap());
}

#[test]
fn absent_keys_have_the_defaults_of_diffusers() {
    let config = config_from_diffusers(&Map::new()).unwrap();
    let expected = DiTConfig {
        input_size: 32.into(),
        patch_size: 2,
        in_channels: 4,
        hidden_size: 1152,
        depth: 28,
        num_heads: 16,
        mlp_ratio: 4.0,
        num_classes: Some(1001),
        learn_sigma: false,
        norm_eps: 1e-5,
        freq_shift: 1,
    };
    assert_eq!(config, expected);
}

#[test]
fn tensors_that_do_not_fit_are_named() {
    let (fields, tensors) = fixture("plain");
    let config = config_from_diffusers(&fields).unwrap();
    let refusal = |tensors: &Tensors, config: &DiTConfig| {
        names_from_diffusers(tensors.clone(), config).unwrap_err().to_string()
    };
    let with = |name: &str, change: &dyn Fn(TensorData) -> TensorData| {
        let mut tensors = tensors.clone();
        let value = tensors.remove(name).unwrap();
        tensors.insert(name.to_owned(), change(value));
        refusal(&tensors, &config)
    };
    for copied in ["timestep_embedder.linear_2.bias", "class_embedder.embedding_table.weight"] {
        let name = format!("transformer_blocks.1.norm1.emb.{copied}");
        let moved = with(&name, &|value| {
            let mut values = value.to_vec::<f32>().unwrap();
            *values.last_mut().unwrap() += 1e-6;
            TensorData::new(values, value.shape)
        });
        assert!(moved.contains(&format!("`{name}`: it differs from the first block's")), "{moved}");
    }
    let name = "transformer_blocks.0.attn1.to_k.weight";
    let shape = with(name, &|value| TensorData::new(value.to_vec::<f32>().unwrap(), [4, 16]));
    assert!(shape.contains(&format!("`{name}`: its shape is [4, 16]")), "{shape}");

    let mut missing = tensors.clone();
    let bias = missing.remove("proj_out_2.bias").unwrap();
    assert!(refusal(&missing, &config).contains("`proj_out_2.bias`: missing"));
    let mut more = tensors.clone();
    more.insert("proj_out_3.bias".to_owned(), bias);
    assert!(refusal(&more, &config).contains("`proj_out_3.bias`: the model has no"));
    // The claims of a configuration take no memory.
    let deep = DiTConfig { depth: 4_000_000_000, ..config.clone() };
    assert!(refusal(&tensors, &deep).contains("`transformer_blocks.2."));
    let wide = DiTConfig { hidden_size: 1 << 62, ..config.clone() };
    assert!(refusal(&tensors, &wide).contains("`pos_embed.proj.weight`: its shape is"));

    let ours = names_from_diffusers(tensors, &config).unwrap();
    let mut more = ours.clone();
    more.insert("extra".to_owned(), ours["final_layer.linear.bias"].clone());
    assert!(names_to_diffusers(more, &config).unwrap_err().to_string().contains("`extra`"));
    let mut missing = ours;
    missing.remove("blocks.1.attn.qkv.bias");
    let message = names_to_diffusers(missing, &config).unwrap_err().to_string();
    assert!(message.contains("`blocks.1.attn.qkv.bias`: missing"), "{message}");
}
