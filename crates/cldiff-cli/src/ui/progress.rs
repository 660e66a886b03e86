//! Progress on stderr: a line that is drawn anew on a terminal, a line now and then elsewhere.

use std::{
    fmt,
    io::{self, IsTerminal, Write},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        mpsc::{self, RecvTimeoutError, Sender},
    },
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use cldiff_engine::Phase;
use indicatif::{ProgressBar, ProgressState, ProgressStyle};

use super::{
    pace::{Pace, span},
    width::{of_stderr, wrap},
};

/// While nothing says how much there is to do.
const WAITING: &str = "{spinner} {wide_msg} {elapsed}";

/// The message is cut where the terminal ends.
const WORKING: &str = "{percent:>3}% {wide_msg} {left}";

/// From the beginning to a line that says what is going on.
const SLOW: Duration = Duration::from_millis(1500);

/// The bar on the terminal, beside which other messages have to be written.
static BAR: Mutex<Option<ProgressBar>> = Mutex::new(None);

/// The progress of a whole run.
#[derive(Debug)]
pub struct Progress {
    lines: Lines,
    pace: Arc<Mutex<Pace>>,
}

impl Progress {
    /// Shows nothing if `quiet`.
    pub fn new(quiet: bool) -> Self {
        let on_terminal = io::stderr().is_terminal() && !quiet;
        let bar = if on_terminal { ProgressBar::no_length() } else { ProgressBar::hidden() };
        if on_terminal {
            bar.set_style(style(WAITING));
            bar.enable_steady_tick(Duration::from_millis(200));
            *lock(&BAR) = Some(bar.clone());
        }
        Self { lines: Lines { bar, quiet, on_terminal }, pace: Arc::default() }
    }

    /// How much work there is in all.
    pub fn set_total(&self, work: u64) {
        *lock(&self.pace) = Pace::of(work);
        let pace = Arc::clone(&self.pace);
        let left = move |_: &ProgressState, to: &mut dyn fmt::Write| {
            let left = lock(&pace).left(Instant::now());
            // A line that cannot be drawn is drawn the next time.
            let _ = left.map_or(Ok(()), |left| write!(to, "{} left", span(left)));
        };
        self.lines.bar.set_length(work);
        self.lines.bar.set_position(0);
        self.lines.bar.set_style(style(WORKING).with_key("left", left));
    }

    /// Whether nothing is shown.
    pub fn is_quiet(&self) -> bool {
        self.lines.quiet
    }

    /// A line that stays.
    pub fn say(&self, line: &str) {
        self.lines.say(line);
    }

    /// Says what begins, of which nobody knows how much there is to do.
    pub fn begin(&self, line: &str) {
        self.say(line);
        self.show(line);
    }

    fn show(&self, message: &str) {
        if self.lines.on_terminal {
            self.lines.bar.set_message(message.to_owned());
        }
    }

    /// Says a line if the value lives for longer than a moment.
    #[must_use]
    pub fn say_if_slow(&self, line: String) -> Pending {
        self.show(&line);
        let (stop, stopped) = mpsc::channel();
        let lines = self.lines.clone();
        let wait = move || {
            if stopped.recv_timeout(SLOW) == Err(RecvTimeoutError::Timeout) {
                lines.say(&line);
            }
        };
        // Without a thread the line is left out.
        let thread = if self.lines.quiet { None } else { thread::Builder::new().spawn(wait).ok() };
        Pending { stop: Some(stop), thread }
    }

    /// Work done, and what is going on at which rate.
    pub fn advance(&self, work: u64, doing: impl FnOnce() -> String) {
        if self.lines.quiet {
            return;
        }
        let now = Instant::now();
        let (due, share, left) = {
            let mut pace = lock(&self.pace);
            pace.add(work, now);
            (pace.is_line_due(now), pace.share(), pace.left(now))
        };
        if self.lines.on_terminal {
            self.lines.bar.inc(work);
            self.show(&doing());
        } else if due {
            let left = left.map_or_else(String::new, |left| format!(", about {} left", span(left)));
            self.say(&format!("{:.0} %{left}: {}", 100.0 * share, doing()));
        }
    }

    /// Work that an earlier session has done.
    pub fn skip(&self, work: u64) {
        lock(&self.pace).skip(work);
        self.lines.bar.inc(work);
    }

    /// Takes the bar away.
    pub fn finish(&self) {
        self.lines.bar.finish_and_clear();
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.finish();
        *lock(&BAR) = None;
    }
}

/// Where lines go.
#[derive(Debug, Clone)]
struct Lines {
    bar: ProgressBar,
    quiet: bool,
    on_terminal: bool,
}

impl Lines {
    fn say(&self, line: &str) {
        if self.quiet {
            return;
        }
        for line in wrap(line, of_stderr()).split('\n') {
            if self.on_terminal {
                self.bar.println(line);
            } else {
                // A reader of the progress that has gone away stops no run.
                let _ = writeln!(io::stderr(), "{line}");
            }
        }
    }
}

/// A line that is said if this lives for longer than a moment.
#[derive(Debug)]
pub struct Pending {
    stop: Option<Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Drop for Pending {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            // It has nothing to give, and a panic in it is none of the run's.
            let _ = thread.join();
        }
    }
}

/// Stderr for warnings: each is broken at spaces, and written above the bar where there is one.
#[derive(Debug, Clone, Copy)]
pub struct AboveBar;

impl Write for AboveBar {
    fn write(&mut self, text: &[u8]) -> io::Result<usize> {
        let bar = lock(&BAR).clone();
        let lines = wrap(&String::from_utf8_lossy(text), of_stderr());
        let write = || io::stderr().write_all(lines.as_bytes());
        match bar {
            Some(bar) => bar.suspend(write),
            None => write(),
        }?;
        Ok(text.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        io::stderr().flush()
    }
}

fn style(template: &str) -> ProgressStyle {
    // The templates are constants of this program, and a test parses them.
    ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar())
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A phase in a word.
pub fn word(phase: Phase) -> &'static str {
    match phase {
        Phase::Train => "training",
        Phase::Sample => "sampling",
        Phase::Evaluate => "evaluating",
    }
}

#[cfg(test)]
mod tests {
    use indicatif::{ProgressDrawTarget, TermLike};

    use super::*;

    #[test]
    fn the_templates_are_understood() {
        for template in [WAITING, WORKING] {
            assert!(ProgressStyle::with_template(template).is_ok(), "{template}");
        }
    }

    /// A terminal of 40 columns that keeps what was written.
    #[derive(Debug, Clone, Default)]
    struct Narrow(Arc<Mutex<Vec<String>>>);

    impl TermLike for Narrow {
        fn width(&self) -> u16 {
            40
        }

        fn move_cursor_up(&self, _: usize) -> io::Result<()> {
            Ok(())
        }

        fn move_cursor_down(&self, _: usize) -> io::Result<()> {
            Ok(())
        }

        fn move_cursor_right(&self, _: usize) -> io::Result<()> {
            Ok(())
        }

        fn move_cursor_left(&self, _: usize) -> io::Result<()> {
            Ok(())
        }

        fn write_line(&self, text: &str) -> io::Result<()> {
            self.write_str(text)
        }

        fn write_str(&self, text: &str) -> io::Result<()> {
            lock(&self.0).push(text.to_owned());
            Ok(())
        }

        fn clear_line(&self) -> io::Result<()> {
            Ok(())
        }

        fn flush(&self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn the_line_of_progress_is_cut_where_the_terminal_ends() {
        let terminal = Narrow::default();
        let target = ProgressDrawTarget::term_like(Box::new(terminal.clone()));
        let mut progress = Progress::new(true);
        progress.lines.bar = ProgressBar::with_draw_target(None, target);
        progress.set_total(200);
        progress.skip(50);
        progress.lines.bar.set_message("[3/12] task 2/5 training loss 0.0312 812 images/s replay-0.1");
        progress.lines.bar.tick();
        let written = lock(&terminal.0).clone();
        let longest = written.iter().map(|text| text.chars().count()).max();
        assert!(written.iter().any(|text| text.starts_with(" 25% [3/12] task 2/5 training")), "{written:?}");
        assert!(longest <= Some(40), "{written:?}");
    }
}
