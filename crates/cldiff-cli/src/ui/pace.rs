//! How fast work goes on, and what is left of it. Time comes from the caller.

use std::time::{Duration, Instant};

/// From the first work to the first line, where lines say how far it is.
const FIRST_LINE: Duration = Duration::from_secs(5);

/// The most time between two lines.
const LONGEST_GAP: Duration = Duration::from_mins(5);

/// Less time says nothing of a rate.
const SHORTEST: Duration = Duration::from_secs(1);

/// Work whose speed is measured from its first part on, which may have waited for something else: kernels that were
/// compiled, for example.
#[derive(Debug, Default)]
pub struct Pace {
    total: u64,
    done: u64,
    /// Of `done`, work of an earlier session.
    skipped: u64,
    /// When the first part was done, and how much that was.
    first: Option<(Instant, u64)>,
    /// Lines that were due.
    lines: u32,
}

impl Pace {
    /// Of so much work.
    pub fn of(total: u64) -> Self {
        Self { total, ..Self::default() }
    }

    /// Notes work that was done at a moment.
    pub fn add(&mut self, work: u64, now: Instant) {
        self.done += work;
        if work > 0 {
            self.first.get_or_insert((now, self.done - self.skipped));
        }
    }

    /// Notes work that an earlier session has done.
    pub fn skip(&mut self, work: u64) {
        self.done += work;
        self.skipped += work;
    }

    /// The part that is done, from 0 to 1.
    pub fn share(&self) -> f64 {
        if self.total == 0 { 0.0 } else { (self.done as f64 / self.total as f64).min(1.0) }
    }

    /// How long the rest takes, if it goes on as it did; none while that cannot be told.
    pub fn left(&self, now: Instant) -> Option<Duration> {
        let (begun, before) = self.first?;
        let (elapsed, measured) = (now.saturating_duration_since(begun), self.done - self.skipped - before);
        if elapsed < SHORTEST || measured == 0 {
            return None;
        }
        let rest = self.total.saturating_sub(self.done) as f64;
        Duration::try_from_secs_f64(elapsed.as_secs_f64() * rest / measured as f64).ok()
    }

    /// Whether a line is due: after 5 s, 10, 20 and so on, and at last every five minutes.
    pub fn is_line_due(&mut self, now: Instant) -> bool {
        let Some((begun, _)) = self.first else { return false };
        let due = now.saturating_duration_since(begun) >= time_of_line(self.lines);
        // Lines whose time has gone by are not made up for.
        while due && now.saturating_duration_since(begun) >= time_of_line(self.lines) {
            self.lines += 1;
        }
        due
    }
}

/// When a line is due, counted from 0.
fn time_of_line(i: u32) -> Duration {
    let mut time = FIRST_LINE;
    for _ in 0..i {
        time += time.min(LONGEST_GAP);
    }
    time
}

/// A stretch of time in two units at most: `45 s`, `12 min`, `3 h 20 min`, `5 d 3 h`.
pub fn span(time: Duration) -> String {
    let minutes = time.as_secs() / 60;
    let (hours, days) = (minutes / 60, minutes / (24 * 60));
    if minutes == 0 {
        format!("{} s", time.as_secs())
    } else if hours == 0 {
        format!("{minutes} min")
    } else if days < 2 {
        format!("{hours} h {} min", minutes % 60)
    } else {
        format!("{days} d {} h", hours % 24)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn after(start: Instant, seconds: u64) -> Instant {
        start + Duration::from_secs(seconds)
    }

    #[test]
    fn the_rest_goes_on_at_the_speed_since_the_first_part() {
        let start = Instant::now();
        let mut pace = Pace::of(1000);
        assert_eq!((pace.left(start), pace.share()), (None, 0.0));
        // Nothing tells how long the first part took.
        pace.add(100, after(start, 60));
        assert_eq!(pace.left(after(start, 70)), None);
        // 200 in 20 s, and 700 are left.
        pace.add(200, after(start, 80));
        assert_eq!(pace.left(after(start, 80)), Some(Duration::from_secs(70)));
        assert!((pace.share() - 0.3).abs() < 1e-12);
    }

    #[test]
    fn work_of_an_earlier_session_took_no_time_in_this_one() {
        let start = Instant::now();
        let mut pace = Pace::of(1000);
        pace.skip(500);
        pace.add(50, start);
        pace.add(150, after(start, 15));
        // 150 in 15 s, and 300 are left.
        assert_eq!(pace.left(after(start, 15)), Some(Duration::from_secs(30)));
        assert!((pace.share() - 0.7).abs() < 1e-12);
    }

    #[test]
    fn more_work_than_was_expected_leaves_none() {
        let start = Instant::now();
        let mut pace = Pace::of(10);
        pace.add(10, start);
        pace.add(10, after(start, 2));
        assert_eq!((pace.left(after(start, 2)), pace.share()), (Some(Duration::ZERO), 1.0));
        assert_eq!(Pace::default().share(), 0.0);
    }

    #[test]
    fn lines_become_rarer_and_none_is_made_up_for() {
        let start = Instant::now();
        let mut pace = Pace::of(1_000_000);
        assert!(!pace.is_line_due(after(start, 100)), "nothing is done yet");
        pace.add(1, start);
        let due: Vec<u64> = (0..=700).filter(|&second| pace.is_line_due(after(start, second))).collect();
        assert_eq!(due, [5, 10, 20, 40, 80, 160, 320, 620]);
        // The computer slept.
        assert!(pace.is_line_due(after(start, 5000)));
        assert!(!pace.is_line_due(after(start, 5001)));
    }

    #[test]
    fn spans_have_two_units_at_most() {
        let spans = [0, 45, 59, 60, 725, 3599, 3600, 12_000, 172_799, 172_800, 450_000];
        assert_eq!(
            spans.map(|seconds| span(Duration::from_secs(seconds))),
            [
                "0 s",
                "45 s",
                "59 s",
                "1 min",
                "12 min",
                "59 min",
                "1 h 0 min",
                "3 h 20 min",
                "47 h 59 min",
                "2 d 0 h",
                "5 d 5 h"
            ]
        );
    }
}
