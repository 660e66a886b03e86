//! Counts that no computer has room or time for. They are refused with their key before anything is multiplied with them.

use cldiff_engine::EvaluationConfig;
use data_streams::Stream;
use toml::{Table, Value};

use super::Config;

/// The largest count of a configuration: a terabyte, or the steps of thirty years.
const MOST: i64 = 1_000_000_000_000;
/// The most work of one kind, in images that go through a network. It leaves room for the sum of all kinds in a u64.
const MOST_WORK: u128 = 1_000_000_000_000_000_000;

/// A count with its key.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Excess {
    /// The key.
    pub key: String,
    /// The problem.
    pub message: String,
}

/// The first integer that is too large for any count, seeds aside, which count nothing.
pub(super) fn too_large(table: &Table) -> Option<Excess> {
    table.iter().find_map(|(key, value)| within(key, value))
}

fn within(key: &str, value: &Value) -> Option<Excess> {
    let name = key.rsplit('.').next().unwrap_or(key);
    match value {
        _ if ["seed", "seeds"].contains(&name) => None,
        Value::Integer(count) if *count > MOST => {
            let message = format!("`{key}` is {count}: expected at most {MOST}");
            Some(Excess { key: key.to_owned(), message })
        }
        Value::Table(table) => {
            table.iter().find_map(|(inner, value)| within(&format!("{key}.{inner}"), value))
        }
        Value::Array(items) => {
            items.iter().enumerate().find_map(|(i, item)| within(&format!("{key}.{i}"), item))
        }
        _ => None,
    }
}

/// Keys of the configuration and their counts, which are multiplied.
type Factors = Vec<(&'static str, usize)>;

/// A product that comes near to overflowing, by the largest of its factors.
pub(super) fn too_much_work(config: &Config, stream: &Stream) -> Option<Excess> {
    let (training, tasks) = (&config.training, stream.len());
    let batches = vec![
        ("training.batch_size", training.batch_size),
        ("training.accumulated_batches", training.accumulated_batches),
    ];
    let a_step = excess(&batches, 1);
    let trained = || {
        let mut factors = batches;
        let steps = (0..tasks).map(|k| training.steps_in(stream, k)).max().unwrap_or(0);
        factors.push((
            if training.budget.is_some() { "training.budget" } else { "training.steps_per_experience" },
            steps,
        ));
        excess(&factors, tasks)
    };
    a_step.or_else(trained).or_else(|| {
        let timesteps = config.process.timesteps;
        evaluated(&config.evaluation, timesteps)
            .iter()
            .find_map(|factors| excess(factors, (tasks + 1) * tasks))
    })
}

/// The products of the evaluation. The steps of samplers are checked against the timesteps elsewhere.
fn evaluated(evaluation: &EvaluationConfig, timesteps: usize) -> Vec<Factors> {
    let (likelihood, within) = (&evaluation.likelihood, &evaluation.within);
    let process = ("process.timesteps", timesteps);
    let draws = ("evaluation.likelihood.draws", likelihood.draws);
    let mut all = vec![
        vec![("evaluation.samples_per_task", evaluation.samples_per_task), process],
        vec![("evaluation.likelihood.images_per_task", likelihood.images_per_task), draws, process],
        vec![("evaluation.within.images_per_task", within.images_per_task), process],
        vec![("evaluation.within.samples", within.samples), process],
    ];
    all.extend(
        evaluation.cas.map(|cas| vec![("evaluation.cas.samples_per_class", cas.samples_per_class), process]),
    );
    all.extend(
        evaluation.gradients.map(|config| vec![("evaluation.gradients.images", config.images), process]),
    );
    all.extend(evaluation.cka.map(|config| vec![("evaluation.cka.images", config.images), process]));
    all
}

fn excess(factors: &[(&'static str, usize)], times: usize) -> Option<Excess> {
    // Both a factor and its product with another are below 2^64, so that nothing overflows here.
    let product = factors.iter().map(|(_, count)| *count as u128).try_fold(times as u128, u128::checked_mul);
    if product.is_some_and(|product| product <= MOST_WORK) {
        return None;
    }
    let (key, count) = factors.iter().max_by_key(|(_, count)| *count)?;
    let others: Vec<String> = factors
        .iter()
        .filter(|(other, _)| other != key)
        .map(|(other, count)| format!("`{other}` = {count}"))
        .collect();
    let message = format!(
        "`{key}` is {count}, which with {} is more than can be computed: expected less",
        others.join(" and ")
    );
    Some(Excess { key: (*key).to_owned(), message })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn integers_beyond_any_count_are_named_by_their_path() {
        for (text, key) in [
            ("[training]\nbatch_size = 1000000000001", "training.batch_size"),
            (
                "[[strategy]]\nfinetune = {}\n[[strategy]]\nreplay = { buffer = { total = 9223372036854775807 } }",
                "strategy.1.replay.buffer.total",
            ),
            (
                "[evaluation.hybrid_sampling]\nthresholds = [1, 4000000000000]",
                "evaluation.hybrid_sampling.thresholds.1",
            ),
            ("[data]\nseeds_each = 2000000000000", "data.seeds_each"),
        ] {
            let found = too_large(&text.parse().unwrap()).unwrap();
            assert_eq!(found.key, key);
            assert!(
                found.message.contains(&format!("`{key}` is "))
                    && found.message.contains("at most 1000000000000")
            );
        }
        for fine in [
            "seeds = [9223372036854775807]",
            "[training]\nbatch_size = 1000000000000\nx = -5",
            "name = 'x'",
            "[stream.class_incremental.class_order]\nshuffled = { seed = 2000000000000 }",
            "[[strategy]]\nmine = { seeds = [2000000000000] }",
        ] {
            assert_eq!(too_large(&fine.parse().unwrap()), None, "{fine}");
        }
    }

    #[test]
    fn the_largest_factor_of_a_product_is_named() {
        assert_eq!(excess(&[("a", 1 << 20), ("b", 1 << 20)], 10), None);
        for (factors, times, key) in [
            (vec![("a", 1_000_000_000_000), ("b", 1_000_001)], 1, "a"),
            (vec![("a", 1_000_000), ("b", 1_000_000), ("c", 1_000_001)], 1, "c"),
            (vec![("a", 1_000_000_000), ("b", 2)], usize::MAX, "a"),
            (vec![("a", usize::MAX), ("b", usize::MAX), ("c", usize::MAX)], usize::MAX, "c"),
        ] {
            let found = excess(&factors, times).unwrap();
            assert_eq!(found.key, key);
            assert!(found.message.starts_with(&format!("`{key}` is ")), "{}", found.message);
        }
    }
}
