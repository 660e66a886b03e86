//! `cldiff tune`: a whole search by value, interrupted ones, the plan alone, and mistakes.

mod common;

use std::{collections::BTreeSet, fs, path::Path, process::Output};

use common::{Scratch, text};
use serde_json::Value;

/// 15 steps of 8 images: 120 passes an experience. A step of either strategy takes 16 from the second experience on.
const CONFIG: &str = r#"
name = "tuned"
seeds = [0, 1]

[data.glyphs]
size = 8
train_per_class = 20
eval_per_class = 20

[stream.class_incremental]
experiences = 2

[model]
block_out_channels = [8, 16]
layers_per_block = 1
norm_num_groups = 4
add_attention = false

[training]
steps_per_experience = 15
batch_size = 8

[training.optimizer]
learning_rate = 2e-3
warmup_steps = 6

[evaluation]
samples_per_task = 20
sampler = { ddim = { steps = 2 } }
likelihood = { images_per_task = 2, bins = 5, points_per_bin = 1 }
classifier = { channels = [8, 16], features = 16, epochs = 1, min_steps = 20 }

[[strategy]]
finetune = {}

[[strategy]]
label = "replay-1"
replay = { rehearsal_coefficient = 1.0, buffer = { class_balanced = { per_class = 10 } } }

[[strategy]]
l2 = { lambda = 0.5 }
lwf = {}
"#;

/// Two rungs of 480 passes: 6 candidates with 40 passes in each of two experiences, and 2 with 120.
const SEARCH: [&str; 9] =
    ["tune", "tuned.toml", "--budget", "960", "--seeds", "5", "--backend", "flex", "--quiet"];

fn scratch() -> Scratch {
    let scratch = Scratch::new();
    scratch.write("tuned.toml", CONFIG);
    scratch
}

fn tune(scratch: &Scratch, more: &[&str]) -> Output {
    scratch.cldiff(&[&SEARCH[..], more].concat())
}

fn json(path: &Path) -> Value {
    serde_json::from_str(&fs::read_to_string(path).unwrap_or_else(|e| panic!("{}: {e}", path.display())))
        .unwrap()
}

fn toml_of(path: &Path) -> toml::Table {
    fs::read_to_string(path).unwrap().parse().unwrap()
}

fn array(value: &Value) -> &Vec<Value> {
    value.as_array().unwrap()
}

/// The search of all other tests, by value.
#[test]
fn a_search_spends_one_budget_on_each_strategy_and_takes_the_best() {
    let scratch = scratch();
    let output = tune(&scratch, &["--out", "search"]);
    assert!(output.status.success(), "{}", text(&output.stderr));
    let search = json(&scratch.path("search/search.json"));
    assert_eq!(search["done"], true);
    let plan = &search["plan"];
    assert_eq!(plan["rungs"][0]["passes_per_experience"], 40);
    assert_eq!(plan["rungs"][1]["passes_per_experience"], 120);
    assert_eq!((&plan["rungs"][0]["candidates"], &plan["rungs"][1]["candidates"]), (&6.into(), &2.into()));
    assert_eq!(plan["not_searched"][0]["label"], "finetune");

    // Candidate 0 is the configuration's setting; all values are in their ranges, the options of both terms among them.
    let spaces = array(&plan["strategies"]);
    assert_eq!(spaces.len(), 2);
    let own = |i: usize| spaces[i]["candidates"][0].clone();
    assert_eq!(own(0), serde_json::json!({ "replay.rehearsal_coefficient": 1.0 }));
    assert_eq!(own(1), serde_json::json!({ "l2.lambda": 0.5, "lwf.lambda": 1.0 }));
    values_are_in_their_ranges(spaces);

    // Seeds and classes are none of the comparison's, and the lengths are those of the plan.
    for (rung, passes, warmup) in [(1, 40, 2), (2, 120, 6)] {
        let config = toml_of(&scratch.path(&format!("search/rung-{rung}/config.toml")));
        assert_eq!(config["seeds"], toml::Value::Array(vec![5.into()]));
        assert_eq!(config["training"]["budget"]["passes"].as_integer(), Some(passes));
        assert_eq!(config["training"]["optimizer"]["warmup_steps"].as_integer(), Some(warmup));
        let order = &config["stream"]["class_incremental"]["class_order"];
        assert_eq!(order["shuffled"]["seed"].as_integer(), plan["class_order"]["shuffled"]["seed"].as_i64());
        let results = json(&scratch.path(&format!("search/rung-{rung}/results.json")));
        let cells = array(&results["cells"]);
        assert_eq!(cells.len(), if rung == 1 { 12 } else { 4 });
        assert!(cells.iter().all(|cell| cell["seed"] == 5 && cell["matrices"].get("fid").is_some()));
        assert!(cells.iter().all(|cell| cell["matrices"].get("kid").is_none()), "what no score needs is off");
        let cell = scratch.path(&format!("search/rung-{rung}/cells/replay-1.0-5"));
        assert_eq!(cell.join("result.json").exists(), rung == 1 || cell.exists());
        assert!(!cell.join("checkpoints").exists(), "models of a rung that is decided");
    }

    spends_the_plan(&search, &scratch);
    takes_the_best(&search, &scratch);

    // The tuned configuration is one of the program's, and says what was chosen.
    let tuned = toml_of(&scratch.path("search/tuned.toml"));
    assert_eq!(tuned["seeds"].as_array().unwrap().len(), 2);
    assert!(tuned["training"].get("budget").is_none() && tuned["model"].get("sample_size").is_none());
    let chosen = |i: usize| search["strategies"][i]["chosen"]["values"].clone();
    let strategies = tuned["strategy"].as_array().unwrap();
    assert_eq!(strategies.len(), 3);
    assert_eq!(
        strategies[1]["replay"]["rehearsal_coefficient"].as_float(),
        chosen(0)["replay.rehearsal_coefficient"].as_f64()
    );
    assert_eq!(strategies[1]["replay"]["buffer"]["class_balanced"]["per_class"].as_integer(), Some(10));
    assert_eq!(strategies[2]["l2"]["lambda"].as_float(), chosen(1)["l2.lambda"].as_f64());
    let cells = scratch.cldiff(&["cells", "search/tuned.toml", "--count"]);
    assert_eq!((cells.status.code(), text(&cells.stdout).trim()), (Some(0), "6"));

    // The table has every option, and the same command ends at once.
    let table = text(&output.stdout);
    for told in
        ["replay.rehearsal_coefficient", "l2.lambda", "lwf.lambda", "no search for finetune", "tuned.toml"]
    {
        assert!(table.contains(told), "{told}: {table}");
    }
    let manifest = || fs::read_to_string(scratch.path("search/rung-2/manifest.json")).unwrap();
    let before = (fs::read(scratch.path("search/search.json")).unwrap(), manifest());
    fs::remove_file(scratch.path("search/tuned.toml")).unwrap();
    let again = scratch.cldiff(&[&SEARCH[..8], &["--out", "search"]].concat());
    assert!(again.status.success(), "{}", text(&again.stderr));
    assert!(text(&again.stderr).contains("nothing is left to compute"), "{}", text(&again.stderr));
    assert_eq!(again.stdout, output.stdout);
    assert_eq!((fs::read(scratch.path("search/search.json")).unwrap(), manifest()), before);
    assert_eq!(toml_of(&scratch.path("search/tuned.toml")), tuned);

    // Another search does not go on with this one.
    let other = tune(&scratch, &["--out", "search", "--set", "training.log_every=5"]);
    assert_eq!(other.status.code(), Some(2));
    let told = text(&other.stderr);
    assert!(
        told.contains(
            "the directory holds another search: `configuration.training.log_every` is 20 there and 5 here"
        ) && told.contains("name another"),
        "{told}"
    );
}

/// Six values of each option, unlike each other.
fn values_are_in_their_ranges(spaces: &[Value]) {
    for space in spaces {
        assert_eq!(array(&space["candidates"]).len(), 6);
        for option in array(&space["options"]) {
            let (low, high) = (option["low"].as_f64().unwrap(), option["high"].as_f64().unwrap());
            let key = option["key"].as_str().unwrap();
            let values = array(&space["candidates"]).iter().map(|values| values[key].as_f64().unwrap());
            assert!(values.clone().all(|value| (low..=high).contains(&value)), "{key}");
            let distinct: BTreeSet<u64> = values.map(f64::to_bits).collect();
            assert_eq!(distinct.len(), 6, "{key}");
        }
    }
}

/// Each strategy takes what its rungs have, and at most the rest of a step more in each experience of each candidate.
fn spends_the_plan(search: &Value, scratch: &Scratch) {
    let planned = 2 * (6 * 40 + 2 * 120);
    let rest_of_a_step = 15;
    let slack = 2 * (6 + 2) * rest_of_a_step;
    let spent: Vec<u64> = array(&search["strategies"]).iter().map(|s| s["spent"].as_u64().unwrap()).collect();
    assert!(spent.iter().all(|spent| (planned..=planned + slack).contains(spent)), "{spent:?}");
    assert!(spent[0].abs_diff(spent[1]) <= slack, "{spent:?}");
    // By the costs of the cells: all passes but those of the evaluation.
    let mut passes = [0, 0];
    for rung in [1, 2] {
        let results = json(&scratch.path(&format!("search/rung-{rung}/results.json")));
        for cell in array(&results["cells"]) {
            let cost = |name: &str| cell["cost"][name].as_u64().unwrap();
            let training = cost("training_passes") + cost("teacher_passes");
            passes[usize::from(cell["label"].as_str().unwrap().starts_with("lwf"))] += training;
        }
    }
    assert_eq!(passes.to_vec(), spent);
}

/// The best of six by the results of the first rung are those of the second, and the best of these is chosen.
fn takes_the_best(search: &Value, scratch: &Scratch) {
    for strategy in array(&search["strategies"]) {
        let label = strategy["label"].as_str().unwrap();
        let scores = |rung: usize| {
            let results = json(&scratch.path(&format!("search/rung-{rung}/results.json")));
            let number = |cell: &Value| {
                let (of, number) = cell["label"].as_str().unwrap().rsplit_once('.').unwrap();
                let fid = cell["summary"]["fid.final_average"].as_f64().unwrap();
                (of == label).then(|| (fid, number.parse::<u64>().unwrap()))
            };
            let mut scores: Vec<(f64, u64)> = array(&results["cells"]).iter().filter_map(number).collect();
            scores.sort_by(|a, b| a.partial_cmp(b).unwrap());
            scores
        };
        let (first, second) = (scores(1), scores(2));
        assert_eq!((first.len(), second.len()), (6, 2), "{label}");
        let best: BTreeSet<u64> = first[..2].iter().map(|(_, number)| *number).collect();
        assert_eq!(second.iter().map(|(_, number)| *number).collect::<BTreeSet<_>>(), best, "{label}");
        let chosen = &strategy["chosen"];
        assert_eq!(
            (chosen["candidate"].as_u64(), chosen["score"].as_f64()),
            (Some(second[0].1), Some(second[0].0))
        );
        assert_eq!(chosen["rung"], 2);
    }
}

/// Killed within the first rung, between its files, and within the second: the same search, byte for byte.
#[test]
fn a_search_that_is_killed_comes_to_the_same_end() {
    let scratch = scratch();
    let of = |out: &'static str| [&SEARCH[..], &["--strategy", "lwf+l2", "--out", out]].concat();
    let whole = scratch.cldiff(&of("whole"));
    assert!(whole.status.success(), "{}", text(&whole.stderr));
    let (mut killed, mut decided) = (0, BTreeSet::new());
    for at in [1, 40, 90, 140, 190, 400] {
        let fault = format!("kill:{at}");
        let output = scratch.command().args(of("killed")).env("CLDIFF_FAULT", fault).output().unwrap();
        if output.status.success() {
            break;
        }
        killed += 1;
        if let Ok(text) = fs::read_to_string(scratch.path("killed/search.json")) {
            let search: Value = serde_json::from_str(&text).unwrap();
            decided.insert(array(&search["strategies"][0]["rungs"]).len());
        }
    }
    assert!(killed > 2 && decided.contains(&0), "{killed}, {decided:?}");
    let rest = scratch.cldiff(&of("killed"));
    assert!(rest.status.success(), "{}", text(&rest.stderr));
    for file in ["search.json", "tuned.toml", "rung-1.toml", "rung-2.toml"] {
        let of = |out: &str| fs::read_to_string(scratch.path(&format!("{out}/{file}"))).unwrap();
        assert_eq!(of("killed"), of("whole"), "{file}");
    }
    assert_eq!(text(&rest.stdout).replace("killed/", "whole/"), text(&whole.stdout));
}

#[test]
#[cfg(unix)]
fn an_interrupt_ends_with_its_status_and_says_how_to_go_on() {
    use std::{
        process::{Command, Stdio},
        thread,
        time::Duration,
    };

    let scratch = scratch();
    let arguments = [&SEARCH[..], &["--strategy", "lwf+l2", "--out", "search"]].concat();
    let mut child =
        scratch.command().args(&arguments).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
    while !scratch.path("search/rung-1/cells/lwf+l2.0-5/metrics.jsonl").exists() {
        assert_eq!(child.try_wait().unwrap(), None, "it ended before its first cell");
        thread::sleep(Duration::from_millis(5));
    }
    assert!(Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap().success());
    let output = child.wait_with_output().unwrap();
    let told = text(&output.stderr);
    assert_eq!(output.status.code(), Some(130), "{told}");
    assert!(
        told.contains("nothing is lost: the same command goes on") && !told.contains("--resume"),
        "{told}"
    );
    let search = json(&scratch.path("search/search.json"));
    assert_eq!(search["done"], false);
}

#[test]
fn a_dry_run_shows_the_plan_and_writes_nothing() {
    let scratch = scratch();
    let before = fs::read_dir(scratch.0.path()).unwrap().count();
    let output = scratch.cldiff(&[&SEARCH[..], &["--dry-run", "--out", "search"]].concat());
    assert!(output.status.success(), "{}", text(&output.stderr));
    let shown = text(&output.stdout);
    let words: Vec<Vec<&str>> = shown.lines().map(|line| line.split_whitespace().collect()).collect();
    assert!(words.contains(&vec!["1", "6", "40", "33", "%"]), "{shown}");
    assert!(words.contains(&vec!["2", "2", "120", "100", "%"]), "{shown}");
    for told in [
        "2 of 3 strategies are tuned by fid.final_average, lower is better",
        "budget: 960 passes of training for each strategy",
        "seeds: 5,",
        "no search for finetune: none of its terms names an option",
        "replay-1: 6 candidates, 960 passes",
        "replay.rehearsal_coefficient: 0.03 to 10 (log)",
        "l2.lambda: 0.00001 to 1 (log)",
        "lwf.lambda: 0.003 to 3 (log)",
    ] {
        assert!(shown.contains(told), "{told}\n{shown}");
    }
    assert!(
        words.iter().any(|words| words.len() == 3 && words[0] == "0" && words.contains(&"0.5")),
        "{shown}"
    );
    assert_eq!(fs::read_dir(scratch.0.path()).unwrap().count(), before);
    // Without a directory, and with other classes where another seed is asked for.
    let other = scratch.cldiff(&[&SEARCH[..], &["--dry-run", "--search-seed", "3"]].concat());
    assert!(other.status.success() && other.stdout != output.stdout);
}

#[test]
fn mistakes_are_told_before_anything_is_written() {
    let scratch = scratch();
    let online = "stream={ online = {} }";
    for (more, told) in [
        (&["--metric", "fid.last"][..], "--metric fid.last: "),
        (&["--metric", "cost.train_seconds"], "expected one of:"),
        (&["--budget", "400"], "--budget 400: expected at least 960"),
        (&["--seeds", "7,1"], "--seeds: 1 is a seed of the configuration"),
        (&["--search-seed", "18446744073709551615"], "--search-seed 18446744073709551615: expected at most"),
        (&["--eta", "1"], "--eta 1: expected at least 2"),
        (&["--rungs", "9"], "--rungs 9: expected 1 to 8"),
        (&["--strategy", "finetune"], "nothing is to be tuned"),
        (&["--strategy", "finetune", "--set", online], "every image comes once"),
        (&["--set", "training.batch_size=0"], "training.batch_size"),
    ] {
        // The last of two options counts nowhere: a search has each once.
        let base: Vec<&str> = if more[0] == "--budget" {
            SEARCH[..2].iter().chain(&SEARCH[4..]).copied().collect()
        } else if more[0] == "--seeds" {
            SEARCH[..4].iter().chain(&SEARCH[6..]).copied().collect()
        } else {
            SEARCH.to_vec()
        };
        let output = scratch.cldiff(&[&base[..], more, &["--out", "search"]].concat());
        let message = text(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{more:?}: {message}");
        assert!(message.starts_with("error: ") && message.contains(told), "{more:?}: {message}");
        assert!(!scratch.path("search").exists(), "{more:?}");
    }
    let absent = scratch.cldiff(&["tune", "absent.toml", "--budget", "960", "--out", "search"]);
    assert_eq!(absent.status.code(), Some(2));
    assert!(text(&absent.stderr).contains("cannot read the configuration absent.toml"));
    // A directory with something else in it stays as it is.
    fs::create_dir(scratch.path("taken")).unwrap();
    scratch.write("taken/notes.txt", "mine");
    let taken = tune(&scratch, &["--out", "taken"]);
    assert_eq!(taken.status.code(), Some(2));
    assert!(text(&taken.stderr).contains("is not empty, and holds no search"), "{}", text(&taken.stderr));
    assert_eq!(fs::read_dir(scratch.path("taken")).unwrap().count(), 1);
}
