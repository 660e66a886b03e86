//! Parsing: options where they may stand, help that has only what a command uses, nothing wider than the terminal.

use std::io::Write;

use clap::{
    Arg, ArgMatches, Args, CommandFactory, FromArgMatches, error::ErrorKind, parser::ValueSource,
    value_parser,
};

use super::{Cli, RunArgs};
use crate::ui::width::{of_stderr, of_stdout, wrap};

/// The subcommands that compute nothing: `--threads` is accepted, since it may stand with any command, and is not in their
/// help.
const COMPUTE_NOTHING: [&[&str]; 11] = [
    &["cells"],
    &["merge"],
    &["status"],
    &["list"],
    &["report"],
    &["weights"],
    &["completions"],
    &["man"],
    &["data", "list"],
    &["data", "fetch"],
    &["config"],
];

/// Help in longer lines is hard to read.
const WIDEST: usize = 100;

/// The command line with its help, in lines of at most `width` columns.
pub fn command(width: usize) -> clap::Command {
    let whole = with_negative_numbers(Cli::command().term_width(width));
    COMPUTE_NOTHING.iter().fold(whole, |command, path| without_threads(command, path))
}

/// Takes `-1` behind an option for its value everywhere: the error then names the option. No option is a digit.
fn with_negative_numbers(command: clap::Command) -> clap::Command {
    command
        .mut_args(|argument| {
            let takes = argument.get_action().takes_values();
            if takes { argument.allow_negative_numbers(true) } else { argument }
        })
        .mut_subcommands(with_negative_numbers)
}

/// Hides `--threads` in the help of a subcommand, and of those below it.
fn without_threads(command: clap::Command, path: &[&'static str]) -> clap::Command {
    match path {
        [] => command.arg(
            Arg::new("threads")
                .long("threads")
                .value_name("N")
                .value_parser(value_parser!(usize))
                .global(true)
                .hide(true),
        ),
        [name, inner @ ..] => command.mut_subcommand(name, |command| without_threads(command, inner)),
    }
}

/// Parses the command line; one that is not understood ends the program.
pub fn parse() -> Cli {
    let mut command = command(of_stdout().min(WIDEST));
    let matches = command.try_get_matches_from_mut(std::env::args_os()).unwrap_or_else(|error| end(&error));
    if let Some((subcommand, _)) = matches.subcommand()
        && let Some(option) = option_of_run(&matches)
    {
        let message = format!("{option} is an option of `run`: it cannot stand before `{subcommand}`");
        end(&command.error(ErrorKind::ArgumentConflict, message));
    }
    Cli::from_arg_matches(&matches).unwrap_or_else(|error| end(&error))
}

/// Prints help or an error, and ends the program. The parser breaks the lines of its help, but neither usage nor errors.
fn end(error: &clap::Error) -> ! {
    let text = error.render().ansi().to_string();
    // A closed pipe changes nothing of what is to be told.
    let _ = if error.use_stderr() {
        anstream::stderr().write_all(wrap(&text, of_stderr()).as_bytes())
    } else {
        anstream::stdout().write_all(wrap(&text, of_stdout()).as_bytes())
    };
    std::process::exit(error.exit_code())
}

/// An option of `run` that was given where only those that hold for every command may stand.
/// `args_conflicts_with_subcommands` would refuse these too.
fn option_of_run(matches: &ArgMatches) -> Option<String> {
    let of_run = RunArgs::augment_args(clap::Command::new("run"));
    let given = |id: &str| matches.value_source(id) == Some(ValueSource::CommandLine);
    let found = of_run.get_arguments().find(|argument| given(argument.get_id().as_str()));
    found.and_then(|argument| argument.get_long()).map(|long| format!("--{long}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ui::width::columns;

    /// Every command with the words that lead to it.
    fn all(command: &clap::Command, words: &str, found: &mut Vec<(String, clap::Command)>) {
        found.push((words.to_owned(), command.clone()));
        for inner in command.get_subcommands() {
            all(inner, &format!("{words} {}", inner.get_name()), found);
        }
    }

    fn commands() -> Vec<(String, clap::Command)> {
        let (mut whole, mut found) = (command(80), Vec::new());
        whole.build();
        all(&whole, "cldiff", &mut found);
        found
    }

    #[test]
    fn the_command_line_is_sound() {
        command(80).debug_assert();
    }

    #[test]
    fn no_help_is_wider_than_asked() {
        let commands = commands();
        assert!(commands.len() > 30, "{}", commands.len());
        for (name, mut command) in commands {
            for help in [command.render_help(), command.render_long_help()] {
                let text = wrap(&help.to_string(), 80);
                assert!(text.lines().all(|line| columns(line) <= 80), "{name}:\n{text}");
            }
        }
    }

    /// An option is in the help of the commands that do something with it.
    #[test]
    fn help_has_only_what_a_command_uses() {
        let commands = commands();
        let help = |name: &str| {
            let (_, command) =
                commands.iter().find(|(known, _)| known == name).unwrap_or_else(|| panic!("no {name}"));
            command.clone().render_long_help().to_string()
        };
        for computes in [
            "cldiff",
            "cldiff run",
            "cldiff sample",
            "cldiff bench",
            "cldiff doctor",
            "cldiff metric fid",
            "cldiff data show",
        ] {
            assert!(help(computes).contains("--threads"), "{computes}");
        }
        for path in COMPUTE_NOTHING {
            assert!(!help(&format!("cldiff {}", path.join(" "))).contains("--threads"), "{path:?}");
        }
        assert!(!help("cldiff weights fetch").contains("--threads"));
        let shown = help("cldiff config show");
        assert!(shown.contains("--set"));
        for option in ["--resume", "--jobs", "--out", "--quiet", "--backend", "--device", "--sweep"] {
            assert!(help("cldiff run").contains(option) && !shown.contains(option), "{option}");
        }
    }

    #[test]
    fn a_negative_number_is_refused_by_the_name_of_its_option() {
        for (words, option) in [
            ("--seeds -1", "--seeds <0,1>"),
            ("--device -2", "--device <N>"),
            ("tune smoke --budget 10 --dry-run --eta -1", "--eta <N>"),
            ("sample --model m --out o --n -3", "--n <N>"),
            ("metric kid a b --subsets -1", "--subsets <N>"),
        ] {
            let words = std::iter::once("cldiff").chain(words.split(' '));
            let error = command(80).try_get_matches_from(words).unwrap_err().to_string();
            assert!(error.contains("invalid value '-") && error.contains(option), "{error}");
        }
    }

    /// Beside an option that `--cell` conflicts with, the parser does not miss `--cell`.
    #[test]
    fn cells_per_task_stands_with_cell_alone() {
        let parsed = |words: &str| {
            let words = std::iter::once("cldiff").chain(words.split(' '));
            command(80).try_get_matches_from(words).map(|_| ()).map_err(|error| error.to_string())
        };
        for beside in ["--out run", "--config smoke", "--strategy finetune", "--set name=x", "--seeds 1"] {
            for run in ["run ", ""] {
                let told = parsed(&format!("{run}{beside} --cells-per-task 3")).unwrap_err();
                assert!(told.contains("--cell <I>") || told.contains("cannot be used with"), "{told}");
            }
        }
        assert_eq!(parsed("run --out run --cell auto --cells-per-task 3"), Ok(()));
        // The number that is there by default conflicts with nothing.
        assert_eq!(parsed("run --config smoke --strategy finetune"), Ok(()));
    }

    #[test]
    fn threads_are_understood_before_and_behind_every_command() {
        for words in [
            "--threads 3 list metrics",
            "list metrics --threads 3",
            "data list --threads 3",
            "run --threads 3",
        ] {
            let words = std::iter::once("cldiff").chain(words.split(' '));
            let matches = command(80).try_get_matches_from(words.clone()).unwrap();
            assert_eq!(
                Cli::from_arg_matches(&matches).unwrap().threads,
                Some(3),
                "{:?}",
                words.collect::<Vec<_>>()
            );
        }
    }
}
