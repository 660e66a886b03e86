//! The configuration of `DiTTransformer2DModel`, from a [`DiTConfig`] and to one.

use cldiff_choices::ImageSize;
use serde_json::{Map, Value, json};

use crate::{CoreError, diffusers::pass_over, dit::DiTConfig, network::check_side};

/// The class's name in diffusers, for the `_class_name` of a `config.json`.
pub const CLASS: &str = "DiTTransformer2DModel";

/// Width of the hidden layer of diffusers' blocks, in widths of a token; no key changes it.
const MLP_RATIO: f64 = 4.0;
/// The shift of diffusers' frequencies; no key changes it.
const FREQ_SHIFT: usize = 1;

/// Keys with the only value that computes the same as a [`DiTConfig`]; each is diffusers' default.
fn fixed() -> [(&'static str, Value); 5] {
    [
        ("activation_fn", json!("gelu-approximate")),
        ("attention_bias", json!(true)),
        ("norm_elementwise_affine", json!(false)),
        ("norm_type", json!("ada_norm_zero")),
        ("upcast_attention", json!(false)),
    ]
}

/// The content of diffusers' `config.json`: all keys of the class, and `_class_name`.
///
/// # Errors
/// [`CoreError::Config`] for a network that diffusers' class does not compute: an unconditional one, one of rectangles, or
/// one with another `mlp_ratio` or `freq_shift`.
pub fn config_to_diffusers(config: &DiTConfig) -> Result<Map<String, Value>, CoreError> {
    config.validate()?;
    let rows = label_rows(config)?;
    let mut fields = Map::from_iter([("_class_name".to_owned(), json!(CLASS))]);
    fields.extend(fixed().map(|(key, value)| (key.to_owned(), value)));
    let own = [
        ("attention_head_dim", json!(config.hidden_size / config.num_heads)),
        // A network here has none, and does nothing where a network is used: that of a file is not kept.
        ("dropout", json!(0.0)),
        ("in_channels", json!(config.in_channels)),
        ("norm_eps", json!(config.norm_eps)),
        // The class has the key and does not use it.
        ("norm_num_groups", json!(32)),
        ("num_attention_heads", json!(config.num_heads)),
        ("num_embeds_ada_norm", json!(rows - 1)),
        ("num_layers", json!(config.depth)),
        ("out_channels", json!(config.out_channels())),
        ("patch_size", json!(config.patch_size)),
        ("sample_size", json!(config.input_size)),
    ];
    fields.extend(own.map(|(key, value)| (key.to_owned(), value)));
    Ok(fields)
}

/// The rows of the label table of a network that diffusers' class computes.
pub(super) fn label_rows(config: &DiTConfig) -> Result<usize, CoreError> {
    if !config.input_size.is_square() {
        let expected =
            format!("expected as many rows as columns, as diffusers' `{CLASS}` takes squares only");
        return Err(CoreError::config("input_size", config.input_size, expected));
    }
    let Some(rows) = config.num_classes else {
        let expected = format!("expected classes, as diffusers' `{CLASS}` has no unconditional form");
        return Err(CoreError::Config { key: "num_classes".into(), value: "absent".into(), expected });
    };
    if config.mlp_ratio != MLP_RATIO {
        let expected = format!("expected {MLP_RATIO}, the only one of diffusers' `{CLASS}`");
        return Err(CoreError::config("mlp_ratio", config.mlp_ratio, expected));
    }
    if config.freq_shift != FREQ_SHIFT {
        let expected = format!("expected {FREQ_SHIFT}, the only one of diffusers' `{CLASS}`");
        return Err(CoreError::config("freq_shift", config.freq_shift, expected));
    }
    Ok(rows)
}

/// The network of a `config.json`. A key that is absent has diffusers' default; keys that begin with `_` say where a
/// file comes from, of which only `_class_name` is looked at; unknown ones are passed over with a warning.
///
/// # Errors
/// [`CoreError::Config`] for another class, or a value that is not supported, naming diffusers' key.
pub fn config_from_diffusers(fields: &Map<String, Value>) -> Result<DiTConfig, CoreError> {
    if let Some(class) = fields.get("_class_name").filter(|class| class.as_str() != Some(CLASS)) {
        return Err(refused("_class_name", class, format!("expected \"{CLASS}\"")));
    }
    let mut rest = Fields(fields.iter().filter(|(key, _)| !key.starts_with('_')).collect());
    for (key, only) in fixed() {
        match rest.take(key) {
            Some(value) if !same(value, &only) => {
                return Err(refused(key, value, format!("only {only} is supported")));
            }
            _ => {}
        }
    }
    // The class has the key and does not use it.
    rest.take("norm_num_groups");
    rest.dropout()?;
    let (size, patch_size) = rest.sizes()?;
    let (num_heads, hidden_size) = rest.heads()?;
    let in_channels = rest.count("in_channels", 4, 1)?;
    let config = DiTConfig {
        input_size: ImageSize::square(size),
        patch_size,
        in_channels,
        hidden_size,
        depth: rest.count("num_layers", 28, 1)?,
        num_heads,
        mlp_ratio: MLP_RATIO,
        num_classes: Some(rest.count("num_embeds_ada_norm", 1000, 0)? + 1),
        learn_sigma: rest.learned_variance(in_channels)?,
        norm_eps: rest.norm_eps()?,
        freq_shift: FREQ_SHIFT,
    };
    let unknown: Vec<String> = rest.0.iter().map(|(key, _)| (*key).clone()).collect();
    pass_over("config.json", &unknown);
    config.validate()?;
    Ok(config)
}

/// The keys that have not been looked at yet.
struct Fields<'a>(Vec<(&'a String, &'a Value)>);

impl<'a> Fields<'a> {
    fn take(&mut self, key: &str) -> Option<&'a Value> {
        let at = self.0.iter().position(|(name, _)| *name == key)?;
        Some(self.0.remove(at).1)
    }

    fn count(&mut self, key: &str, default: usize, least: u32) -> Result<usize, CoreError> {
        let Some(value) = self.take(key) else { return Ok(default) };
        // No size of a network comes near the bound, below which no product of two overflows.
        let count =
            value.as_u64().and_then(|n| u32::try_from(n).ok()).filter(|n| (least..u32::MAX).contains(n));
        count.map(|n| n as usize).ok_or_else(|| {
            refused(key, value, format!("expected a whole number from {least} to {}", u32::MAX - 1))
        })
    }

    /// Sides of the image and of a patch.
    fn sizes(&mut self) -> Result<(usize, usize), CoreError> {
        let size = self.count("sample_size", 32, 1)?;
        let patch = self.count("patch_size", 2, 1)?;
        check_side("sample_size", size.into())?;
        if size % patch != 0 {
            let expected = format!("expected a divisor of `sample_size`, {size}");
            return Err(CoreError::config("patch_size", patch, expected));
        }
        Ok((size, patch))
    }

    /// Heads, and the width of a token.
    fn heads(&mut self) -> Result<(usize, usize), CoreError> {
        let heads = self.count("num_attention_heads", 16, 1)?;
        let dim = self.count("attention_head_dim", 72, 1)?;
        if heads * dim % 4 != 0 {
            let expected =
                format!("expected a multiple of 4 when multiplied by `num_attention_heads`, {heads}");
            return Err(CoreError::config("attention_head_dim", dim, expected));
        }
        Ok((heads, heads * dim))
    }

    fn learned_variance(&mut self, in_channels: usize) -> Result<bool, CoreError> {
        match self.take("out_channels") {
            None | Some(Value::Null) => Ok(false),
            Some(value) if *value == json!(in_channels) => Ok(false),
            Some(value) if *value == json!(2 * in_channels) => Ok(true),
            Some(value) => {
                let twice = 2 * in_channels;
                Err(refused(
                    "out_channels",
                    value,
                    format!("expected `in_channels`, {in_channels}, or {twice}"),
                ))
            }
        }
    }

    /// Dropout is nothing where a network is used.
    fn dropout(&mut self) -> Result<(), CoreError> {
        let Some(value) = self.take("dropout") else { return Ok(()) };
        match value.as_f64() {
            Some(rate) if (0.0..1.0).contains(&rate) => Ok(()),
            _ => Err(refused("dropout", value, "expected 0 or more, and less than 1")),
        }
    }

    fn norm_eps(&mut self) -> Result<f64, CoreError> {
        let Some(value) = self.take("norm_eps") else { return Ok(1e-5) };
        let positive = value.as_f64().filter(|eps| *eps > 0.0);
        positive.ok_or_else(|| refused("norm_eps", value, "expected a number above 0"))
    }
}

/// Equality, for which 0 and 0.0 are one number.
fn same(a: &Value, b: &Value) -> bool {
    a == b || (a.is_number() && a.as_f64() == b.as_f64())
}

fn refused(key: &str, value: &Value, expected: impl Into<String>) -> CoreError {
    CoreError::Config { key: key.into(), value: value.to_string(), expected: expected.into() }
}
