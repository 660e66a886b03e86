//! Options of low-rank adapters that have no effect before there is a past, and the effect that they have then.

use std::{collections::BTreeMap, ops::ControlFlow};

use burn::tensor::TensorData;
use burn_autodiff::Autodiff;
use burn_flex::Flex;
use cl_strategies::{Adapters, Lora, LoraConfig, OptimizerConfig, Strategy, TrainerConfig};
use ddpm_core::{UNet2D, parameters::named_parameters};

use super::common::{options, stream, trainer};

type B = Autodiff<Flex>;
type Model = UNet2D<B>;
type Weights = BTreeMap<String, Vec<f32>>;

fn floats(data: TensorData) -> Vec<f32> {
    data.to_vec().unwrap()
}

/// The weights that answer for the first task, the second and so on after as many experiences, and the numbers held.
fn learned_with(options: TrainerConfig, config: LoraConfig, experiences: usize) -> (Vec<Weights>, u64) {
    let stream = stream(5);
    let mut lora = Lora::<B>::new(config).unwrap();
    let mut trainer = trainer::<Flex>(options);
    for k in 0..experiences {
        trainer.train_experience(&mut lora, &stream, k, &mut |_| ControlFlow::Continue(())).unwrap();
    }
    let average = trainer.average();
    let of_task = |task| {
        let model = Strategy::<B, Model>::model_for(&lora, task, &average).unwrap().unwrap();
        named_parameters(&model).into_iter().map(|(name, data)| (name, floats(data))).collect()
    };
    ((0..experiences).map(of_task).collect(), Strategy::<B, Model>::memory(&lora).extra_parameters)
}

fn learned(config: LoraConfig, experiences: usize) -> (Vec<Weights>, u64) {
    learned_with(options(), config, experiences)
}

fn is_class_embedding(name: &str) -> bool {
    name.starts_with("class_embedding.")
}

/// The numbers of a model's weights that have adapters: those of convolutions and attention, without biases.
fn adapted(weights: &Weights) -> u64 {
    let has = |name: &str| {
        let convolution = name.contains("conv") && !name.contains("norm");
        name.ends_with(".weight") && (convolution || name.contains(".to_"))
    };
    weights.iter().filter(|(name, _)| has(name)).map(|(_, values)| values.len() as u64).sum()
}

/// The second experience has the first adapters, which nothing pulls; the third has the second ones.
#[test]
fn a_penalty_on_overlap_begins_with_the_second_adapters() {
    let config = |overlap_penalty, adapters| LoraConfig { overlap_penalty, adapters, ..Default::default() };
    for adapters in [Adapters::Selected, Adapters::Merged] {
        for (experiences, alike) in [(1, true), (2, true), (3, false)] {
            let without = learned(config(0.0, adapters), experiences).0;
            let with = learned(config(1e9, adapters), experiences).0;
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
        let tasks = learned_with(training, config, 3).0;
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
    assert_eq!(learned(config, 1).1, 0);
    let (weights, held) = learned(config, 3);
    assert_eq!(held, adapted(&weights[0]));
    assert_eq!(learned(LoraConfig { overlap_penalty: 0.0, ..config }, 3).1, 0);
}

/// Rank 0: a token for each class, and nothing else that changes. Held for each later task: the table of ten classes.
#[test]
fn adapters_of_rank_0_are_class_embeddings() {
    let (tasks, held) = learned(LoraConfig { rank: 0, ..LoraConfig::default() }, 3);
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
