use clap::{CommandFactory, Parser};

use super::*;

#[derive(Debug, Parser)]
struct Program {
    #[command(subcommand)]
    command: MetricCommand,
}

fn parsed(arguments: &str) -> Result<MetricCommand, Error> {
    Program::try_parse_from(["metric"].into_iter().chain(arguments.split(' '))).map(|program| program.command)
}

fn comparing(arguments: &str) -> Comparing {
    match parsed(arguments).unwrap() {
        MetricCommand::Compare(comparing) => *comparing,
        MetricCommand::Stats(stats) => panic!("{arguments}: {stats:?}"),
    }
}

#[test]
fn every_comparison_has_a_subcommand_with_its_numbers() {
    let mut program = Program::command();
    program.build();
    program.clone().debug_assert();
    let names: Vec<&str> = program.get_subcommands().map(Command::get_name).collect();
    let expected = [
        "fid",
        "fid-infinity",
        "kid",
        "precision-recall",
        "density-coverage",
        "vendi",
        "inception-score",
        "swd",
        "kld",
        "ard",
        "memorisation",
        "memorised-training",
        "authenticity",
        "ct",
        "stats",
        "help",
    ];
    assert_eq!(names, expected);
    for (_, comparison) in comparisons() {
        let subcommand = program.find_subcommand(kebab(comparison.name)).unwrap();
        assert_eq!(subcommand.get_about().unwrap().to_string(), comparison.summary);
        for parameter in comparison.parameters {
            let option = subcommand.get_arguments().find(|option| option.get_id() == parameter.name);
            assert_eq!(option.unwrap().get_help().unwrap().to_string(), parameter.meaning);
        }
    }
}

#[test]
fn numbers_are_those_given_or_their_defaults() {
    let kid = comparing("kid real samples --subset-size 50 --json");
    assert_eq!((kid.metric.name(), &*kid.a, kid.b.as_deref()), ("kid", "real", Some("samples")));
    assert!(kid.options.json);
    let numbers: Vec<_> =
        kid.comparison.parameters.iter().map(|one| (one.name, kid.arguments.get(one))).collect();
    assert_eq!(numbers, [("subsets", Some(100)), ("subset_size", Some(50)), ("seed", Some(0))]);
    assert!(parsed("kid real samples --subsets few").is_err());
    assert!(parsed("kid real samples --projections 3").is_err());
}

#[test]
fn a_comparison_of_pixels_has_no_options_of_features() {
    let mut program = Program::command();
    program.build();
    let has = |name: &str, option: &str| {
        program.find_subcommand(name).unwrap().get_arguments().any(|argument| argument.get_id() == option)
    };
    for option in ["features", "weights", "backend", "device"] {
        let without: Vec<&str> = comparisons()
            .into_iter()
            .map(|(_, comparison)| kebab(comparison.name))
            .filter(|name| !has(name, option))
            .collect();
        let expected = ["swd", "memorisation", "memorised-training", "authenticity", "ct"];
        assert_eq!(without, expected, "{option}");
        assert!(has("stats", option));
    }
    assert!(comparisons().iter().all(|(_, comparison)| has(kebab(comparison.name), "data_dir")));
    assert!(parsed("swd real samples --features inception").is_err());
    assert!(comparing("swd real samples --json").features.features.is_none());
}

#[test]
fn a_comparison_takes_the_sets_that_it_says() {
    let score = comparing("inception-score samples");
    assert_eq!((&*score.a, score.b, score.held_out), ("samples", None, None));
    let copies = comparing("memorization stored samples --held-out fresh");
    assert_eq!((copies.comparison.name, copies.held_out.as_deref()), ("memorisation", Some("fresh")));
    assert!(parsed("memorisation stored samples").is_err());
    assert!(parsed("fid real").is_err());
    assert!(matches!(parsed("stats real --out s.safetensors"), Ok(MetricCommand::Stats(_))));
}
