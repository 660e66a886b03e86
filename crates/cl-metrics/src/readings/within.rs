//! Curves within experiences: the way between two evaluations at the ends of tasks.
//!
//! A measurement after each task alone misses the stability gap (De Lange, van de Ven & Tuytelaars 2023, arXiv
//! 2205.13452): an old task that is lost in the first steps of a new one and regained later. Their measures, for either
//! direction of a metric:
//!
//! - min-ACC: the mean over old tasks of the worst value since right after the task;
//! - WC-ACC, the worst case: the last task's value, weighted 1/K, and min-ACC, weighted 1 - 1/K;
//! - the gap itself: how much worse an old task becomes, at its worst, while one new task is learned, relative to just
//!   before. The authors show it as curves; as a number per pair of tasks it is this project's.
//!
//! The average over all moments is the average anytime accuracy of Caccia et al. 2022 (arXiv 2203.10317), by the trapezoidal
//! rule. Values between two looks are not seen: the worst is that of the looks, and so a bound.

use crate::summary::Direction;

/// The curves of one loss or metric in one experience: `[j][point]`, for the tasks j that are seen, the experience's own
/// last. The first point is before the first step, the last after the last.
pub type Curves = Vec<Vec<Option<f64>>>;

/// The curves of one experience and their axis.
#[derive(Debug, Clone, Copy)]
pub struct TaskCurves<'a> {
    /// Steps done at each point, rising.
    pub steps: &'a [usize],
    /// The curves.
    pub curves: &'a Curves,
}

/// The next step after `done` at which a look ends a stretch of training, if the experience goes on beyond it: the next
/// multiple of `every`. At the end of the experience is the last look.
pub fn next_look(every: Option<usize>, done: usize) -> Option<usize> {
    let every = every.filter(|every| *every > 0)?;
    Some((done / every + 1) * every)
}

/// How an old task fared while a new one was learned. Positive is worse.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Gap {
    /// How much worse than before it became, at its worst; at least 0. None where a value is missing.
    pub gap: Option<f64>,
    /// How much better it is at the end than at that worst.
    pub recovered: Option<f64>,
}

/// The summary of the curves. None where a value on a task seen is missing.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct WithinSummary {
    /// The mean over the steps of the training of the mean over the tasks seen: the area under the curve.
    pub anytime_average: Option<f64>,
    /// The mean over old tasks of the worst value since right after the task; none without old tasks.
    pub worst: Option<f64>,
    /// WC-ACC.
    pub worst_case: Option<f64>,
    /// The mean of the gaps; none without old tasks.
    pub stability_gap: Option<f64>,
    /// The mean of the recovered parts.
    pub stability_gap_recovered: Option<f64>,
    /// `[k][j]` for j < k.
    pub gaps: Vec<Vec<Gap>>,
}

/// The summary of the curves of experiences 0 to K.
pub fn within_summary(experiences: &[TaskCurves<'_>], direction: Direction) -> WithinSummary {
    let gaps: Vec<Vec<Gap>> = experiences.iter().map(|of_k| gaps(of_k, direction)).collect();
    let over = |of: fn(&Gap) -> Option<f64>| all(gaps.iter().flatten().map(of));
    let worst = worst(experiences, direction);
    let last = experiences.last().and_then(|of_k| of_k.curves.last()?.last().copied().flatten());
    let share = 1.0 / experiences.len().max(1) as f64;
    WithinSummary {
        anytime_average: anytime_average(experiences),
        worst,
        worst_case: match experiences.len() {
            0 | 1 => last,
            _ => last.zip(worst).map(|(last, worst)| share * last + (1.0 - share) * worst),
        },
        stability_gap: over(|gap| gap.gap),
        stability_gap_recovered: over(|gap| gap.recovered),
        gaps,
    }
}

/// The mean, if all are there and there are any.
fn all(values: impl IntoIterator<Item = Option<f64>>) -> Option<f64> {
    let values: Vec<f64> = values.into_iter().collect::<Option<_>>()?;
    (!values.is_empty()).then(|| values.iter().sum::<f64>() / values.len() as f64)
}

fn anytime_average(experiences: &[TaskCurves<'_>]) -> Option<f64> {
    let (mut area, mut length) = (0.0, 0.0);
    for TaskCurves { steps, curves } in experiences {
        let at = |point: usize| all(curves.iter().map(|curve| curve.get(point).copied().flatten()));
        for (point, pair) in steps.windows(2).enumerate() {
            let width = (pair[1] - pair[0]) as f64;
            area += width * f64::midpoint(at(point)?, at(point + 1)?);
            length += width;
        }
    }
    (length > 0.0).then(|| area / length)
}

/// The mean over the tasks before the last of the worst of all values after the task's own experience. The first point of
/// the next experience is the value right after the task.
fn worst(experiences: &[TaskCurves<'_>], direction: Direction) -> Option<f64> {
    let of_task = |j: usize| {
        let later = experiences[j + 1..].iter().flat_map(|of_k| of_k.curves[j].iter().copied());
        later.reduce(|a, b| Some(worse(direction, a?, b?))).flatten()
    };
    all((0..experiences.len().saturating_sub(1)).map(of_task))
}

fn worse(direction: Direction, a: f64, b: f64) -> f64 {
    match direction {
        Direction::LowerIsBetter => a.max(b),
        Direction::HigherIsBetter => a.min(b),
    }
}

fn gaps(of_k: &TaskCurves<'_>, direction: Direction) -> Vec<Gap> {
    let old = of_k.curves.len().saturating_sub(1);
    of_k.curves[..old].iter().map(|curve| gap(curve, direction).unwrap_or_default()).collect()
}

fn gap(curve: &[Option<f64>], direction: Direction) -> Option<Gap> {
    let values: Vec<f64> = curve.iter().copied().collect::<Option<_>>()?;
    let (first, last) = (*values.first()?, *values.last()?);
    let lost = |value: f64| direction.gain(value, first);
    let gap = values.iter().map(|value| lost(*value)).fold(0.0, f64::max);
    Some(Gap { gap: Some(gap), recovered: Some(gap - lost(last)) })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn some(rows: &[&[f64]]) -> Curves {
        rows.iter().map(|row| row.iter().copied().map(Some).collect()).collect()
    }

    /// Task 0 goes from 9 to 3 while it is learned. While task 1 is learned it falls to 8 and comes back to 4; while task
    /// 2 is learned it gets better. Task 1 ends its own time at 2 and then only gets worse, to 5.
    #[test]
    fn a_hand_worked_case() {
        let steps = [0, 10, 20];
        let curves = [
            some(&[&[9.0, 5.0, 3.0]]),
            some(&[&[3.0, 8.0, 4.0], &[7.0, 3.0, 2.0]]),
            some(&[&[4.0, 3.0, 2.0], &[2.0, 3.0, 5.0], &[9.0, 4.0, 1.0]]),
        ];
        let experiences: Vec<_> = curves.iter().map(|curves| TaskCurves { steps: &steps, curves }).collect();
        let found = within_summary(&experiences, Direction::LowerIsBetter);
        let gaps: Vec<Vec<_>> = found
            .gaps
            .iter()
            .map(|row| row.iter().map(|g| (g.gap.unwrap(), g.recovered.unwrap())).collect())
            .collect();
        assert_eq!(gaps, [vec![], vec![(5.0, 4.0)], vec![(0.0, 2.0), (3.0, 0.0)]]);
        assert_eq!(found.stability_gap, Some(8.0 / 3.0));
        assert_eq!(found.stability_gap_recovered, Some(2.0));
        // The worst since right after: 8 of task 0, 5 of task 1; the last task ends at 1.
        assert_eq!(found.worst, Some(6.5));
        assert!((found.worst_case.unwrap() - (1.0 / 3.0 + 2.0 / 3.0 * 6.5)).abs() < 1e-12);
        // Areas by trapezoids of 10 steps. First: 70 + 40; second, of means 5, 5.5 and 3: 52.5 + 42.5; third, of means
        // 5, 10/3 and 8/3: 125/3 + 30.
        let area = 110.0 + 95.0 + 125.0 / 3.0 + 30.0;
        assert!((found.anytime_average.unwrap() - area / 60.0).abs() < 1e-12);
    }

    #[test]
    fn turned_round_it_says_the_same() {
        let (steps, low) = ([0, 5], [some(&[&[3.0, 1.0]]), some(&[&[1.0, 4.0], &[2.0, 0.5]])]);
        let high: Vec<Curves> = low
            .iter()
            .map(|rows| rows.iter().map(|row| row.iter().map(|v| v.map(|v| -v)).collect()).collect())
            .collect();
        let of = |curves: &[Curves], direction| {
            let all: Vec<_> = curves.iter().map(|curves| TaskCurves { steps: &steps, curves }).collect();
            within_summary(&all, direction)
        };
        let (a, b) = (of(&low, Direction::LowerIsBetter), of(&high, Direction::HigherIsBetter));
        assert_eq!((a.stability_gap, a.worst), (Some(3.0), Some(4.0)));
        assert_eq!((b.stability_gap, b.worst), (Some(3.0), Some(-4.0)));
        assert_eq!(a.gaps, b.gaps);
    }

    #[test]
    fn a_missing_value_is_not_left_out_of_a_mean() {
        let curves = [some(&[&[3.0, 1.0]]), vec![vec![Some(1.0), None], vec![Some(2.0), Some(0.5)]]];
        let experiences: Vec<_> = curves.iter().map(|curves| TaskCurves { steps: &[0, 5], curves }).collect();
        let found = within_summary(&experiences, Direction::LowerIsBetter);
        assert_eq!((found.worst, found.stability_gap, found.anytime_average), (None, None, None));
        // One task has no old ones: nothing could be lost.
        let one = within_summary(&experiences[..1], Direction::LowerIsBetter);
        assert_eq!((one.anytime_average, one.worst, one.stability_gap), (Some(2.0), None, None));
        assert_eq!(one.worst_case, Some(1.0));
        assert_eq!(within_summary(&[], Direction::LowerIsBetter), WithinSummary::default());
    }

    #[test]
    fn looks_are_at_multiples() {
        assert_eq!([0, 14, 15, 16, 31].map(|done| next_look(Some(15), done).unwrap()), [15, 15, 30, 30, 45]);
        assert_eq!((next_look(None, 3), next_look(Some(0), 3)), (None, None));
    }
}
