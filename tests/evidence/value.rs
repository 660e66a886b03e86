//! The text of a value that stands in a sentence.

use cl_metrics::summary::{OverSeeds, over_seeds, paired_difference};

use super::{
    correlation, curve,
    experiments::Experiments,
    number::{fixed, listed, with_deviation, with_interval},
    optimum::{less_at, optimum, text as optimum_text},
    rows::Rows,
    spec::{Counted, Of, Show, Spec, Value},
    timesteps::{at, clear_share, peaks},
    verdict::Verdicts,
};

/// The text of a value; none while an experiment of it is running.
///
/// # Errors
/// If the files have no such value.
pub fn text(spec: &Spec, rows: &Rows, all: &Experiments, value: &Value) -> Result<Option<String>, String> {
    let Value { digits, divide_by, of, .. } = value;
    let (digits, divide_by) = (*digits, *divide_by);
    let scaled = |over: Option<OverSeeds>| over.ok_or("a seed, or the label, has no value".to_owned());
    let mean = |label: &str, metric: &str| {
        scaled(over_seeds(rows.of(label, metric).into_values().map(|value| value / divide_by)))
    };
    let found = match of {
        Of::Mean { label, metric, show } => shown(&mean(label, metric)?, *show, digits)?,
        Of::Ratio { label, to, metric } => fixed(mean(label, metric)?.mean / mean(to, metric)?.mean, digits),
        Of::Range { labels, metric } => {
            let means = labels.iter().map(|label| Ok(mean(label, metric)?.mean));
            let means: Vec<f64> = means.collect::<Result<_, String>>()?;
            let (least, most) =
                means.iter().fold((f64::INFINITY, f64::NEG_INFINITY), |(a, b), v| (a.min(*v), b.max(*v)));
            format!("{} to {}", fixed(least, digits), fixed(most, digits))
        }
        Of::Run { metric } => {
            let value = rows.of_run(metric).ok_or_else(|| format!("the run has no {metric}"))?;
            fixed(value / divide_by, digits)
        }
        Of::Difference { label, less, metric, show } => {
            let by = |label: &str| {
                rows.of(label, metric).into_iter().map(|(seed, value)| (seed, value / divide_by)).collect()
            };
            let over = scaled(paired_difference(&by(label), &by(less)))?;
            let verdict = || verdict(spec, rows, metric, (label, less));
            if *show == Show::Verdict {
                with_interval_and(&over, digits, verdict()?)
            } else {
                shown(&over, *show, digits)?
            }
        }
        Of::Count(counted) => count(spec, rows, counted).to_string(),
        Of::Optimum { curve, group, less_at } => of_optimum(spec, rows, (curve, *group), *less_at, digits)?,
        Of::Correlation { name, with } => {
            let found = correlated(spec, all, (name, with))?;
            return Ok(found.map(|found| correlation::text(&found, digits)));
        }
        Of::Opposite { name, with } => {
            let found = correlated(spec, all, (name, with))?;
            return Ok(found.map(|found| format!("{} of {}", found.opposite().0, found.cells.len())));
        }
        Of::OppositeLabels { name, with } => {
            let found = correlated(spec, all, (name, with))?;
            let text = |found: correlation::Found| {
                format!("{} of {}", found.opposite_labels().len(), found.labels().count())
            };
            return Ok(found.map(text));
        }
        Of::ClearShare { label, loss } => {
            let by_seed = clear_share(rows, label, loss)?;
            let percent = over_seeds(by_seed.into_values().map(|share| 100.0 * share));
            with_interval(&scaled(percent)?, digits)
        }
        Of::AtTimestep { label, metric, t } => {
            let values = at(rows, label, metric, *t)?.into_values().map(|value| value / divide_by);
            with_interval(&scaled(over_seeds(values))?, digits)
        }
        Of::Peak { label, metric } => {
            let seeds = rows.seeds(label).len();
            let bin = |((_, low, high), n): &((usize, usize, usize), usize)| {
                format!("t = {low} to {} in {n} of {seeds} seeds", high - 1)
            };
            listed(&peaks(rows, label, metric)?.iter().map(bin).collect::<Vec<_>>())
        }
    };
    Ok(Some(found))
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
        Counted::Told { metric, from } => Verdicts::of(spec, rows, metric).told(from.as_deref()),
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
