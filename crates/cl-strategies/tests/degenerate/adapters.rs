//! Options of low-rank adapters that have no effect before there is a past, and the effect that they have then.

use std::{collections::BTreeMap, ops::ControlFlow};

use burn::tensor::TensorData;
use burn_autodiff::Autodiff;
use burn_flex::Flex;
use cl_strategies::{Adapters, Lora, LoraConfig, OptimizerConfig, Start, Strategy, TrainerConfig};
use ddpm_core::{UNet2D, parameters::named_parameters};

use super::common::{options, stream, trainer};

type B = Autodiff<Flex>;
type Model = UNet2D<B>;
type Weights = BTreeMap<String, Vec<f32>>;

fn floats(data: TensorData) -> Vec<f32> {
    data.to_vec().unwrap()
}

/// After some experiences.
struct Learned {
    /// The weights that answer for the first task, the second and so on.
    tasks: Vec<Weights>,
    /// The numbers held.
    held: u64,
    /// Of all steps.
    losses: Vec<f64>,
}

fn learned_with(options: TrainerConfig, config: LoraConfig, experiences: usize) -> Learned {
    let stream = stream(5);
    let mut lora = Lora::<B>::new(config).unwrap();
    let mut trainer = trainer::<Flex>(options);
    let mut losses = Vec::new();
    for k in 0..experiences {
        let trained = trainer.train_experience(&mut lora, &stream, k, &mut |report| {
            losses.extend(report.loss);
            ControlFlow::Continue(())
        });
        trained.unwrap();
    }
    let average = trainer.average();
    let of_task = |task| {
        let model = Strategy::<B, Model>::model_for(&lora, task, &average).unwrap().unwrap();
        named_parameters(&model).into_iter().map(|(name, data)| (name, floats(data))).collect()
    };
    let tasks = (0..experiences).map(of_task).collect();
    Learned { tasks, held: Strategy::<B, Model>::memory(&lora).extra_parameters, losses }
}

fn learned(config: LoraConfig, experiences: usize) -> Learned {
    learned_with(options(), config, experiences)
}

fn is_class_embedding(name: &str) -> bool {
    name.starts_with("class_embedding.")
}

/// Whether a weight has an adapter: those of convolutions and attention, without biases.
fn is_adapted(name: &str) -> bool {
    let convolution = name.contains("conv") && !name.contains("norm");
    name.ends_with(".weight") && (convolution || name.contains(".to_"))
}

/// The numbers of a model's weights that have adapters.
fn adapted(weights: &Weights) -> u64 {
    weights.iter().filter(|(name, _)| is_adapted(name)).map(|(_, values)| values.len() as u64).sum()
}

/// The second experience has the first adapters, which nothing pulls; the third has the second ones.
#[test]
fn a_penalty_on_overlap_begins_with_the_second_adapters() {
    let config = |overlap_penalty, adapters| LoraConfig { overlap_penalty, adapters, ..Default::default() };
    for adapters in [Adapters::Selected, Adapters::Merged] {
        for (experiences, alike) in [(1, true), (2, true), (3, false)] {
            let without = learned(config(0.0, adapters), experiences).tasks;
            let with = learned(config(1e9, adapters), experiences).tasks;
            assert_eq!(with == without, alike, "{adapters:?} after {experiences}");
        }
    }
}

/// D of the second adapters, weighted by S of the first: `sum (S D)^2`.
#[test]
fn a_penalty_on_overlap_makes_it_smaller() {
    let optimizer = OptimizerConfig { learning_rate: 1e-2, ..OptimizerConfig::default() };
    let training = TrainerConfig { optimizer, ..options() };
    let overlap = |overlap_penalty| {
        let config = LoraConfig { rank: 1, alpha: 1.0, overlap_penalty, ..LoraConfig::default() };
        let tasks = learned_with(training, config, 3).tasks;
        let mut sum = 0.0;
        for (name, base) in tasks[0].iter().filter(|(name, _)| !is_class_embedding(name)) {
            for (i, base) in base.iter().enumerate() {
                let change = |task: &Weights| f64::from(task[name][i] - base);
                sum += (change(&tasks[1]) * change(&tasks[2])).powi(2);
            }
        }
        sum
    };
    let (without, with) = (overlap(0.0), overlap(1e9));
    assert!(without > 0.0 && with < 0.5 * without, "{with} and {without}");
}

/// A number for each weight that has an adapter, beside merged adapters, which take none.
#[test]
fn the_penalty_holds_the_sum_of_past_changes() {
    let config = LoraConfig { adapters: Adapters::Merged, overlap_penalty: 1.0, ..LoraConfig::default() };
    assert_eq!(learned(config, 1).held, 0);
    let Learned { tasks, held, .. } = learned(config, 3);
    assert_eq!(held, adapted(&tasks[0]));
    assert_eq!(learned(LoraConfig { overlap_penalty: 0.0, ..config }, 3).held, 0);
    // So does the choice of the larger change.
    let largest = LoraConfig { adapters: Adapters::Largest, overlap_penalty: 0.0, ..config };
    assert_eq!(learned(largest, 3).held, adapted(&tasks[0]));
}

/// The first adapters are the same whatever becomes of adapters later, and wherever later ones start.
#[test]
fn ways_to_go_on_differ_from_the_second_adapters_on() {
    let merged = LoraConfig { rank: 2, adapters: Adapters::Merged, ..LoraConfig::default() };
    for other in [
        LoraConfig { adapters: Adapters::Largest, ..merged },
        LoraConfig { adapters: Adapters::Continued, ..merged },
        LoraConfig { start: Start::Orthogonal, ..merged },
    ] {
        for (experiences, alike) in [(1, true), (2, true), (3, false)] {
            let (merged, other) = (learned(merged, experiences).tasks, learned(other, experiences).tasks);
            assert_eq!(merged == other, alike, "after {experiences}");
            assert!(other.iter().all(|task| task == &other[0]), "one model for all tasks");
        }
    }
}

/// The third experience's first step, the ninth of all, is at the weights that the second ended with.
#[test]
fn continued_adapters_go_on_from_where_they_were() {
    let config = |adapters| LoraConfig { rank: 2, adapters, ..LoraConfig::default() };
    let continued = learned(config(Adapters::Continued), 3);
    let merged = learned(config(Adapters::Merged), 3).losses;
    assert_eq!(continued.losses[..9], merged[..9]);
    assert_ne!(continued.losses[9], merged[9]);
    let one = learned(config(Adapters::Continued), 2).held;
    assert!(one > 0 && continued.held == one, "{one} and {}", continued.held);
}

/// A weight is never nearer to W_0 than after the task before.
#[test]
fn the_largest_changes_stay_in_the_weights() {
    let config = LoraConfig { rank: 2, adapters: Adapters::Largest, ..LoraConfig::default() };
    let after = |experiences| learned(config, experiences).tasks.remove(0);
    let (base, before, now) = (after(1), after(2), after(3));
    let (mut kept, mut replaced) = (0, 0);
    for (name, base) in base.iter().filter(|(name, _)| is_adapted(name)) {
        for (i, base) in base.iter().enumerate() {
            let (before, now) = (before[name][i] - base, now[name][i] - base);
            assert!(now.abs() >= before.abs() - 1e-6, "{name}: {now} after {before}");
            if (now - before).abs() < 1e-7 { kept += 1 } else { replaced += 1 }
        }
    }
    assert!(kept > 0 && replaced > 0, "{kept} kept and {replaced} replaced");
}

/// Rank 0: a token for each class, and nothing else that changes. Held for each later task: the table of ten classes.
#[test]
fn adapters_of_rank_0_are_class_embeddings() {
    let Learned { tasks, held, .. } = learned(LoraConfig { rank: 0, ..LoraConfig::default() }, 3);
    let mut table = 0;
    for (name, base) in &tasks[0] {
        for task in &tasks[1..] {
            assert_eq!(&task[name] == base, !is_class_embedding(name), "{name}");
        }
        if is_class_embedding(name) {
            table += base.len() as u64;
        }
    }
    assert_eq!(held, 2 * table);
}
