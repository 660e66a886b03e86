//! The settings of a run that is there, against those of a command that goes on with it.

use toml::{Table, Value};

use super::{assign::labels, compare::first_difference};

/// Seeds and strategies: with others a run has other cells, and the cells that both have are the same.
const OF_CELLS: [&str; 2] = ["seeds", "strategy"];

/// The first setting in which a run and a command differ, and how the command can be changed. Keys at the top that are
/// `free` may differ. Seeds and strategies come last: the advice on them holds if all else is equal.
pub fn other_settings(there: &Table, here: &Table, free: &[&str]) -> Option<String> {
    let apart = [free, &OF_CELLS].concat();
    let told =
        |(key, [there, here]): (String, [String; 2])| format!("`{key}` is {there} there and {here} here");
    first_difference(there, here, &apart)
        .map(told)
        .or_else(|| other_seeds(there, here))
        .or_else(|| other_strategies(there, here))
        .or_else(|| first_difference(there, here, free).map(told))
}

fn other_seeds(there: &Table, here: &Table) -> Option<String> {
    let seeds = |table: &Table| -> Vec<String> {
        let seeds = table.get("seeds").and_then(Value::as_array).into_iter().flatten();
        seeds.map(Value::to_string).collect()
    };
    let (there, here) = (seeds(there), seeds(here));
    let added = added(&there, &here);
    let advice = if added.is_empty() {
        format!("go on with --seeds {}", there.join(","))
    } else {
        in_another_run(&format!("--seeds {}", added.join(",")))
    };
    let told = format!("`seeds` is [{}] there and [{}] here; {advice}", there.join(", "), here.join(", "));
    (there != here).then_some(told)
}

fn other_strategies(there: &Table, here: &Table) -> Option<String> {
    let (there, here) = (labels(there), labels(here));
    let added = added(&there, &here);
    let advice = if added.is_empty() {
        "go on with the same strategies in the same order".to_owned()
    } else {
        in_another_run(&format!("--strategy {}", added.join(",")))
    };
    let told =
        format!("the strategies are {} there and {} here; {advice}", there.join(", "), here.join(", "));
    (there != here).then_some(told)
}

/// The items of a command that the run has not.
fn added(there: &[String], here: &[String]) -> Vec<String> {
    here.iter().filter(|item| !there.contains(item)).cloned().collect()
}

fn in_another_run(option: &str) -> String {
    format!("run {option} into another --out, and `cldiff report A B` shows both")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table(seeds: &str, strategies: &[&str], steps: usize) -> Table {
        let strategies: String =
            strategies.iter().map(|name| format!("[[strategy]]\n{name} = {{}}\n")).collect();
        format!("name = 'x'\nseeds = {seeds}\n[training]\nsteps = {steps}\n{strategies}").parse().unwrap()
    }

    #[test]
    fn new_cells_go_into_another_run() {
        let there = table("[0]", &["finetune"], 3);
        let told = |here: &Table| other_settings(&there, here, &["name"]);
        assert_eq!(told(&there), None);
        assert_eq!(
            told(&table("[0, 3]", &["finetune"], 3)).unwrap(),
            "`seeds` is [0] there and [0, 3] here; run --seeds 3 into another --out, and `cldiff report A B` shows both"
        );
        assert_eq!(
            told(&table("[0]", &["finetune", "ewc", "si"], 3)).unwrap(),
            "the strategies are finetune there and finetune, ewc, si here; run --strategy ewc,si into another --out, and \
             `cldiff report A B` shows both"
        );
        // Cells of a new seed are new, whatever their strategies.
        assert!(told(&table("[1]", &["ewc"], 3)).unwrap().contains("run --seeds 1 into"));
    }

    #[test]
    fn fewer_cells_are_a_part_of_the_run() {
        let there = table("[0, 3]", &["finetune", "ewc"], 3);
        let told = |here: &Table| other_settings(&there, here, &[]).unwrap();
        assert_eq!(
            told(&table("[3]", &["finetune", "ewc"], 3)),
            "`seeds` is [0, 3] there and [3] here; go on with --seeds 0,3"
        );
        let fewer = told(&table("[0, 3]", &["ewc"], 3));
        assert!(fewer.ends_with("here; go on with the same strategies in the same order"), "{fewer}");
    }

    #[test]
    fn any_other_setting_is_told_first_and_options_of_one_strategy_last() {
        let there = table("[0]", &["finetune"], 3);
        let told = |here: &Table| other_settings(&there, here, &[]).unwrap();
        assert_eq!(told(&table("[1]", &["ewc"], 4)), "`training.steps` is 3 there and 4 here");
        let mut here = there.clone();
        here["strategy"][0]["finetune"].as_table_mut().unwrap().insert("x".to_owned(), Value::from(1));
        assert_eq!(told(&here), "`strategy.0.finetune.x` is absent there and 1 here");
        assert_eq!(other_settings(&there, &here, &["strategy"]), None);
    }
}
