//! How a budget of passes becomes rungs: successive halving (Jamieson & Talwalkar 2016, arXiv 1502.07943).
//!
//! Every rung takes an equal part of the budget. The last one trains as long as the configuration does, each one before it
//! eta times shorter, and so with eta times as many candidates: n_0 = B / (K c r_0) candidates of c cells with r_0 passes an
//! experience on the first of K rungs, of which each next rung keeps the best of eta. Two candidates at least reach the last
//! rung, or nothing would be chosen there. A budget that does not pay for that has shorter trainings on every rung.

/// Steps of the shortest training, in each experience and as finetuning takes them, at least; a configuration that is shorter itself goes below.
const LEAST_STEPS: u64 = 10;
/// Candidates that reach the last rung, at least.
const LEAST_LAST: u64 = 2;
/// Rungs, unless another number is asked for: the first trains a ninth of the last with eta = 3. A shorter training says
/// less about a whole one.
const MOST_RUNGS: usize = 3;
/// Candidates of a strategy, at most: more of them make no better search of a few options.
const MOST_CANDIDATES: u64 = 1000;
/// Rungs that can be asked for.
const RUNGS: std::ops::RangeInclusive<usize> = 1..=8;

/// A rung: candidates that train equally long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rung {
    /// Candidates of each strategy.
    pub candidates: u64,
    /// Passes of an experience of a candidate.
    pub passes: u64,
}

/// The quantities that a plan follows from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Halving {
    /// Passes of the trainings of one strategy in all.
    pub budget: u64,
    /// A rung keeps one of so many.
    pub eta: u64,
    /// The rungs that are asked for.
    pub rungs: Option<usize>,
    /// Experiences that one candidate trains on: those of the stream, for every seed.
    pub trainings: u64,
    /// Passes of an experience, as long as the configuration trains.
    pub whole: u64,
    /// Images of a step.
    pub step: u64,
}

impl Halving {
    /// The rungs, from the shortest trainings to the longest.
    ///
    /// # Errors
    /// A message that names the option, and the least budget if the budget is too small.
    pub fn plan(&self) -> Result<Vec<Rung>, String> {
        if self.eta < 2 {
            return Err(format!("--eta {}: expected at least 2", self.eta));
        }
        if let Some(rungs) = self.rungs.filter(|rungs| !RUNGS.contains(rungs)) {
            return Err(format!("--rungs {rungs}: expected {} to {}", RUNGS.start(), RUNGS.end()));
        }
        let fewest = self.rungs.unwrap_or(2);
        if self.whole < self.longer(fewest) {
            return Err(format!(
                "--rungs {fewest}: the configuration trains {} passes an experience, too few for a training that is {} times \
                 shorter",
                self.whole,
                self.longer(fewest)
            ));
        }
        let paid = |rungs: usize| self.last(rungs, self.whole) >= LEAST_LAST;
        let chosen = match self.rungs {
            Some(rungs) => Some(rungs).filter(|&rungs| paid(rungs)),
            None => (2..=MOST_RUNGS).rev().find(|&rungs| paid(rungs) && (rungs == 2 || self.is_long(rungs))),
        };
        if let Some(rungs) = chosen {
            return Ok(self.of_length(rungs, self.whole));
        }
        // All of the budget for the fewest candidates.
        let rungs = fewest;
        let length = self.budget / (rungs as u64 * LEAST_LAST).saturating_mul(self.trainings);
        let least = self.least_length(rungs);
        if length < least {
            let budget = (rungs as u64 * LEAST_LAST).saturating_mul(self.trainings).saturating_mul(least);
            return Err(format!(
                "--budget {}: expected at least {budget}, which pays for {LEAST_LAST} candidates of each strategy on the last \
                 of {rungs} {}",
                self.budget,
                if rungs == 1 { "rung" } else { "rungs" }
            ));
        }
        Ok(self.of_length(rungs, length))
    }

    /// Candidates on the last of so many rungs, if that trains so long.
    fn last(&self, rungs: usize, length: u64) -> u64 {
        self.budget / (rungs as u64).saturating_mul(self.trainings).saturating_mul(length)
    }

    /// How many times longer the last of some rungs trains than the first.
    fn longer(&self, rungs: usize) -> u64 {
        self.eta.saturating_pow(rungs as u32 - 1)
    }

    /// The part of a length that the first of some rungs trains.
    fn shortest(&self, rungs: usize, length: u64) -> u64 {
        length / self.longer(rungs)
    }

    /// A length in steps that take two passes for each image, as those of most strategies do: no step begins that the
    /// length does not pay for. Short lengths, and that of the configuration, are as they are.
    fn in_steps(&self, length: u64) -> u64 {
        let is_short = length < LEAST_STEPS.saturating_mul(self.step);
        if is_short || length == self.whole { length } else { length - length % (2 * self.step) }
    }

    /// Whether the shortest training of whole ones is long enough.
    fn is_long(&self, rungs: usize) -> bool {
        self.shortest(rungs, self.whole) >= LEAST_STEPS.saturating_mul(self.step)
    }

    /// The least length of the last of some rungs.
    fn least_length(&self, rungs: usize) -> u64 {
        LEAST_STEPS.saturating_mul(self.step).saturating_mul(self.longer(rungs)).min(self.whole)
    }

    /// The rungs if the last trains so long.
    fn of_length(&self, rungs: usize, length: u64) -> Vec<Rung> {
        let most = MOST_CANDIDATES.max(LEAST_LAST.saturating_mul(self.longer(rungs)));
        let mut made: Vec<Rung> = Vec::new();
        for rung in (1..=rungs).rev() {
            let passes = self.in_steps(self.shortest(rung, length));
            let paid = self.last(rungs, passes);
            let kept = made.last().map_or(most, |before| before.candidates / self.eta);
            made.push(Rung { candidates: paid.min(kept), passes });
        }
        made
    }
}

/// Candidates on each rung of a strategy that has so many: no more than the plan has, and a part of eta on each next rung.
pub fn counts(rungs: &[Rung], eta: u64, candidates: u64) -> Vec<usize> {
    let mut counts: Vec<u64> = Vec::new();
    for rung in rungs {
        let kept = counts.last().map_or(candidates, |before| before / eta);
        counts.push(rung.candidates.min(kept).max(1));
    }
    counts.into_iter().map(|count| count as usize).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Two experiences and two seeds; 40 steps of 16 images.
    const ASKED: Halving = Halving { budget: 0, eta: 3, rungs: None, trainings: 4, whole: 640, step: 16 };

    fn rungs(asked: Halving) -> Vec<(u64, u64)> {
        asked.plan().unwrap().into_iter().map(|rung| (rung.candidates, rung.passes)).collect()
    }

    fn spent(asked: &Halving) -> u64 {
        asked.plan().unwrap().iter().map(|rung| rung.candidates * rung.passes * asked.trainings).sum()
    }

    /// One whole training of a candidate is 4 x 640 = 2560 passes. Four of them: two rungs of 5120, in which 2 train 640
    /// passes. A third is 213, or six steps of two batches; 5120 / (4 x 192) = 6.7 train so long.
    #[test]
    fn a_rung_has_its_part_of_the_budget() {
        let four = Halving { budget: 4 * 2560, ..ASKED };
        assert_eq!(rungs(four), [(6, 192), (2, 640)]);
        assert_eq!(spent(&four), 6 * 192 * 4 + 2 * 2560);
        // A ninth of 640 is 71, less than ten steps of 16: no third rung, however much there is.
        let much = Halving { budget: 20 * 2560, ..ASKED };
        assert_eq!(rungs(much), [(33, 192), (10, 640)]);
        // Of a longer training there are three: 2 x 3 x 3 = 18, 6 and 2, with 711 and 2133 in steps of 32.
        let long = Halving { whole: 6400, budget: 6 * 25600, ..ASKED };
        assert_eq!(rungs(long), [(18, 704), (6, 2112), (2, 6400)]);
        // What is too little for another last candidate is spent where it is enough: 64000 / (4 x 704) = 22.7.
        let more = Halving { budget: 15 * 12800, ..long };
        assert_eq!(rungs(more), [(22, 704), (7, 2112), (2, 6400)]);
    }

    /// 2 rungs x 2 candidates x 4 trainings of r passes in the budget.
    #[test]
    fn a_small_budget_trains_shorter_and_the_least_is_told() {
        let small = Halving { budget: 16 * 520, ..ASKED };
        assert_eq!(rungs(small), [(6, 160), (2, 512)]);
        // Ten steps of 16 images on the first rung: 480 on the last.
        let least = Halving { budget: 16 * 480, ..ASKED };
        assert_eq!(rungs(least), [(6, 160), (2, 480)]);
        let message = Halving { budget: 16 * 480 - 1, ..ASKED }.plan().unwrap_err();
        assert!(message.starts_with("--budget 7679: expected at least 7680, "), "{message}");
        assert!(Halving { budget: 0, ..ASKED }.plan().is_err());
        // A configuration of two steps is as short as it is.
        let short = Halving { whole: 32, budget: 16 * 32, ..ASKED };
        assert_eq!(rungs(short), [(6, 10), (2, 32)]);
        let message = Halving { budget: 16 * 32 - 1, ..short }.plan().unwrap_err();
        assert!(message.contains("at least 512,"), "{message}");
    }

    #[test]
    fn rungs_and_eta_can_be_asked_for() {
        let one = Halving { rungs: Some(1), budget: 5 * 2560, ..ASKED };
        assert_eq!(rungs(one), [(5, 640)]);
        let halved = Halving { eta: 2, rungs: Some(3), budget: 6 * 2560, ..ASKED };
        assert_eq!(rungs(halved), [(8, 160), (4, 320), (2, 640)]);
        for (wrong, told) in [
            (Halving { eta: 1, ..ASKED }, "--eta 1: expected at least 2"),
            (Halving { rungs: Some(0), ..ASKED }, "--rungs 0: expected 1 to 8"),
            (Halving { rungs: Some(9), ..ASKED }, "--rungs 9: expected 1 to 8"),
        ] {
            assert_eq!(wrong.plan(), Err(told.to_owned()));
        }
        // 3^6 = 729.
        let message = Halving { rungs: Some(7), budget: u64::MAX, ..ASKED }.plan().unwrap_err();
        assert!(message.starts_with("--rungs 7: the configuration trains 640 passes"), "{message}");
    }

    /// However the numbers are, a plan costs no more than its budget, and keeps two candidates to the end.
    #[test]
    fn no_plan_costs_more_than_its_budget() {
        let mut planned = 0;
        for eta in [2, 3, 4, 7] {
            for rungs in [None, Some(1), Some(2), Some(3), Some(5)] {
                for whole in [1, 5, 16, 100, 640, 9999] {
                    for budget in [100, 1000, 12_345, 1_000_000, u64::MAX] {
                        let asked = Halving { budget, eta, rungs, whole, ..ASKED };
                        let Ok(plan) = asked.plan() else { continue };
                        let cost: u128 =
                            plan.iter().map(|r| u128::from(r.candidates) * u128::from(r.passes) * 4).sum();
                        assert!(cost <= u128::from(budget), "{asked:?}: {plan:?}");
                        let kept = plan.windows(2).all(|two| two[1].candidates * eta <= two[0].candidates);
                        assert!(kept && plan.last().unwrap().candidates >= 2, "{asked:?}: {plan:?}");
                        let most = 1000.max(2 * plan.last().unwrap().passes / plan[0].passes.max(1) * eta);
                        assert!(plan.iter().all(|rung| rung.passes >= 1 && rung.candidates <= most));
                        planned += 1;
                    }
                }
            }
        }
        assert!(planned > 250, "{planned}");
    }

    #[test]
    fn a_strategy_of_few_candidates_keeps_parts_of_these() {
        let plan = Halving { whole: 6400, budget: 6 * 25600, ..ASKED }.plan().unwrap();
        assert_eq!(counts(&plan, 3, 18), [18, 6, 2]);
        assert_eq!(counts(&plan, 3, 400), [18, 6, 2]);
        assert_eq!(counts(&plan, 3, 5), [5, 1, 1]);
        assert_eq!(counts(&plan, 3, 1), [1, 1, 1]);
    }
}
