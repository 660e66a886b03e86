//! Signals that ask a run to stop: Ctrl-C, SIGTERM, SIGUSR1, SIGHUP.
//!
//! The first asks the cells to keep their states and stop. Batch systems send SIGTERM more than once; the further ones
//! change nothing. A second Ctrl-C ends the process, but never while a state is being written. Before the cells begin
//! there is nothing to keep, and the first signal ends the process. Either way the exit status is 130.

use std::sync::{
    Mutex, MutexGuard, PoisonError,
    atomic::{AtomicBool, Ordering},
};

use crate::ui::failure::Failure;

static ASKED: AtomicBool = AtomicBool::new(false);
static STATE: Mutex<State> = Mutex::new(State::new());

/// The state of the process when a signal comes.
#[derive(Debug)]
struct State {
    /// Whether cells are going on, which keep their states when they are asked to stop.
    in_cells: bool,
    /// States that are being written.
    writing: usize,
    /// Whether the process ends when they are written.
    ending: bool,
    /// The advice on how to go on.
    advice: String,
}

/// The reaction to a signal.
#[derive(Debug, PartialEq, Eq)]
enum Step {
    /// The cells see it and stop.
    Wait,
    /// The process ends, with a message if there is one.
    End(Option<String>),
}

impl State {
    const fn new() -> Self {
        Self { in_cells: false, writing: 0, ending: false, advice: String::new() }
    }

    /// A signal; `forced` by whom asks at a keyboard, `again` when an earlier one came.
    fn signal(&mut self, forced: bool, again: bool) -> Step {
        match (self.in_cells, again && forced, self.writing) {
            (false, _, _) => Step::End(Some(self.advice.clone())),
            (true, false, _) => Step::Wait,
            (true, true, 0) => Step::End(None),
            (true, true, _) => {
                self.ending = true;
                Step::Wait
            }
        }
    }
}

/// Starts to listen, before there is anything to keep. `advice` says how to go on.
pub fn listen(advice: String) {
    state().advice = advice;
    start();
}

/// Holds as long as cells go on.
#[derive(Debug)]
pub struct InCells;

impl InCells {
    /// From now on a signal lets the cells keep their states.
    pub fn begin() -> Self {
        state().in_cells = true;
        Self
    }
}

impl Drop for InCells {
    fn drop(&mut self) {
        state().in_cells = false;
    }
}

/// Holds as long as a state is being written.
#[derive(Debug)]
pub struct Writing;

impl Writing {
    /// A state is about to be written.
    pub fn begin() -> Self {
        state().writing += 1;
        Self
    }
}

impl Drop for Writing {
    fn drop(&mut self) {
        let mut state = state();
        state.writing -= 1;
        if state.writing == 0 && state.ending {
            end(None);
        }
    }
}

/// Whether the run was asked to stop.
pub fn asked() -> bool {
    ASKED.load(Ordering::SeqCst)
}

fn state() -> MutexGuard<'static, State> {
    STATE.lock().unwrap_or_else(PoisonError::into_inner)
}

fn end(message: Option<String>) -> ! {
    if let Some(message) = message {
        let _ = Failure::Interrupted(message).tell();
    }
    std::process::exit(130)
}

fn on_signal(forced: bool) {
    let again = ASKED.swap(true, Ordering::SeqCst);
    let step = state().signal(forced, again);
    if let Step::End(message) = step {
        end(message);
    }
}

#[cfg(unix)]
fn start() {
    use signal_hook::{
        consts::{SIGHUP, SIGINT, SIGTERM, SIGUSR1},
        iterator::Signals,
    };
    static STARTED: AtomicBool = AtomicBool::new(false);
    if STARTED.swap(true, Ordering::SeqCst) {
        return;
    }
    let Ok(mut signals) = Signals::new([SIGINT, SIGTERM, SIGUSR1, SIGHUP]) else { return };
    // Without a thread the signals do what the system does by default.
    let _ = std::thread::Builder::new()
        .name("signals".into())
        .spawn(move || signals.forever().for_each(|signal| on_signal(signal == SIGINT)));
}

#[cfg(not(unix))]
fn start() {
    // A second handler is refused: then one is listening already.
    let _ = ctrlc::set_handler(|| on_signal(true));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn before_the_cells_a_signal_ends_the_process_with_what_to_do() {
        let mut state = State { advice: "go on".into(), ..State::new() };
        assert_eq!(state.signal(false, false), Step::End(Some("go on".into())));
        assert_eq!(state.signal(true, false), Step::End(Some("go on".into())));
    }

    #[test]
    fn batch_systems_may_repeat_themselves_and_a_keyboard_waits_for_states() {
        let mut state = State { in_cells: true, ..State::new() };
        assert_eq!(state.signal(false, false), Step::Wait);
        assert_eq!(state.signal(false, true), Step::Wait);
        assert_eq!(state.signal(true, false), Step::Wait);
        state.writing = 1;
        assert_eq!((state.signal(true, true), state.ending), (Step::Wait, true));
        state.writing = 0;
        assert_eq!(state.signal(true, true), Step::End(None));
    }
}
