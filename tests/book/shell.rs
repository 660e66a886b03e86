//! A page's commands in a shell, in a scratch directory with the repository's `configs`.

use std::{
    fs,
    io::Read,
    os::unix::fs::{PermissionsExt, symlink},
    path::{Path, PathBuf},
    process::Command,
};

use crate::{
    common::{Scratch, text},
    pages::{Block, Page},
};

/// The way to call the program before it is installed.
const BY_CARGO: &str = "cargo run -p cldiff-cli";

/// Commands that a page may run beside the program.
const TOOLS: [&str; 6] = ["cat", "cp", "head", "ls", "mkdir", "tail"];

fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().unwrap()
}

/// Whether a line calls the program.
pub fn is_cldiff(line: &str) -> bool {
    let line = line.trim_start_matches("$ ");
    line == "cldiff" || line.starts_with("cldiff ") || line.starts_with(BY_CARGO)
}

/// Whether a line calls the program, or a tool that needs nothing.
pub fn is_known(line: &str) -> bool {
    is_cldiff(line) || line.split(' ').next().is_some_and(|word| TOOLS.contains(&word))
}

/// A command as the shell runs it: by the program's name.
fn by_name(command: &str) -> String {
    let without =
        command.strip_prefix(BY_CARGO).map(|rest| rest.trim_start().trim_start_matches("--").to_owned());
    without.map_or_else(|| command.to_owned(), |rest| format!("cldiff {}", rest.trim_start()))
}

/// A scratch directory, in which `cldiff` is the program, on the CPU.
pub struct Shell {
    scratch: Scratch,
    cache: PathBuf,
}

impl Shell {
    /// With a cache that pages share.
    pub fn new(cache: &Path) -> Self {
        let scratch = Scratch::new();
        let program = scratch.path("bin/cldiff");
        fs::create_dir(scratch.path("bin")).unwrap();
        let text = format!("#!/bin/sh\nexec '{}' \"$@\" $CLDIFF_BOOK\n", env!("CARGO_BIN_EXE_cldiff"));
        fs::write(&program, text).unwrap();
        fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
        symlink(repository().join("configs"), scratch.path("configs")).unwrap();
        Self { scratch, cache: cache.to_owned() }
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.scratch.path(name)
    }

    pub fn write(&self, name: &str, text: &str) {
        self.scratch.write(name, text);
    }

    /// Runs a command; gives its status, and what it writes to stdout and stderr as a terminal shows it.
    pub fn run(&self, command: &str) -> (Option<i32>, String) {
        self.run_with(&by_name(command), "")
    }

    /// The program's options in a command, with its help asked for in place of what it does.
    pub fn help_of(&self, command: &str) -> (Option<i32>, String) {
        let command = by_name(command);
        // Behind `--` stand the options of another program, and the help would be asked of that.
        let own = command.split_once(" -- ").map_or(command.as_str(), |(own, _)| own);
        self.run_with(own, "--help")
    }

    fn run_with(&self, command: &str, more: &str) -> (Option<i32>, String) {
        let (mut reader, writer) = std::io::pipe().unwrap();
        let path = format!("{}:/usr/bin:/bin", self.scratch.path("bin").display());
        let mut child = self
            .scratch
            .clean(Command::new("sh"))
            .args(["-c", command])
            .env("PATH", path)
            .env("CLDIFF_BOOK", more)
            .envs([("COLUMNS", "80"), ("LC_ALL", "C.UTF-8")])
            .env("XDG_CACHE_HOME", &self.cache)
            // No device of a GPU is seen: the pages are those of a CPU.
            .envs([("CUDA_VISIBLE_DEVICES", ""), ("VK_DRIVER_FILES", "/"), ("VK_ICD_FILENAMES", "/")])
            .stdout(writer.try_clone().unwrap())
            .stderr(writer)
            .spawn()
            .unwrap();
        let mut output = Vec::new();
        reader.read_to_end(&mut output).unwrap();
        let here = self.scratch.0.path().display().to_string();
        (child.wait().unwrap().code(), text(&output).replace(&here, "."))
    }

    /// Checks the options of a block that does not run, and the configurations that it names.
    pub fn parse(&self, page: &Page, block: &Block) {
        for command in block.commands().iter().filter(|command| is_cldiff(&command.text)) {
            let place = format!("{}:{}: {}", page.name, command.line, command.text);
            let (status, output) = self.help_of(&command.text);
            assert_eq!(status, Some(0), "{place}\n{output}");
            let mut words = command.text.split_whitespace().skip_while(|word| *word != "--config").skip(1);
            if let Some(config) = words.next().filter(|name| Path::new(name).extension().is_some()) {
                let (status, output) = self.run(&format!("cldiff config check {config}"));
                assert_eq!(status, Some(0), "{place}\n{output}");
            }
        }
    }
}

#[test]
fn commands_are_told_from_others() {
    assert!(
        is_cldiff("$ cldiff")
            && is_cldiff("cargo run -p cldiff-cli -- list metrics")
            && !is_cldiff("cldiffs")
    );
    assert!(is_known("ls runs") && !is_known("rm -r runs"));
    assert_eq!(by_name("cargo run -p cldiff-cli -- --config smoke"), "cldiff --config smoke");
    assert_eq!(by_name("cargo run -p cldiff-cli"), "cldiff ");
}
