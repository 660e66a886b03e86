//! The text of a value that stands in a sentence.

use cl_metrics::summary::{BySeed, OverSeeds, over_seeds, paired_difference};

use super::{
    clear_share, correlation, curve,
    experiments::Experiments,
    number::{fixed, listed, with_deviation, with_interval},
    optimum::{less_at, optimum, text as optimum_text},
    rows::Rows,
    spec::{Counted, Of, Show, Spec, Value},
    timesteps::{at, peaks},
    verdict::{AgainstReferences, Verdicts},
};

/// The text of a value; none while an experiment of it is running.
///
/// # Errors
/// If the files have no such value.
pub fn text(spec: &Spec, rows: &Rows, all: &Experiments, value: &Value) -> Result<Option<String>, String> {
    let (name, with) = match &value.of {
        Of::Correlation { name, with }
        | Of::CorrelationOfMeans { name, with }
        | Of::Opposite { name, with }
        | Of::OppositeBySeed { name, with }
        | Of::OppositeLabels { name, with } => (name, with),
        of => return of_rows(spec, rows, value, of).map(Some),
    };
    let text = |found: correlation::Found| match &value.of {
        Of::Opposite { .. } => format!("{} of {}", found.opposite().0, found.cells.len()),
        Of::OppositeBySeed { .. } => {
            let counts: Vec<String> = found.opposite_by_seed().iter().map(ToString::to_string).collect();
            listed(&counts)
        }
        Of::OppositeLabels { .. } => {
            format!("{} of {}", found.opposite_labels().len(), found.labels().count())
        }
        Of::CorrelationOfMeans { .. } => correlation::text_of_means(&found, value.digits),
        _ => correlation::text(&found, value.digits),
    };
    Ok(correlated(spec, all, (name, with))?.map(text))
}

/// The text of a value of one experiment.
fn of_rows(spec: &Spec, rows: &Rows, value: &Value, of: &Of) -> Result<String, String> {
    let Value { digits, divide_by, .. } = *value;
    let over = |values: BySeed| {
        let scaled = over_seeds(values.into_values().map(|value| value / divide_by));
        scaled.ok_or_else(|| "a seed, or the label, has no value".to_owned())
    };
    let mean = |label: &str, metric: &str| over(rows.of(label, metric));
    match of {
        Of::Mean { label, metric, show } => shown(&mean(label, metric)?, *show, digits),
        Of::Ratio { label, to, metric } => {
            Ok(fixed(mean(label, metric)?.mean / mean(to, metric)?.mean, digits))
        }
        Of::Range { labels, metric } => {
            let means: Vec<f64> =
                labels.iter().map(|label| Ok(mean(label, metric)?.mean)).collect::<Result<_, String>>()?;
            Ok(range(&means, digits))
        }
        Of::Run { metric } => {
            let value = rows.of_run(metric).ok_or_else(|| format!("the run has no {metric}"))?;
            Ok(fixed(value / divide_by, digits))
        }
        Of::Difference { label, less, metric, show } => {
            difference(spec, rows, value, (label, less, metric), *show)
        }
        Of::Count(counted) => Ok(count(spec, rows, counted).to_string()),
        Of::Optimum { curve, group, less_at } => of_optimum(spec, rows, (curve, *group), *less_at, digits),
        Of::ClearShare { label, loss } => clear_share::text(rows, label, loss, digits),
        Of::Change { label, loss } => Ok(with_interval(&clear_share::change(rows, label, loss)?, digits)),
        Of::Contrast { first, second, metric } => contrast(rows, metric, [first, second], digits),
        Of::AtTimestep { label, metric, t } => {
            Ok(with_interval(&over(at(rows, label, metric, *t)?)?, digits))
        }
        Of::Peak { label, metric } => peak_bins(rows, label, metric),
        Of::Correlation { .. }
        | Of::CorrelationOfMeans { .. }
        | Of::Opposite { .. }
        | Of::OppositeBySeed { .. }
        | Of::OppositeLabels { .. } => Err("a correlation".into()),
    }
}

fn range(means: &[f64], digits: usize) -> String {
    let ends = means.iter().fold((f64::INFINITY, f64::NEG_INFINITY), |(a, b), v| (a.min(*v), b.max(*v)));
    format!("{} to {}", fixed(ends.0, digits), fixed(ends.1, digits))
}

fn difference(
    spec: &Spec,
    rows: &Rows,
    value: &Value,
    (label, less, metric): (&str, &str, &str),
    show: Show,
) -> Result<String, String> {
    let by = |label: &str| -> BySeed {
        rows.of(label, metric).into_iter().map(|(seed, of)| (seed, of / value.divide_by)).collect()
    };
    let over = paired_difference(&by(label), &by(less));
    let over = over.ok_or_else(|| format!("{label} and {less} have no seeds in common"))?;
    if show == Show::Verdict {
        return Ok(with_interval_and(&over, value.digits, verdict(spec, rows, metric, (label, less))?));
    }
    shown(&over, show, value.digits)
}

/// The first difference less the second.
fn contrast(
    rows: &Rows,
    metric: &str,
    pairs: [&(String, String); 2],
    digits: usize,
) -> Result<String, String> {
    let difference = |(label, less): &(String, String)| -> BySeed {
        let others = rows.of(less, metric);
        let values = rows.of(label, metric).into_iter();
        values.filter_map(|(seed, value)| Some((seed, value - others.get(&seed)?))).collect()
    };
    let [first, second] = pairs.map(difference);
    let over = paired_difference(&first, &second).ok_or("a label has no value")?;
    Ok(with_interval(&over, digits))
}

fn peak_bins(rows: &Rows, label: &str, metric: &str) -> Result<String, String> {
    let seeds = rows.seeds(label).len();
    let bin = |((_, low, high), n): &((usize, usize, usize), usize)| {
        format!("t = {low} to {} in {n} of {seeds} seeds", high - 1)
    };
    Ok(listed(&peaks(rows, label, metric)?.iter().map(bin).collect::<Vec<_>>()))
}

fn correlated(
    spec: &Spec,
    all: &Experiments,
    (name, with): (&str, &str),
) -> Result<Option<correlation::Found>, String> {
    let of = spec.correlations.iter().find(|of| of.name == name);
    let of = of.ok_or_else(|| format!("there is no correlation {name}"))?;
    let with = of.with.iter().find(|of| of.name == with).ok_or_else(|| format!("{name} has no {with}"))?;
    Ok(correlation::found(of, with, all))
}

fn shown(over: &OverSeeds, show: Show, digits: usize) -> Result<String, String> {
    match show {
        Show::Mean => Ok(fixed(over.mean, digits)),
        Show::Deviation => Ok(with_deviation(over, digits)),
        Show::Interval => Ok(with_interval(over, digits)),
        Show::Verdict => Err("a mean has no verdict".into()),
    }
}

fn with_interval_and(over: &OverSeeds, digits: usize, words: &str) -> String {
    let shown = with_interval(over, digits);
    shown.strip_suffix(')').map_or_else(|| format!("{shown}, {words}"), |open| format!("{open}; {words})"))
}

fn verdict<'w>(
    spec: &Spec,
    rows: &Rows,
    metric: &str,
    (label, less): (&str, &str),
) -> Result<&'w str, String> {
    match Verdicts::of(spec, rows, metric).tells(label, less) {
        Some(true) => Ok("told apart"),
        Some(false) => Ok("not told apart"),
        None => Err(format!("{label} and {less} have no verdict: a bound, or too few seeds")),
    }
}

fn count(spec: &Spec, rows: &Rows, counted: &Counted) -> usize {
    match counted {
        Counted::Cells => rows.labels().iter().map(|label| rows.seeds(label).len()).sum(),
        Counted::Competing => rows.labels().iter().filter(|label| spec.competes(label)).count(),
        Counted::Pairs { metric } => Verdicts::of(spec, rows, metric).pairs(),
        Counted::ToldOfPairs { metric, with } => Verdicts::of(spec, rows, metric).told_with(with),
        Counted::Told { metric, from: None } => Verdicts::of(spec, rows, metric).told(),
        Counted::Told { metric, from: Some(label) } => {
            AgainstReferences::all(spec, rows, metric, label).told()
        }
        Counted::Against { metric, reference } => {
            AgainstReferences::all(spec, rows, metric, reference).tested()
        }
    }
}

fn of_optimum(
    spec: &Spec,
    rows: &Rows,
    (name, number): (&str, f64),
    other: Option<f64>,
    digits: usize,
) -> Result<String, String> {
    let curve = spec.curves.iter().find(|curve| curve.name == name);
    let curve = curve.ok_or_else(|| format!("there is no curve {name}"))?;
    let groups = curve::groups(curve, rows);
    let group = groups.iter().find(|group| group.number == number);
    let group = group.ok_or_else(|| format!("{name} has no group {number}"))?;
    let found = optimum(&group.points).ok_or("a seed has no value, or there are fewer than three")?;
    let Some(x) = other else { return Ok(optimum_text(group, &found)) };
    if group.points[found.best].x == x {
        return Ok("0: it is the best".into());
    }
    let less = less_at(group, &found, x).ok_or_else(|| format!("{name} has no {x}"))?;
    Ok(with_interval(&less, digits))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::test_data::{experiment, rows};

    fn text_of(of: &str) -> Result<Option<String>, String> {
        let curve = "[[curve]]\nname = \"c\"\ntitle = \"\"\nmetric = \"m\"\nlabels = \"s-{group}-{x}\"\nx = \"\"\ny = \"\"\n\
            scale = \"log\"\ngroup = \"{group}\"";
        let spec = experiment(&format!("bounds = [\"b\"]\n[[value]]\nname = \"v\"\n{of}\n{curve}"));
        let base = [20.0, 50.0, 80.0, 35.0, 65.0];
        let of = |by: [f64; 5]| (0..5).map(|i| base[i] + by[i]).collect::<Vec<f64>>();
        let mut rows = rows(&[
            ("a", of([0.0; 5])),
            ("b", of([9.0; 5])),
            ("s-5-0.1", of([9.9, 10.1, 9.8, 10.0, 10.2])),
            ("s-5-1", of([20.0; 5])),
        ]);
        rows.add_value("lost".into(), None, "m".into(), 0, None);
        text(&spec, &rows, &Experiments::of(Vec::new()), &spec.values[0])
    }

    #[test]
    fn each_kind_of_value_has_its_text() {
        let cases = [
            ("of = { mean = { label = \"a\", metric = \"m\" } }", "50.00"),
            (
                "digits = 1\nof = { mean = { label = \"a\", metric = \"m\", show = \"deviation\" } }",
                "50.0 ± 23.7",
            ),
            (
                "of = { mean = { label = \"a\", metric = \"m\", show = \"interval\" } }",
                "50.00 (20.55 to 79.45)",
            ),
            ("divide_by = 100.0\nof = { mean = { label = \"a\", metric = \"m\" } }", "0.50"),
            ("digits = 1\nof = { ratio = { label = \"s-5-1\", to = \"a\", metric = \"m\" } }", "1.4"),
            (
                "digits = 0\nof = { range = { labels = [\"b\", \"a\", \"s-5-1\"], metric = \"m\" } }",
                "50 to 70",
            ),
            ("of = { difference = { label = \"b\", less = \"a\", metric = \"m\" } }", "9.00"),
            (
                "of = { difference = { label = \"s-5-0.1\", less = \"a\", metric = \"m\", show = \"verdict\" } }",
                "10.00 (9.80 to 10.20; told apart)",
            ),
            ("of = { count = \"cells\" }", "21"),
            ("of = { count = \"competing\" }", "4"),
            ("of = { count = { pairs = { metric = \"m\" } } }", "3"),
            ("of = { count = { told = { metric = \"m\", from = \"a\" } } }", "1"),
            (
                "of = { contrast = { first = [\"s-5-1\", \"a\"], second = [\"s-5-0.1\", \"a\"], metric = \"m\" } }",
                "10.00 (9.80 to 10.20)",
            ),
            ("of = { count = { told_of_pairs = { metric = \"m\", with = \"a\" } } }", "1"),
            ("of = { count = { against = { metric = \"m\", reference = \"a\" } } }", "2"),
            ("of = { optimum = { curve = \"c\", group = 5.0 } }", "0.1 (no other)"),
            ("of = { optimum = { curve = \"c\", group = 5.0, less_at = 0.1 } }", "0: it is the best"),
            ("of = { optimum = { curve = \"c\", group = 5.0, less_at = 1.0 } }", "-10.00 (-10.20 to -9.80)"),
        ];
        for (of, expected) in cases {
            assert_eq!(text_of(of), Ok(Some(expected.to_owned())), "{of}");
        }
    }

    #[test]
    fn a_value_that_the_files_have_not_is_a_mistake() {
        for of in [
            "of = { mean = { label = \"lost\", metric = \"m\" } }",
            "of = { mean = { label = \"nobody\", metric = \"m\" } }",
            "of = { difference = { label = \"b\", less = \"a\", metric = \"m\", show = \"verdict\" } }",
            "of = { run = { metric = \"floor.m\" } }",
            "of = { optimum = { curve = \"c\", group = 6.0 } }",
            "of = { optimum = { curve = \"c\", group = 5.0, less_at = 0.3 } }",
            "of = { clear_share = { label = \"a\", loss = \"vlb\" } }",
        ] {
            assert!(text_of(of).is_err(), "{of}");
        }
    }
}
