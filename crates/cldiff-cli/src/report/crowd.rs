//! Order in a report of many strategies: a chosen few stand open, the others stand collapsed by family.

use cl_strategies::Family;
use minijinja::{Value, context};

use super::looks::family;
use crate::{
    quantities::{
        cells::{competitors, strategies},
        columns::qualities,
    },
    results::{CellResult, Results},
};

/// The most strategies that a report shows without grouping them.
pub(super) const FEW: usize = 8;
/// The most names that a sentence lists.
const NAMES: usize = 5;

/// The strategies of one family, by label.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Group {
    /// The family's name.
    pub title: String,
    /// The labels, in the order of the results.
    pub labels: Vec<String>,
}

/// Whether a report has more strategies than it shows without grouping them.
pub(super) fn is_crowd(results: &Results) -> bool {
    strategies(results).len() > FEW
}

/// The families of some strategies, in the order of [`Family::ALL`].
pub(super) fn families(strategies: &[(String, Vec<&CellResult>)]) -> Vec<Group> {
    let group = |wanted: Family| {
        let of_family = strategies.iter().filter(|(_, cells)| family(cells) == wanted);
        let labels: Vec<String> = of_family.map(|(label, _)| label.clone()).collect();
        (!labels.is_empty()).then(|| Group { title: wanted.to_string(), labels })
    };
    Family::ALL.into_iter().filter_map(group).collect()
}

/// The strategies that stand open: all of a few; of many the bounds, the baselines, and the best and the worst by the
/// primary quality.
pub(super) fn open(results: &Results) -> Vec<String> {
    let all = strategies(results);
    if !is_crowd(results) {
        return all.into_iter().map(|(label, _)| label).collect();
    }
    let extremes = extremes(results);
    let stays = |label: &String, cells: &[&CellResult]| {
        [Family::Bound, Family::Baseline].contains(&family(cells)) || extremes.contains(label)
    };
    all.iter().filter(|(label, cells)| stays(label, cells)).map(|(label, _)| label.clone()).collect()
}

/// The best and the worst competing strategy by the mean of the primary quality, for which less is better.
fn extremes(results: &Results) -> Vec<String> {
    let Some(primary) = qualities(results).into_iter().find(|column| column.primary) else {
        return Vec::new();
    };
    let of = |(label, cells): (String, Vec<&CellResult>)| Some((label, primary.mean(&cells)?));
    let mut sorted: Vec<(String, f64)> = competitors(results).into_iter().filter_map(of).collect();
    sorted.sort_by(|a, b| a.1.total_cmp(&b.1));
    [sorted.first(), sorted.last()].into_iter().flatten().map(|(label, _)| label.clone()).collect()
}

/// The strategies that stand open, and the families of the others.
pub(super) fn groups(results: &Results) -> Value {
    let open = open(results);
    let mut others = strategies(results);
    others.retain(|(label, _)| !open.contains(label));
    let families: Vec<Value> = families(&others)
        .into_iter()
        .map(|group| context! { title => group.title, labels => group.labels, names => group.labels.join(", ") })
        .collect();
    context! { open => open, families => families }
}

/// Names as a sentence has them: a few by name, more by their number.
pub(super) fn listed(names: &[String], many: &str) -> String {
    if names.len() <= NAMES { names.join(", ") } else { format!("{} {many}", names.len()) }
}

#[cfg(test)]
mod tests {
    use super::{
        super::tests::{cell, input},
        *,
    };

    fn with(strategies: &[(&str, &str, f64)]) -> Results {
        let cell = |(label, strategy, fid): &(&str, &str, f64)| {
            let mut cell = cell(label, 0, 2);
            cell.strategy = (*strategy).into();
            cell.summary.insert("fid.final_average".into(), Some(*fid));
            cell
        };
        input(strategies.iter().map(cell).collect(), 2).results
    }

    const MANY: [(&str, &str, f64); 9] = [
        ("joint", "joint", 1.0),
        ("plain", "finetune", 50.0),
        ("r1", "replay", 9.0),
        ("r2", "replay+ewc", 8.0),
        ("e1", "ewc", 40.0),
        ("e2", "online_ewc", 90.0),
        ("g", "generative_replay", 20.0),
        ("mine", "unknown", 30.0),
        ("l", "lora", 35.0),
    ];

    #[test]
    fn a_few_strategies_all_stand_open() {
        let results = with(&MANY[..8]);
        assert!(!is_crowd(&results));
        assert_eq!(open(&results).len(), 8);
        assert_eq!(groups(&results).get_attr("families").unwrap().len(), Some(0));
    }

    #[test]
    fn of_many_the_bounds_the_baseline_and_both_ends_stand_open() {
        let results = with(&MANY);
        assert_eq!(open(&results), ["joint", "plain", "r2", "e2"]);
        let mut others = strategies(&results);
        others.retain(|(label, _)| !open(&results).contains(label));
        let found: Vec<(String, String)> =
            families(&others).into_iter().map(|group| (group.title, group.labels.join(" "))).collect();
        let expected = [
            ("rehearsal of stored images", "r1"),
            ("generated images and distillation", "g"),
            ("penalties on parameters", "e1"),
            ("parameters of each task", "l"),
            ("other", "mine"),
        ];
        assert_eq!(found, expected.map(|(title, labels)| (title.to_owned(), labels.to_owned())));
    }

    /// A result may say of a strategy with a bound's name that it is none.
    #[test]
    fn the_result_decides_what_is_a_bound() {
        let mut results = with(&MANY[..1]);
        results.cells[0].bound = Some(false);
        assert_eq!(families(&strategies(&results))[0].title, "other");
    }

    #[test]
    fn five_names_are_listed_and_six_are_counted() {
        let names: Vec<String> = ('a'..='f').map(String::from).collect();
        assert_eq!(listed(&names[..5], "others"), "a, b, c, d, e");
        assert_eq!(listed(&names, "others"), "6 others");
    }
}
