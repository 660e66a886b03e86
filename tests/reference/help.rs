//! The command line: the help of each command, as the program prints it.

use std::fmt::Write;

use crate::common::{Scratch, text};

/// The width of a page of the book.
const WIDTH: &str = "80";

/// The help of the program, then that of each command, in the order in which the help lists them.
pub fn page(scratch: &Scratch) -> String {
    let mut page = String::new();
    add(scratch, &[], &mut page);
    page
}

fn add(scratch: &Scratch, command: &[&str], page: &mut String) {
    let output = scratch.command().args(command).arg("--help").env("COLUMNS", WIDTH).output().unwrap();
    assert!(output.status.success(), "{command:?}: {}", text(&output.stderr));
    let help = text(&output.stdout);
    let lines: Vec<&str> = help.lines().map(str::trim_end).collect();
    let name = [&["cldiff"], command].concat().join(" ");
    let _ = writeln!(page, "## `{name}`\n\n```text\n{}\n```\n", lines.join("\n").trim_end());
    for inner in commands(&help) {
        add(scratch, &[command, &[inner]].concat(), page);
    }
}

/// The names below `Commands:`; a line that is indented further goes on with the sentence before it.
fn commands(help: &str) -> Vec<&str> {
    let list = help.lines().skip_while(|line| *line != "Commands:").skip(1);
    let entries = list.take_while(|line| !line.is_empty());
    let names = entries.filter_map(|line| line.strip_prefix("  ").filter(|rest| !rest.starts_with(' ')));
    names.filter_map(|rest| rest.split(' ').next()).filter(|name| *name != "help").collect()
}

#[test]
fn commands_are_read_from_help() {
    let help = "Usage: x\n\nCommands:\n  run   Runs it, and\n        reports\n  list  Lists\n  help  Prints\n\nOptions:\n  -q\n";
    assert_eq!(commands(help), ["run", "list"]);
    assert!(commands("Usage: x\n").is_empty());
}
