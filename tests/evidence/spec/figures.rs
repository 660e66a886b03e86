//! Figures in `tables.toml`.

use std::collections::BTreeMap;

use cldiff_cli::report::plot::Kind;
use serde::Deserialize;

/// The scale of an axis.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Scale {
    /// Equal differences have equal lengths.
    Linear,
    /// The same, with 0.
    WithZero,
    /// Equal ratios have equal lengths.
    Log,
}

impl From<Scale> for Kind {
    fn from(scale: Scale) -> Self {
        match scale {
            Scale::Linear => Self::Linear,
            Scale::WithZero => Self::WithZero,
            Scale::Log => Self::Log,
        }
    }
}

/// A quantity over a number x, a line for each of several groups: both are read from labels.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Curve {
    /// Its name in marks, in laws and in values, and in the name of its file.
    pub name: String,
    /// The title of the figure.
    pub title: String,
    /// The quantity.
    pub metric: String,
    /// Labels with `{group}` and `{x}` in place of numbers.
    pub labels: String,
    /// The label that is x = 0 of every group.
    pub zero: Option<String>,
    /// The name of x.
    pub x: String,
    /// The name of y.
    pub y: String,
    /// The scale of y.
    pub scale: Scale,
    /// The name of a group, with `{group}` in place of the number.
    pub group: String,
    /// Labels that are levels.
    #[serde(default)]
    pub levels: Vec<String>,
    /// Whether the floor is a level: the quantity of training images in place of samples.
    #[serde(default)]
    pub floor: bool,
    /// Digits of numbers in the table of the optima, which there is if the number is given.
    pub optima: Option<usize>,
}

/// The optimum of curves over their groups, a line for each curve.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Law {
    /// Its name in marks, and in the name of its file.
    pub name: String,
    /// The title of the figure.
    pub title: String,
    /// The name of the groups' axis.
    pub x: String,
    /// The name of the optima's axis.
    pub y: String,
    /// The curves, as `EXPERIMENT/CURVE`, with their names in the legend.
    pub curves: Vec<(String, String)>,
}

/// The strategies that no other one beats in both a quantity and a cost, of which less is better.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Pareto {
    /// Its name in marks, and in the name of its file.
    pub name: String,
    /// The title of the figure.
    pub title: String,
    /// The quantity.
    pub metric: String,
    /// The name of the quantity.
    pub y: String,
    /// The scale of the quantity.
    pub scale: Scale,
    /// Digits of the quantity in the table.
    pub digits: usize,
    /// The quantities that the cost is a sum of, each with its weight.
    pub cost: BTreeMap<String, f64>,
    /// The name of the cost.
    pub x: String,
    /// Digits of the cost in the table.
    pub cost_digits: usize,
}

/// Forgetting along the timesteps, a line for each label.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Timesteps {
    /// Its name in marks, and in the names of its files.
    pub name: String,
    /// The title of the figures, before the axis is named.
    pub title: String,
    /// The quantity: `timestep_forgetting.denoising_loss.absolute` and so on.
    pub metric: String,
    /// The name of y.
    pub y: String,
    /// The labels.
    pub labels: Vec<String>,
}

/// Rank correlations over cells between one quantity and others.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Correlation {
    /// Its name in marks and values, and in the names of its files.
    pub name: String,
    /// The experiments whose cells they are.
    pub experiments: Vec<String>,
    /// Labels that are left out, beside bounds.
    #[serde(default)]
    pub without: Vec<String>,
    /// Why they are, as a sentence.
    #[serde(default)]
    pub why: String,
    /// The quantity.
    pub metric: String,
    /// Its name in sentences, as in "the rise of bits/dim".
    pub title: String,
    /// The other quantities.
    pub with: Vec<With>,
}

/// A quantity that another is correlated with.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct With {
    /// Its name in values and files.
    pub name: String,
    /// The quantity.
    pub metric: String,
    /// Its name in sentences.
    pub title: String,
}
