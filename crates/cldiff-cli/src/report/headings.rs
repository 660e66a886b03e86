//! The headings of the sections, which follow the data, and the short names in the bar of contents.

use minijinja::{Value, context};

use cl_metrics::summary::FEWEST_SEEDS;

use super::{
    forgetting::{self, Loss},
    hybrid, readings,
    statistics::{self, competing_pairs_in},
    verdicts,
    words::{bits_changes, first_task_factors},
};
use crate::{
    quantities::{
        cells::{competitors, is_bound, mean, range, range_text, strategies},
        columns::qualities,
        named::headline,
    },
    results::Results,
};

/// A section of the page.
struct Section {
    id: &'static str,
    /// The name in the bar of contents.
    short: &'static str,
    heading: String,
}

/// The sections that a page has: a list for the bar of contents, and the headings by id.
pub(super) struct Contents(Vec<Section>);

impl Contents {
    /// The sections whose content is in the page's values.
    pub(super) fn of(results: &Results, page: &Value) -> Self {
        let has = |name: &str| page.get_attr(name).is_ok_and(|value| value.is_true());
        let reads = |name: &str| {
            page.get_attr("readings")
                .and_then(|readings| readings.get_attr(name))
                .is_ok_and(|value| value.is_true())
        };
        let several = results.stream.tasks.len() > 1;
        let mut all = Vec::new();
        let mut add = |is_there: bool, id, short, heading: &dyn Fn(&Results) -> String| {
            all.extend(is_there.then(|| Section { id, short, heading: heading(results) }));
        };
        add(true, "findings", "Findings", &findings);
        add(true, "results", "Results", &table);
        add(has("blocks"), "seeds", "Seeds", &over_seeds);
        add(has("cost_charts"), "cost", "Cost", &cost);
        add(has("samples") || reads("classes"), "samples", "Samples", &samples);
        add(measured(results, "fid"), "fid", "FID", &fid);
        add(several, "timesteps", "Timesteps", &timesteps);
        add(measured(results, "bpd"), "bits", "Bits/dim", &bits);
        add(has("hybrids"), "hybrid", "Hybrid", &hybrid_sampling);
        add(has("gradient_maps"), "gradients", "Gradients", &gradients);
        add(has("cka_maps"), "cka", "CKA", &cka);
        add(reads("classes"), "classes", "Classes", &readings::headings::classes);
        add(reads("removed"), "removed", "Removed", &readings::headings::removed);
        add(reads("cas"), "cas", "CAS", &readings::headings::cas);
        add(reads("within"), "within", "Within", &readings::headings::within);
        add(reads("drift"), "drift", "Drift", &readings::headings::drift);
        add(true, "summaries", "Summaries", &summaries);
        add(true, "repeat", "Repeat", &|_| "How to read and repeat this".to_owned());
        Self(all)
    }

    /// The values of the template.
    pub(super) fn value(self) -> Value {
        let list = self.0.iter().map(|section| context! { id => section.id, short => section.short });
        let list: Vec<Value> = list.collect();
        let headings: std::collections::BTreeMap<_, _> =
            self.0.into_iter().map(|section| (section.id, section.heading)).collect();
        context! { contents => list, heading => headings }
    }
}

fn measured(results: &Results, metric: &str) -> bool {
    results.cells.iter().any(|cell| cell.matrices.contains_key(metric))
}

/// The seeds of each strategy, as in "5 seeds each".
fn seeds(results: &Results) -> String {
    let all = strategies(results);
    let each = if all.len() == 1 { "" } else { " each" };
    match range(all.iter().map(|(_, cells)| Some(cells.len()))) {
        None | Some((1, 1)) => format!("one seed{each}"),
        Some(n) => format!("{} seeds{each}", range_text(n)),
    }
}

fn findings(results: &Results) -> String {
    let these = if results.cells.len() == 1 { "this run shows" } else { "these runs show" };
    if statistics::most_seeds(results) < FEWEST_SEEDS {
        return format!("Findings: what {these}; {}, too few for verdicts", seeds(results));
    }
    match primary_found(results) {
        Some(found) => format!("Findings: {found} by final average FID; {}", seeds(results)),
        None => format!("Findings from {}", seeds(results)),
    }
}

/// The number of pairs told apart by the primary quality; none where no pair was tested.
fn primary_found(results: &Results) -> Option<String> {
    let primary = qualities(results).into_iter().find(|column| column.primary)?;
    let pairs = competing_pairs_in(results, &primary);
    pairs.iter().any(|pair| pair.adjusted_p.is_some()).then(|| verdicts::found(&pairs))
}

fn table(results: &Results) -> String {
    let (bounds, competing): (Vec<_>, Vec<_>) =
        strategies(results).into_iter().partition(|(_, cells)| is_bound(cells));
    let plural = |n: usize, one: &str, more: &str| format!("{n} {}", if n == 1 { one } else { more });
    let competing = match &competing[..] {
        [] => None,
        [(label, _)] => Some(label.clone()),
        more => Some(plural(more.len(), "strategy", "strategies")),
    };
    let bounds = (!bounds.is_empty()).then(|| plural(bounds.len(), "bound", "bounds"));
    let all: Vec<String> = [competing, bounds].into_iter().flatten().collect();
    format!("Results of {}, {}", all.join(" and "), seeds(results))
}

fn over_seeds(results: &Results) -> String {
    let found = primary_found(results).map(|found| format!("{found} by final average FID"));
    let found = found.unwrap_or_else(|| seeds(results));
    format!("Over seeds: {found}")
}

fn cost(results: &Results) -> String {
    let Some(passes) = headline(results).into_iter().find(|column| !column.quality) else {
        return "Cost beside quality".to_owned();
    };
    let means: Vec<f64> = strategies(results).iter().filter_map(|(_, cells)| passes.mean(cells)).collect();
    let of = ends(means).map(|(low, high)| (passes.format(Some(low)), passes.format(Some(high))));
    match of {
        None => "Cost beside quality".to_owned(),
        Some((low, high)) if low == high => format!("Cost beside quality: {} {low}", passes.title),
        Some((low, high)) => format!("Cost beside quality: {} from {low} to {high}", passes.title),
    }
}

fn samples(results: &Results) -> String {
    match results.stream.tasks.len() {
        1 => "Samples after the only task".to_owned(),
        n => format!("Samples after each of {n} tasks"),
    }
}

fn fid(results: &Results) -> String {
    if results.stream.tasks.len() == 1 {
        return "FID of samples of the only task".to_owned();
    }
    let mut factors = first_task_factors(results);
    factors.sort_by(|a, b| a.1.total_cmp(&b.1));
    let one = |(label, factor): &(String, f64)| format!("×{factor:.2} ({label})");
    match &factors[..] {
        [] => "Forgetting in samples: FID on each task after each task".to_owned(),
        [only] => format!("Forgetting in samples: FID on task 1 ends at {} of its first value", one(only)),
        [least, .., most] => format!(
            "Forgetting in samples: FID on task 1 ends at {} to {} of its first value",
            one(least),
            one(most)
        ),
    }
}

fn timesteps(results: &Results) -> String {
    let curves = competitors(results)
        .into_iter()
        .flat_map(|(_, cells)| forgetting::curve(results, &cells, Loss::Denoising))
        .filter_map(|point| point.relative);
    let found = ends(curves.collect()).map(|(low, high)| {
        format!(": denoising loss on old tasks {:+.0} % to {:+.0} % by bin", 100.0 * low, 100.0 * high)
    });
    format!("Forgetting along the timesteps{}", found.unwrap_or_default())
}

fn bits(results: &Results) -> String {
    if results.stream.tasks.len() == 1 {
        return "Bits per dimension beside FID on the only task".to_owned();
    }
    let changes = bits_changes(results);
    let bits = ends(changes.iter().map(|(bits, _)| 100.0 * (bits - 1.0)).collect());
    let fid = ends(changes.iter().filter_map(|(_, fid)| *fid).collect());
    match (bits, fid) {
        (Some((b, c)), Some((f, g))) => format!(
            "Bits per dimension against FID: on old tasks {} and {}",
            span(format!("{b:+.1} %"), &format!("{c:+.1} %")),
            span(format!("×{f:.2}"), &format!("×{g:.2}"))
        ),
        _ => "Bits per dimension against FID on old tasks".to_owned(),
    }
}

fn hybrid_sampling(results: &Results) -> String {
    let tasks: Vec<String> = hybrid::tasks(results).iter().map(|task| (task + 1).to_string()).collect();
    let noun = if tasks.len() == 1 { "task" } else { "tasks" };
    format!("Hybrid sampling of {noun} {}: two moments of a model on one trajectory", tasks.join(", "))
}

fn gradients(results: &Results) -> String {
    let of_bins = results.cells.iter().flat_map(|cell| cell.gradient_cosine.iter().flatten().flatten());
    let means = of_bins.filter_map(|bins| mean(bins.iter().copied()));
    let found = ends(means.collect()).map(|(low, high)| {
        format!(
            ": cosine of two tasks, mean over bins, {}",
            span(format!("{low:+.2}"), &format!("{high:+.2}"))
        )
    });
    format!("Gradients of new and old tasks{}", found.unwrap_or_default())
}

fn cka(results: &Results) -> String {
    let last = results.cells.iter().filter_map(|cell| cell.cka.as_ref()?.values.last()?.first());
    let values: Vec<f64> = last.flatten().flatten().copied().flatten().collect();
    let found =
        ends(values).map(|(low, high)| format!(": CKA {}", span(format!("{low:.2}"), &format!("{high:.2}"))));
    format!("Activations on task 1 before and after the other tasks{}", found.unwrap_or_default())
}

fn summaries(results: &Results) -> String {
    let names: std::collections::BTreeSet<&String> =
        results.cells.iter().flat_map(|cell| cell.summary.keys()).collect();
    format!("All {} summaries", names.len())
}

/// The least and the most of some values; none of nothing.
pub(super) fn ends(values: Vec<f64>) -> Option<(f64, f64)> {
    let least = values.iter().copied().reduce(f64::min)?;
    Some((least, values.into_iter().fold(least, f64::max)))
}

/// "LOW to HIGH", or one of them where both are shown alike.
pub(super) fn span(low: String, high: &str) -> String {
    if low == high { low } else { format!("{low} to {high}") }
}

#[cfg(test)]
mod tests {
    use super::{
        super::tests::{cell, input},
        *,
    };

    #[test]
    fn one_strategy_one_seed_and_one_task_are_named_as_one() {
        let results = input(vec![cell("a", 0, 1)], 1).results;
        assert_eq!(findings(&results), "Findings: what this run shows; one seed, too few for verdicts");
        assert_eq!(table(&results), "Results of a, one seed");
        assert_eq!(samples(&results), "Samples after the only task");
        assert_eq!(fid(&results), "FID of samples of the only task");
        assert_eq!(bits(&results), "Bits per dimension beside FID on the only task");
        let ids: Vec<&str> =
            Contents::of(&results, &Value::from(())).0.iter().map(|section| section.id).collect();
        assert_eq!(ids, ["findings", "results", "fid", "bits", "summaries", "repeat"]);
    }

    #[test]
    fn headings_have_the_ends_of_what_is_in_the_section() {
        let mut worse = cell("b", 0, 2);
        worse.matrices.get_mut("fid").unwrap()[1][0] = Some(80.0);
        let joint = crate::results::CellResult { strategy: "joint".into(), ..cell("j", 0, 2) };
        let results = input(vec![cell("a", 0, 2), worse, joint], 2).results;
        assert_eq!(
            fid(&results),
            "Forgetting in samples: FID on task 1 ends at ×4.00 (a) to ×8.00 (b) of its first value"
        );
        assert_eq!(table(&results), "Results of 2 strategies and 1 bound, one seed each");
        // Twice the loss in the first bin, as much in the second.
        assert_eq!(
            timesteps(&results),
            "Forgetting along the timesteps: denoising loss on old tasks +0 % to +100 % by bin"
        );
        assert_eq!(bits(&results), "Bits per dimension against FID: on old tasks +0.0 % and ×4.00 to ×8.00");
    }

    #[test]
    fn bounds_alone_and_several_seeds_are_named() {
        let joint = |seed| crate::results::CellResult { strategy: "joint".into(), ..cell("j", seed, 2) };
        let results = input(vec![joint(0), joint(1)], 2).results;
        assert_eq!(table(&results), "Results of 1 bound, 2 seeds");
        let five = input((0..5).map(joint).collect(), 2).results;
        assert_eq!(findings(&five), "Findings from 5 seeds");
    }
}
