//! A seed's schedule: what happens to one run, session by session.

use std::ops::Range;

use keyed_random::{Key, Purpose};
use rand::Rng;

/// The events of a run between two looks at it.
#[derive(Debug, Clone, PartialEq)]
pub enum Event {
    /// A process with faults, as `CLDIFF_FAULT` has them.
    Alone(String),
    /// A process that stops while another one works on the run, and goes on then; on a file system with locks or without.
    Stopped { faults: String, locks: bool },
    /// Processes at once, each with its faults.
    Beside(Vec<String>),
    /// A process of another machine has left a lease: in a cell's directory or the run's.
    StaleLease { place: usize },
    /// A bit of a state flips: of the file at this share of all, at this share of its length.
    Damage { file: f64, at: f64 },
}

/// Numbers that follow from a seed.
pub struct Draws {
    key: Key,
    drawn: u64,
}

impl Draws {
    fn of(seed: u64) -> Self {
        Self { key: Key::new(seed, Purpose::named("schedule of faults")), drawn: 0 }
    }

    fn below(&mut self, range: Range<u64>) -> u64 {
        self.drawn += 1;
        self.key.rng(self.drawn).random_range(range)
    }

    fn share(&mut self) -> f64 {
        self.below(0..1000) as f64 / 1000.0
    }

    fn one_of<T: Copy>(&mut self, all: &[T]) -> T {
        all[self.below(0..all.len() as u64) as usize]
    }
}

/// A kind of event: its weight, and how it is drawn for a run of so many operations.
type Kind = (u64, fn(&mut Draws, u64) -> Event);

/// All that can happen. A new kind is a line here, or in [`FAULTS`].
const KINDS: &[Kind] = &[
    (12, |draws, operations| Event::Alone(faults(draws, operations))),
    (2, |draws, operations| Event::Stopped {
        faults: format!("stop@{}", place(draws, operations)),
        locks: draws.below(0..2) == 0,
    }),
    (2, |draws, operations| {
        Event::Beside((0..draws.below(2..4)).map(|_| faults(draws, operations)).collect())
    }),
    (1, |draws, _| Event::StaleLease { place: draws.below(0..3) as usize }),
    (1, |draws, _| Event::Damage { file: draws.share(), at: draws.share() }),
];

/// Faults of one process (`cldiff-durable`'s module `fault`), the more often the more often they stand here.
const FAULTS: &[&str] = &[
    "torn", "torn", "read", "read", "full", "short", "denied", "memory", "memory", "panic", "lost", "lost",
    "remove",
];

/// One to three faults; of four processes three die at the latest at some operation, so that something is left to do.
fn faults(draws: &mut Draws, operations: u64) -> String {
    let one = |draws: &mut Draws| format!("{}@{}", draws.one_of(FAULTS), place(draws, operations));
    let mut several: Vec<String> = (0..draws.below(1..4)).map(|_| one(draws)).collect();
    if draws.below(0..4) > 0 {
        several.push(format!("kill@{}", place(draws, operations)));
    }
    several.join(",")
}

/// An operation: anywhere in the life of a run, or more often soon after a process begins.
fn place(draws: &mut Draws, operations: u64) -> u64 {
    let end = if draws.below(0..3) == 0 { operations } else { operations.min(50) };
    draws.below(1..end + 1)
}

/// Three to ten events, and whether the run begins without a classifier in the cache.
pub fn of(seed: u64, operations: u64) -> (bool, Vec<Event>) {
    let mut draws = Draws::of(seed);
    let new_cache = draws.below(0..4) == 0;
    let all: u64 = KINDS.iter().map(|(weight, _)| weight).sum();
    let mut event = |_| {
        let mut at = draws.below(0..all);
        let (_, draw) = KINDS
            .iter()
            .find(|(weight, _)| {
                let is_it = at < *weight;
                at = at.saturating_sub(*weight);
                is_it
            })
            .expect("weights add up");
        draw(&mut draws, operations)
    };
    let events = 3 + seed % 8;
    (new_cache, (0..events).map(&mut event).collect())
}

#[test]
fn a_seed_has_one_schedule_and_every_kind_of_fault_occurs() {
    assert_eq!(of(7, 200), of(7, 200));
    assert_ne!(of(7, 200), of(15, 200));
    let all: Vec<(bool, Vec<Event>)> = (0..200).map(|seed| of(seed, 200)).collect();
    assert!(all.iter().all(|(_, events)| (3..=10).contains(&events.len())));
    let told = format!("{all:?}");
    let events = ["Alone", "Stopped", "Beside", "StaleLease", "Damage", "locks: true", "locks: false"];
    for word in events.iter().chain(FAULTS).chain(&["kill"]) {
        assert!(told.contains(word), "{word} never occurs");
    }
}
