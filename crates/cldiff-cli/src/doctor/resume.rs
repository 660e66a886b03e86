//! `cldiff doctor --resume`: whether a training that is interrupted and resumed on this machine, by way of this disk, comes
//! to what an uninterrupted one comes to.
//!
//! On a CPU to the last bit. A GPU adds numbers in another order each time, so that its differences have tolerances.

use std::{collections::BTreeMap, env, fs, ops::ControlFlow, path::Path};

use anyhow::Context;
use cl_strategies::{Checkpoints, State, durable::remove};
use cldiff_engine::{
    Backend, CellObserver, CellSpec, Engine, EngineError, Evaluation, MakeState, Moment, Phase, Reference,
    SaveModel, Tick, open,
};
use data_streams::Stream;
use serde_json::{Value, json};

use crate::{
    args::{BackendArg, DoctorArgs, SettingArgs},
    config::load,
    failure::Failure,
    ui::width::say,
};

/// A training of a few seconds with much to remember: stored images, a penalty, moments of the optimiser.
const CONFIG: &str = include_str!("resume.toml");

/// Where the training is interrupted: in words, and at which tick.
const MOMENTS: [(&str, Phase, usize, usize); 3] = [
    ("training on task 1, step 3", Phase::Train, 0, 3),
    ("training on task 2, step 1", Phase::Train, 1, 1),
    ("drawing samples after task 2", Phase::Sample, 1, 0),
];

/// The largest difference that is allowed on a GPU in a tensor of the state, as a part of its largest value. Adam takes steps
/// of one size whatever a gradient's is, so that the last digit of a small one shows.
const TENSORS_ON_A_GPU: f64 = 1e-2;
/// The same in a number of the evaluations, as a part of itself: few samples make metrics from it.
const NUMBERS_ON_A_GPU: f64 = 5e-2;

/// How far an interrupted training came from the uninterrupted one.
struct Found {
    moment: &'static str,
    tensors: Distance,
    numbers: Distance,
}

/// The quantity that differs most, and by how much.
#[derive(Debug, PartialEq)]
struct Distance {
    count: usize,
    largest: f64,
    tolerance: f64,
}

impl Distance {
    fn is_fine(&self) -> bool {
        self.count > 0 && self.largest <= self.tolerance
    }
}

impl Found {
    fn is_fine(&self) -> bool {
        self.tensors.is_fine() && self.numbers.is_fine()
    }
}

/// Interrupts and resumes a small training at three moments.
///
/// # Errors
/// [`Failure::Mistake`] if the backend cannot be used; [`Failure::Other`] if a resumed training comes to something else, or
/// the temporary directory cannot be written.
pub(super) fn resume(args: &DoctorArgs) -> Result<(), Failure> {
    let name = args.backend.map_or(Backend::AUTO, BackendArg::name);
    let engine = open(name, args.device).map_err(|error| Failure::of_backend(&error))?;
    let dir = env::temp_dir().join(format!("cldiff-doctor-{}", std::process::id()));
    let found = compare(&*engine, &dir);
    let removed = remove(&dir);
    let found = found?;
    removed.with_context(|| format!("cannot remove {}", dir.display()))?;
    tell(&*engine, &dir, &found, args.json);
    if found.iter().all(Found::is_fine) {
        return Ok(());
    }
    let problem = "a resumed training comes to something else than an uninterrupted one";
    Err(Failure::Other(anyhow::anyhow!("{}: {problem}", engine.backend())))
}

fn compare(engine: &dyn Engine, dir: &Path) -> Result<Vec<Found>, Failure> {
    remove(dir).and_then(|()| fs::create_dir_all(dir)).with_context(|| unwritable(dir))?;
    let file = dir.join("doctor.toml");
    fs::write(&file, CONFIG).with_context(|| unwritable(dir))?;
    let mut loaded = load(&SettingArgs::of_config(&file))?;
    let stream = loaded.stream(None).map_err(|error| loaded.data_mistake(&error))?;
    loaded.resolve(&stream)?;
    let evaluation = &loaded.config.evaluation;
    let reference = engine
        .prepare(&stream, evaluation, Default::default())
        .map_err(|error| Failure::Other(error.into()))?;
    let training =
        Training { engine, stream: &stream, reference: &reference, spec: &loaded.config.cells()[0] };
    let expected = training.whole(&dir.join("whole"), None)?;
    let on_gpu = Backend::named(engine.backend()).is_some_and(|backend| backend.is_gpu);
    let interrupted = |(i, moment): (usize, &(&'static str, Phase, usize, usize))| {
        let &(words, phase, experience, step) = moment;
        let found = training.whole(&dir.join(i.to_string()), Some((phase, experience, step)))?;
        Ok(differences(words, &found, &expected, on_gpu))
    };
    MOMENTS.iter().enumerate().map(interrupted).collect()
}

fn unwritable(dir: &Path) -> String {
    format!("the directory for temporary files cannot be written: {}", dir.display())
}

/// The end of a training: the tensors of its last state, which are f32 or u8, and what was measured.
struct End {
    tensors: BTreeMap<String, Vec<f32>>,
    measured: Value,
}

struct Training<'a> {
    engine: &'a dyn Engine,
    stream: &'a Stream,
    reference: &'a Reference,
    spec: &'a CellSpec,
}

impl Training<'_> {
    /// From the beginning to the end, with an interruption or without.
    fn whole(&self, dir: &Path, at: Option<(Phase, usize, usize)>) -> Result<End, Failure> {
        let states = Checkpoints::new(dir.to_owned(), 2);
        if at.is_some() {
            match self.session(&states, at) {
                Err(EngineError::Interrupted) => {}
                Ok(_) => return Err(Failure::Other(anyhow::anyhow!("the training was not interrupted"))),
                Err(error) => return Err(Failure::Other(error.into())),
            }
        }
        let measured = self.session(&states, None).map_err(|error| Failure::Other(error.into()))?;
        let state = newest(&states).map_err(|error| Failure::Other(error.into()))?;
        let tensors = state.context("no state was kept")?.tensors;
        let tensors = tensors.into_iter().map(|(name, data)| (name, data.iter::<f32>().collect())).collect();
        let measured = serde_json::to_value(measured).map_err(anyhow::Error::from)?;
        Ok(End { tensors, measured })
    }

    fn session(
        &self,
        states: &Checkpoints,
        stop: Option<(Phase, usize, usize)>,
    ) -> Result<Vec<Evaluation>, EngineError> {
        let state = newest(states)?;
        let mut watcher = Watcher { states, stop };
        let outcome = self.engine.run_cell(self.spec, self.stream, self.reference, state, &mut watcher)?;
        Ok(outcome.evaluations)
    }
}

/// The newest state, which must be whole.
fn newest(states: &Checkpoints) -> Result<Option<State>, EngineError> {
    let (state, damaged) = states.newest();
    damaged.into_iter().next().map_or(Ok(state), |error| Err(error.into()))
}

/// Keeps states on the disk, and stops the training at a tick.
struct Watcher<'a> {
    states: &'a Checkpoints,
    stop: Option<(Phase, usize, usize)>,
}

impl CellObserver for Watcher<'_> {
    fn tick(&mut self, tick: Tick) -> ControlFlow<()> {
        let is_at = |(phase, experience, step)| {
            tick.phase == phase && tick.experience == experience && tick.step >= step
        };
        if self.stop.is_some_and(is_at) { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    }

    fn resumed(&mut self, _: usize, _: usize) -> Result<(), EngineError> {
        Ok(())
    }

    fn state(&mut self, moment: Moment, make: &MakeState<'_>) -> Result<(), EngineError> {
        if moment != Moment::Step {
            self.states.save(&make()?)?;
        }
        Ok(())
    }

    fn evaluated(&mut self, _: &Evaluation, _: &SaveModel<'_>) -> Result<(), EngineError> {
        Ok(())
    }
}

fn differences(moment: &'static str, found: &End, expected: &End, on_gpu: bool) -> Found {
    let [of_tensors, of_numbers] = if on_gpu { [TENSORS_ON_A_GPU, NUMBERS_ON_A_GPU] } else { [0.0; 2] };
    let mut tensors = Distance { count: 0, largest: 0.0, tolerance: of_tensors };
    if found.tensors.keys().ne(expected.tensors.keys()) {
        tensors.largest = f64::INFINITY;
    }
    for (here, there) in found.tensors.values().zip(expected.tensors.values()) {
        (tensors.count, tensors.largest) = (tensors.count + 1, tensors.largest.max(relative(here, there)));
    }
    let mut numbers = Distance { count: 0, largest: 0.0, tolerance: of_numbers };
    walk(&found.measured, &expected.measured, &mut numbers);
    Found { moment, tensors, numbers }
}

/// The largest difference of two tensors as a part of the largest value; above zero if a bit differs.
fn relative(here: &[f32], there: &[f32]) -> f64 {
    if here.len() == there.len() && here.iter().zip(there).all(|(a, b)| a.to_bits() == b.to_bits()) {
        return 0.0;
    }
    let finite = |values: &[f32]| values.iter().all(|value| value.is_finite());
    if here.len() != there.len() || !finite(here) || !finite(there) {
        return f64::INFINITY;
    }
    let scale = there.iter().fold(1e-3_f32, |most, value| most.max(value.abs()));
    let apart = here.iter().zip(there).map(|(a, b)| f64::from((a - b).abs()));
    (apart.fold(0.0, f64::max) / f64::from(scale)).max(f64::MIN_POSITIVE)
}

/// Compares two values of JSON number by number; anything else must be equal.
fn walk(here: &Value, there: &Value, found: &mut Distance) {
    match (here, there) {
        (Value::Array(a), Value::Array(b)) if a.len() == b.len() => {
            a.iter().zip(b).for_each(|(a, b)| walk(a, b, found));
        }
        (Value::Object(a), Value::Object(b)) if a.keys().eq(b.keys()) => {
            a.iter().zip(b.values()).for_each(|((_, a), b)| walk(a, b, found));
        }
        (Value::Number(a), Value::Number(b)) => {
            let (a, b) = (a.as_f64().unwrap_or(f64::NAN), b.as_f64().unwrap_or(f64::NAN));
            let apart = if a == b { 0.0 } else { (a - b).abs() / b.abs().max(1e-6) };
            (found.count, found.largest) = (found.count + 1, found.largest.max(apart));
        }
        (a, b) if a == b => {}
        _ => found.largest = f64::INFINITY,
    }
}

fn tell(engine: &dyn Engine, dir: &Path, found: &[Found], as_json: bool) {
    if as_json {
        let of = |distance: &Distance| {
            // JSON has no word for infinity.
            let largest = distance.largest.is_finite().then_some(distance.largest);
            json!({"count": distance.count, "largest": largest, "tolerance": distance.tolerance})
        };
        let all = found.iter().map(|found| {
            BTreeMap::from([
                ("backend", json!(engine.backend())),
                ("interrupted", json!(found.moment)),
                ("tensors", of(&found.tensors)),
                ("numbers", of(&found.numbers)),
                ("fine", json!(found.is_fine())),
            ])
        });
        println!("{:#}", json!(all.collect::<Vec<_>>()));
        return;
    }
    say(&format!("{:<8} {}", engine.backend(), engine.device()));
    say(&format!("{:<8} states in {}", "", dir.display()));
    for found in found {
        say(&format!("{:<8} interrupted while {}:", "", found.moment));
        let verdict = |distance: &Distance| if distance.is_fine() { "fine" } else { "WRONG" };
        for (what, distance) in [("tensors", &found.tensors), ("numbers", &found.numbers)] {
            let Distance { count, largest, tolerance } = distance;
            let told = if *largest == 0.0 {
                "the same to the last bit".to_owned()
            } else {
                format!("{largest:.1e} apart, {tolerance:.0e} allowed")
            };
            say(&format!("{:<10} {count} {what}: {told}: {}", "", verdict(distance)));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn end(weight: f32, number: f64) -> End {
        let tensors = BTreeMap::from([("model.weight".to_owned(), vec![weight, 2.0])]);
        End { tensors, measured: json!([{"bpd": [number, null], "name": "fid"}]) }
    }

    #[test]
    fn one_bit_is_wrong_on_a_cpu_and_fine_on_a_gpu() {
        let expected = end(1.0, 3.0);
        let same = differences("", &end(1.0, 3.0), &expected, false);
        assert!(same.is_fine());
        assert_eq!((same.tensors.count, same.numbers.count), (1, 1));
        let near = [end(1.0 + f32::EPSILON, 3.0), end(1.0, 3.0 + 1e-12)];
        assert!(near.iter().all(|end| !differences("", end, &expected, false).is_fine()));
        assert!(near.iter().all(|end| differences("", end, &expected, true).is_fine()));
        let far = [end(1.1, 3.0), end(1.0, 3.3), end(f32::NAN, 3.0)];
        assert!(far.iter().all(|end| !differences("", end, &expected, true).is_fine()));
        // 0.1 of the largest value, 2.
        assert!((differences("", &far[0], &expected, true).tensors.largest - 0.05).abs() < 1e-6);
    }

    #[test]
    fn another_state_is_wrong_whatever_is_allowed() {
        let expected = end(1.0, 3.0);
        let mut other = end(1.0, 3.0);
        other.tensors.insert("buffer.images".into(), vec![1.0]);
        assert!(!differences("", &other, &expected, true).is_fine());
        let other = End { measured: json!([{"bpd": [3.0], "name": "fid"}]), ..end(1.0, 3.0) };
        assert!(!differences("", &other, &expected, true).is_fine());
        let nothing = End { tensors: BTreeMap::new(), measured: json!([]) };
        assert!(!differences("", &nothing, &nothing, true).is_fine());
    }
}
