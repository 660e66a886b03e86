//! Every command of the README and of the book in `docs/` runs.
//!
//! A block ```` ```console ```` has commands after `$ ` and their output below each; a block ```` ```sh ```` has commands
//! alone. The commands of a page run in its order, in a scratch directory of the page. A comment above a block,
//! `<!-- book: ... -->`, says what the block is (see [`pages::Directive`]). A command that cannot run in a test has the
//! directive `not run: REASON`; its options are still parsed, and its configuration is checked.
//!
//! `CLDIFF_WRITE_DOCS=1 cargo test -p cldiff-cli --lib --test reference --test book page` writes the output of each
//! command into the pages, and the generated reference pages.

#![cfg(unix)]

#[path = "../common.rs"]
mod common;
mod fixtures;
mod pages;
mod shell;

use std::{collections::BTreeSet, fs};

use pages::{Block, Command, Directive, Page};
use shell::Shell;

/// Words that depend on the speed of the machine.
const OF_TIME: [&str; 6] = ["hour", "hours", "minute", "minutes", "second", "seconds"];

/// The line that stands for the rest of a long output.
const REST: &str = "...";

/// The words of an output that no machine changes: letters alone, four or more.
fn words(lines: &[String]) -> BTreeSet<String> {
    let tokens =
        lines.iter().flat_map(|line| line.split(|c: char| c.is_whitespace() || "│┆┌└┐┘─═".contains(c)));
    let trimmed = tokens.map(|token| token.trim_matches(|c: char| c.is_ascii_punctuation()));
    trimmed
        .filter(|word| word.chars().count() >= 4 && word.chars().all(char::is_alphabetic))
        .filter(|word| !OF_TIME.contains(word))
        .map(str::to_owned)
        .collect()
}

/// Whether a line comes after some seconds, and so on a slow machine alone: how far a run is, and that data are read.
fn is_of_slowness(line: &str) -> bool {
    let rest = line.trim_start_matches(|c: char| c.is_ascii_digit());
    rest.len() < line.len() && rest.starts_with(" %") || line.ends_with("; the data are read first")
}

/// The lines of an output, but for those of a slow machine; a line goes on in the next where that is indented.
fn lines(output: &str) -> Vec<String> {
    let mut within = false;
    let of_all = output.lines().map(str::trim_end).filter(|line| {
        within = is_of_slowness(line) || within && line.starts_with("  ");
        !within
    });
    of_all.map(str::to_owned).collect()
}

/// The output as the page has it: as many lines as the page has before [`REST`], or all of them.
fn shortened(output: Vec<String>, page: &[String]) -> Vec<String> {
    match page.last() {
        Some(last) if last == REST && output.len() >= page.len() => {
            output.into_iter().take(page.len() - 1).chain([REST.to_owned()]).collect()
        }
        _ => output,
    }
}

/// Runs the commands of a block; gives each command with its output.
fn run(shell: &Shell, page: &Page, block: &Block) -> Vec<(Command, Vec<String>)> {
    let expected = if block.directive == Directive::Fails { 2 } else { 0 };
    let commands = block.commands();
    let run = commands.into_iter().map(|command| {
        assert!(
            shell::is_known(&command.text),
            "{}:{}: `{}` is neither cldiff nor a small tool: mark the block `not run: REASON`",
            page.name,
            command.line,
            command.text
        );
        let (status, output) = shell.run(&command.text);
        assert_eq!(status, Some(expected), "{}:{}: {}\n{output}", page.name, command.line, command.text);
        let output = shortened(lines(&output), &command.output);
        (command, output)
    });
    run.collect()
}

/// Runs a page from top to bottom; gives the page with the outputs of this run.
fn run_page(page: &Page, cache: &std::path::Path) -> Page {
    let shell = Shell::new(cache);
    let mut written = page.clone();
    let mut moved = 0_isize;
    for block in page.blocks() {
        match &block.directive {
            Directive::File(name) => shell.write(name, &block.text()),
            Directive::NotRun => shell.parse(page, &block),
            Directive::Needs(fixture) => fixtures::make(fixture, &shell),
            Directive::From(path) => assert!(
                Page::is_part_of(&block, path),
                "{}:{}: the block is no part of {path}",
                page.name,
                block.line
            ),
            Directive::Run | Directive::Fails => {}
        }
        if !block.directive.runs() {
            continue;
        }
        for (command, output) in run(&shell, page, &block) {
            if !block.has_output() {
                continue;
            }
            let (told, found) = (words(&command.output), words(&output));
            if std::env::var_os("CLDIFF_WRITE_DOCS").is_some() {
                moved += written.replace(&command, moved, output);
            } else {
                let others: Vec<&String> = told.difference(&found).collect();
                assert!(
                    others.is_empty(),
                    "{}:{}: the output of `{}` has no {others:?}: write it by CLDIFF_WRITE_DOCS=1, see {}",
                    page.name,
                    command.line,
                    command.text,
                    file!()
                );
            }
        }
    }
    written
}

#[test]
fn every_command_of_every_page_runs() {
    let cache = tempfile::tempdir().unwrap();
    for page in pages::all() {
        let written = run_page(&page, cache.path());
        if written != page {
            fs::write(page.path(), written.text()).unwrap();
        }
    }
}

#[test]
fn commands_of_pages_stand_in_blocks_that_run_or_say_why_not() {
    for page in pages::all() {
        for block in page.blocks() {
            let is_shell = ["console", "sh"].contains(&block.language.as_str());
            let hidden = block.lines.iter().find(|line| shell::is_cldiff(line) && !is_shell);
            assert!(
                hidden.is_none(),
                "{}:{}: {hidden:?} stands in no `sh` or `console`",
                page.name,
                block.line
            );
        }
    }
}

/// `cldiff report DIR` within a sentence.
#[test]
fn commands_within_sentences_of_pages_are_understood() {
    let cache = tempfile::tempdir().unwrap();
    let shell = Shell::new(cache.path());
    let told: BTreeSet<(String, String)> = pages::all()
        .iter()
        .flat_map(|page| page.spans().map(|span| (span, page.name.clone())).collect::<Vec<_>>())
        .collect();
    for (command, page) in told {
        let (status, output) = shell.help_of(&command);
        assert_eq!(status, Some(0), "{page}: `{command}`\n{output}");
    }
}

#[test]
fn an_output_of_a_page_keeps_its_length_and_its_words() {
    assert_eq!(
        words(&lines("│ replay-1  3.68 │ passes ×10³\nin 12 minutes, sha 53ab; floor: one two")),
        { ["passes", "floor"].map(str::to_owned).into() }
    );
    assert_eq!(shortened(lines("a\nb\nc"), &lines("x\n...")), lines("a\n..."));
    assert_eq!(shortened(lines("a\nb\nc"), &lines("x")), lines("a\nb\nc"));
    let slow =
        "a: 4 cells; the data are read first\n37 %, about 12 s left: [3/12]\n  replay\n100 images\n  in all";
    assert_eq!(lines(slow), ["100 images", "  in all"]);
}
