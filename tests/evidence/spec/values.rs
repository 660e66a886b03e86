//! Values in `tables.toml`: each stands in a sentence, between marks.

use serde::Deserialize;

/// A value.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Value {
    /// Its name in the documents' marks.
    pub name: String,
    /// Digits after the point.
    #[serde(default = "two")]
    pub digits: usize,
    /// The divisor of the value.
    #[serde(default = "super::one")]
    pub divide_by: f64,
    /// The value.
    pub of: Of,
}

/// The kinds of values.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Of {
    /// The mean of a quantity over the seeds.
    Mean {
        /// The label.
        label: String,
        /// The quantity.
        metric: String,
        /// The measure of spread beside the mean.
        #[serde(default)]
        show: Show,
    },
    /// The mean of a label by that of another.
    Ratio {
        /// The label.
        label: String,
        /// The label whose mean is the divisor.
        to: String,
        /// The quantity.
        metric: String,
    },
    /// The least and the greatest mean of some labels.
    Range {
        /// The labels.
        labels: Vec<String>,
        /// The quantity.
        metric: String,
    },
    /// A quantity of the run.
    Run {
        /// The quantity.
        metric: String,
    },
    /// The difference of two labels, paired by seed.
    Difference {
        /// The label.
        label: String,
        /// The label that is taken off.
        less: String,
        /// The quantity.
        metric: String,
        /// The measure of spread beside the mean.
        #[serde(default)]
        show: Show,
    },
    /// The difference of two differences, paired by seed: how much the effect of a choice depends on another.
    Contrast {
        /// The first difference: a label, and the label that is taken off.
        first: (String, String),
        /// The difference that is taken off it.
        second: (String, String),
        /// The quantity.
        metric: String,
    },
    /// The mean over the seeds of the change of a loss over all timesteps, averaged over the old tasks.
    Change {
        /// The label.
        label: String,
        /// `denoising_loss` or `vlb`.
        loss: String,
    },
    /// The rank correlation between the means of the labels.
    CorrelationOfMeans {
        /// The correlation.
        name: String,
        /// The other quantity, by its name there.
        with: String,
    },
    /// The numbers of cells of [`Of::Opposite`], seed by seed.
    OppositeBySeed {
        /// The correlation.
        name: String,
        /// The other quantity, by its name there.
        with: String,
    },
    /// A number of things.
    Count(Counted),
    /// The x of the lowest mean of a curve's group, with the values of the grid that are best in at least 5 % of resamples.
    Optimum {
        /// The curve.
        curve: String,
        /// The group.
        group: f64,
        /// An x: instead, the paired difference of the quantity between the best x and this one.
        less_at: Option<f64>,
    },
    /// A rank correlation with its interval.
    Correlation {
        /// The correlation.
        name: String,
        /// The other quantity, by its name there.
        with: String,
    },
    /// The part, in percent, of the mean change of a loss that comes from timesteps with more signal than noise.
    ClearShare {
        /// The label.
        label: String,
        /// `denoising_loss` or `vlb`.
        loss: String,
    },
    /// The number of cells whose quantity is better at the end, and whose other quantity is worse, of all cells.
    Opposite {
        /// The correlation.
        name: String,
        /// The other quantity, by its name there.
        with: String,
    },
    /// The number of labels of which the 95 % t intervals over the seeds say the same, of all labels.
    OppositeLabels {
        /// The correlation.
        name: String,
        /// The other quantity, by its name there.
        with: String,
    },
    /// A quantity of the timesteps in the bin of one of them, averaged over the old tasks.
    AtTimestep {
        /// The label.
        label: String,
        /// The quantity.
        metric: String,
        /// A timestep of the bin.
        t: usize,
    },
    /// The bins in which a quantity of the timesteps is greatest, each with the number of seeds.
    Peak {
        /// The label.
        label: String,
        /// The quantity.
        metric: String,
    },
}

/// The measure of spread beside a mean.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Show {
    /// Nothing.
    #[default]
    Mean,
    /// The standard deviation over the seeds.
    Deviation,
    /// Student's 95 % t interval.
    Interval,
    /// The interval, and whether the verdict tells the two labels apart.
    Verdict,
}

/// Things that are counted.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Counted {
    /// Cells: labels and seeds.
    Cells,
    /// Labels that compete.
    Competing,
    /// Pairs of competing labels that are compared in a quantity.
    Pairs {
        /// The quantity.
        metric: String,
    },
    /// Pairs with a label that the verdict tells apart with the correction over all pairs.
    ToldOfPairs {
        /// The quantity.
        metric: String,
        /// The label.
        with: String,
    },
    /// Pairs that the verdict tells apart, of all pairs.
    Told {
        /// The quantity.
        metric: String,
        /// A reference: instead, labels that are told from it, of the comparisons with it alone.
        from: Option<String>,
    },
    /// Comparisons with a reference.
    Against {
        /// The quantity.
        metric: String,
        /// The reference.
        reference: String,
    },
}

fn two() -> usize {
    2
}
