//! What a person sees on stderr while a run goes on: a bar on a terminal, a line a task elsewhere.

use std::{
    io::{IsTerminal, Write},
    time::Duration,
};

use cldiff_engine::Phase;
use indicatif::{ProgressBar, ProgressStyle};

/// The progress of a whole run.
#[derive(Debug)]
pub struct Progress {
    bar: ProgressBar,
    quiet: bool,
    on_terminal: bool,
}

impl Progress {
    /// Nothing to be seen if `quiet`.
    pub fn new(quiet: bool) -> Self {
        let on_terminal = std::io::stderr().is_terminal() && !quiet;
        let bar = if on_terminal { ProgressBar::new(0) } else { ProgressBar::hidden() };
        // The template is a constant of this program.
        let style = ProgressStyle::with_template("{bar:28} {percent:>3}%  {msg}  [{elapsed} < {eta}]")
            .unwrap_or_else(|_| ProgressStyle::default_bar());
        bar.set_style(style);
        bar.enable_steady_tick(Duration::from_millis(200));
        Self { bar, quiet, on_terminal }
    }

    /// How much work there is in all.
    pub fn set_total(&self, work: u64) {
        self.bar.set_length(work);
        self.bar.reset_eta();
    }

    /// A line that stays.
    pub fn say(&self, line: &str) {
        if self.quiet {
            return;
        }
        if self.on_terminal {
            self.bar.println(line);
        } else {
            // Whoever has stopped listening stops no run.
            let _ = writeln!(std::io::stderr(), "{line}");
        }
    }

    /// Work done, and what is going on at which rate.
    pub fn advance(&self, work: u64, doing: impl FnOnce() -> String) {
        self.bar.inc(work);
        if self.on_terminal {
            self.bar.set_message(doing());
        }
    }

    /// Takes the bar away.
    pub fn finish(&self) {
        self.bar.finish_and_clear();
    }
}

/// A phase in a word.
pub fn word(phase: Phase) -> &'static str {
    match phase {
        Phase::Train => "training",
        Phase::Sample => "sampling",
        Phase::Evaluate => "evaluating",
    }
}
