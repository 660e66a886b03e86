//! Pages of Markdown: their fenced blocks, the commands in them, and the output that stands below each.

use std::{
    fs,
    ops::Range,
    path::{Path, PathBuf},
};

/// The comment above a block: `<!-- book: ... -->`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Directive {
    /// No comment: the commands run, and end with status 0.
    Run,
    /// `fails`: the commands run, and end with status 2, that of a mistake.
    Fails,
    /// `needs NAME`: the commands run once the fixture NAME is there.
    Needs(String),
    /// `file NAME`: the block is the content of a file in the scratch directory.
    File(String),
    /// `from PATH`: the block is a part of a file of the repository, which the compiler checks.
    From(String),
    /// `not run: REASON`: the commands are parsed.
    NotRun,
}

impl Directive {
    fn read(comment: &str) -> Self {
        match comment.split_once(' ') {
            Some(("file", name)) => Self::File(name.to_owned()),
            Some(("from", path)) => Self::From(path.to_owned()),
            Some(("needs", name)) => Self::Needs(name.to_owned()),
            Some(("not", reason)) if reason.starts_with("run: ") => Self::NotRun,
            None if comment == "fails" => Self::Fails,
            _ => panic!("`<!-- book: {comment} -->` is no directive"),
        }
    }

    pub fn runs(&self) -> bool {
        matches!(self, Self::Run | Self::Fails | Self::Needs(_))
    }
}

/// A fenced block.
#[derive(Debug, Clone)]
pub struct Block {
    /// The number of its first inner line, from 1.
    pub line: usize,
    pub language: String,
    pub directive: Directive,
    pub lines: Vec<String>,
}

/// A command with the output that the page has for it.
#[derive(Debug, Clone)]
pub struct Command {
    /// The number of its line, from 1.
    pub line: usize,
    pub text: String,
    pub output: Vec<String>,
    /// The lines of the page that are the output, from 0.
    place: Range<usize>,
}

impl Block {
    pub fn text(&self) -> String {
        self.lines.join("\n") + "\n"
    }

    /// Whether outputs stand below the commands.
    pub fn has_output(&self) -> bool {
        self.language == "console"
    }

    fn is_shell(&self) -> bool {
        ["console", "sh"].contains(&self.language.as_str())
    }

    /// A command goes on in the next line after a backslash.
    pub fn commands(&self) -> Vec<Command> {
        let mut commands: Vec<Command> = Vec::new();
        let mut goes_on = false;
        for (i, line) in self.lines.iter().enumerate().filter(|_| self.is_shell()) {
            let begins = if self.has_output() { line.strip_prefix("$ ") } else { Some(line.as_str()) };
            let after = self.line + i;
            match (commands.last_mut(), begins) {
                (Some(command), _) if goes_on => {
                    command.text.push_str(line.trim_start());
                    command.place = after..after;
                }
                (_, Some(text)) if !text.trim().is_empty() && !text.starts_with('#') => {
                    commands.push(Command {
                        line: after,
                        text: text.to_owned(),
                        output: Vec::new(),
                        place: after..after,
                    });
                }
                (Some(command), None) => {
                    command.output.push(line.clone());
                    command.place.end = after;
                }
                _ => {}
            }
            goes_on = commands.last_mut().is_some_and(|command| {
                let more = command.output.is_empty() && command.text.ends_with('\\');
                if more {
                    command.text.pop();
                }
                more
            });
        }
        commands
    }
}

/// A page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page {
    /// Its path in the repository.
    pub name: String,
    lines: Vec<String>,
}

impl Page {
    fn read(name: String) -> Self {
        let text = fs::read_to_string(repository().join(&name)).unwrap();
        Self { name, lines: text.lines().map(str::to_owned).collect() }
    }

    pub fn path(&self) -> PathBuf {
        repository().join(&self.name)
    }

    pub fn text(&self) -> String {
        self.lines.join("\n") + "\n"
    }

    pub fn blocks(&self) -> Vec<Block> {
        let mut blocks: Vec<Block> = Vec::new();
        let (mut within, mut directive) = (false, Directive::Run);
        for (i, line) in self.lines.iter().enumerate() {
            if let Some(language) = line.strip_prefix("```") {
                within = !within;
                if within {
                    let directive = std::mem::replace(&mut directive, Directive::Run);
                    let (line, language) = (i + 2, language.trim().to_owned());
                    blocks.push(Block { line, language, directive, lines: Vec::new() });
                }
            } else if let Some(block) = blocks.last_mut().filter(|_| within) {
                block.lines.push(line.clone());
            } else if let Some(comment) = line.strip_prefix("<!-- book: ") {
                directive = Directive::read(comment.strip_suffix(" -->").expect("a comment of one line"));
            } else if !line.is_empty() {
                assert!(
                    directive == Directive::Run,
                    "{}:{}: no block follows the directive",
                    self.name,
                    i + 1
                );
            }
        }
        blocks
    }

    /// Whether a block is a part of a file of the repository.
    pub fn is_part_of(block: &Block, path: &str) -> bool {
        let text = fs::read_to_string(repository().join(path)).unwrap();
        let lines: Vec<&str> = text.lines().map(str::trim_end).collect();
        lines.windows(block.lines.len()).any(|window| window == block.lines)
    }

    /// The commands in backticks within sentences, without those that stand for several.
    pub fn spans(&self) -> impl Iterator<Item = String> {
        let mut within = false;
        let prose = self.lines.iter().filter(move |line| {
            within ^= line.starts_with("```");
            !within && !line.starts_with("```")
        });
        let spans = prose.flat_map(|line| line.split('`').skip(1).step_by(2));
        let is_one = |span: &&str| span.starts_with("cldiff ") && !span.contains(['|', '[', '<', '(', '\\']);
        spans.filter(is_one).map(str::to_owned)
    }

    /// Puts another output below a command, whose lines have moved by so many; gives by how many those after it move.
    pub fn replace(&mut self, command: &Command, moved: isize, output: Vec<String>) -> isize {
        let at = |line: usize| line.checked_add_signed(moved).unwrap();
        let change = output.len().cast_signed() - command.place.len().cast_signed();
        self.lines.splice(at(command.place.start)..at(command.place.end), output);
        change
    }
}

fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().unwrap()
}

fn under(folder: &str) -> Vec<String> {
    let mut entries: Vec<PathBuf> =
        fs::read_dir(repository().join(folder)).unwrap().map(|entry| entry.unwrap().path()).collect();
    entries.sort();
    let within = |path: PathBuf| {
        let name = format!("{folder}/{}", path.file_name().unwrap().to_str().unwrap());
        match path.extension() {
            // The book as mdBook writes it.
            _ if path.is_dir() && name == "docs/book" => Vec::new(),
            _ if path.is_dir() => under(&name),
            Some(end) if end == "md" => vec![name],
            _ => Vec::new(),
        }
    };
    entries.into_iter().flat_map(within).collect()
}

/// The README and every page of the book.
pub fn all() -> Vec<Page> {
    ["README.md".to_owned()].into_iter().chain(under("docs")).map(Page::read).collect()
}

#[test]
fn commands_of_a_page_have_their_outputs() {
    let text = "<!-- book: needs x -->\n\n```console\n$ cldiff a \\\n    --b\none\ntwo\n$ ls\n```\n```sh\n# c\ncldiff d\n```";
    let mut page = Page { name: "p".into(), lines: text.lines().map(str::to_owned).collect() };
    let blocks = page.blocks();
    assert_eq!(blocks[0].directive, Directive::Needs("x".into()));
    let commands = blocks[0].commands();
    assert_eq!((commands[0].text.as_str(), commands[0].line), ("cldiff a --b", 4));
    assert_eq!(
        (&commands[0].output[..], commands[1].text.as_str()),
        (&["one".to_owned(), "two".into()][..], "ls")
    );
    assert_eq!((blocks[1].commands().len(), blocks[1].commands()[0].line), (1, 12));
    let moved = page.replace(&commands[0], 0, vec!["three".into()]);
    assert_eq!(moved + page.replace(&commands[1], moved, vec!["x".into(), "y".into()]), 1);
    assert_eq!(page.lines[4..=9], ["    --b", "three", "$ ls", "x", "y", "```"]);
}
