//! The passes of images through networks in a training, counted by what they are for. A strategy that sends images through a
//! network reports them to the counter of its [`Step`](crate::Step) or [`Boundary`](crate::Boundary).
//!
//! A pass is the forward pass of one image; the backward pass behind it does not count for itself. A budget of passes makes
//! the compute of strategies equal by these numbers.

use std::cell::Cell;

use serde::{Deserialize, Serialize};

/// The purpose of a pass.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pass {
    /// The loss of the model in training: current, stored and generated images.
    Training,
    /// The targets of a frozen teacher, or predictions that are stored.
    Teacher,
    /// The drawing of images from a model of the past, a pass for each image and denoiser evaluation.
    Generator,
    /// The classifier that guides a generator: its training, and its gradients while images are drawn.
    Classifier,
    /// The Fisher information of EWC and the like.
    Fisher,
    /// The sensitivity of the output of MAS.
    Sensitivity,
    /// Losses that a strategy measures to decide what to rehearse.
    Probe,
}

/// Passes by their purpose.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Passes {
    /// Of [`Pass::Training`].
    pub training: u64,
    /// Of [`Pass::Teacher`].
    pub teacher: u64,
    /// Of [`Pass::Generator`].
    pub generator: u64,
    /// Of [`Pass::Classifier`].
    pub classifier: u64,
    /// Of [`Pass::Fisher`].
    pub fisher: u64,
    /// Of [`Pass::Sensitivity`].
    pub sensitivity: u64,
    /// Of [`Pass::Probe`].
    pub probe: u64,
}

impl Passes {
    /// All of them.
    pub fn total(&self) -> u64 {
        let Self { training, teacher, generator, classifier, fisher, sensitivity, probe } = self;
        training + teacher + generator + classifier + fisher + sensitivity + probe
    }

    fn of(&mut self, purpose: Pass) -> &mut u64 {
        match purpose {
            Pass::Training => &mut self.training,
            Pass::Teacher => &mut self.teacher,
            Pass::Generator => &mut self.generator,
            Pass::Classifier => &mut self.classifier,
            Pass::Fisher => &mut self.fisher,
            Pass::Sensitivity => &mut self.sensitivity,
            Pass::Probe => &mut self.probe,
        }
    }
}

/// Counts the passes of a training.
#[derive(Debug, Default)]
pub struct PassCounter(Cell<Passes>);

impl PassCounter {
    /// A counter that goes on from some passes.
    pub fn at(passes: Passes) -> Self {
        Self(Cell::new(passes))
    }

    /// Reports that `images` images went through a network.
    pub fn add(&self, purpose: Pass, images: usize) {
        let mut passes = self.0.get();
        *passes.of(purpose) += images as u64;
        self.0.set(passes);
    }

    /// All passes so far.
    pub fn passes(&self) -> Passes {
        self.0.get()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_purpose_has_a_count_of_its_own_and_the_total_has_all() {
        let counter = PassCounter::at(Passes { probe: 1, ..Passes::default() });
        let purposes = [
            Pass::Training,
            Pass::Teacher,
            Pass::Generator,
            Pass::Classifier,
            Pass::Fisher,
            Pass::Sensitivity,
            Pass::Probe,
        ];
        purposes.iter().enumerate().for_each(|(i, purpose)| counter.add(*purpose, 10 * (i + 1)));
        let expected = Passes {
            training: 10,
            teacher: 20,
            generator: 30,
            classifier: 40,
            fisher: 50,
            sensitivity: 60,
            probe: 71,
        };
        assert_eq!((counter.passes(), expected.total()), (expected, 281));
    }
}
