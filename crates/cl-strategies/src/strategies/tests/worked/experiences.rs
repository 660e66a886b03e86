//! Penalties along given paths, over three experiences.

use burn_flex::Flex;

use super::{assert_all_near, end, pull};
use crate::{
    L2, L2Config, Restore, Rwalk, RwalkConfig, Si, SiConfig, State, Strategy,
    test_support::{B, Fixture, Line, gradients, lines},
};

/// One experience: from `w`, each step with a gradient and a change of the parameters; where it ends.
fn walk(
    strategy: &mut dyn Strategy<B, Line<B>>,
    fixture: &Fixture,
    w: &[f32],
    steps: &[[[f32; 2]; 2]],
) -> Vec<f32> {
    let mut w = w.to_vec();
    strategy.before_experience(&fixture.boundary(&lines(&w))).unwrap();
    for [g, change] in steps {
        let model = lines(&w);
        let batch = fixture.batch(&model);
        strategy.gradients(&fixture.step(&model, &batch), gradients(&model, g)).unwrap();
        w.iter_mut().zip(change).for_each(|(w, change)| *w += change);
        strategy.after_step(&lines(&w)).unwrap();
    }
    end(strategy, fixture, &w);
    w
}

/// The pull at a distance of 1 and of 2.
fn pulls(strategy: &mut dyn Strategy<B, Line<B>>, fixture: &Fixture, end: &[f32]) -> Vec<f64> {
    pull(strategy, fixture, &[end[0] + 1.0, end[1] + 2.0])
}

/// Omega is the sum over experiences of max(omega, 0) / (Delta^2 + xi); the anchor is the last end.
#[test]
fn synaptic_intelligence_over_three_experiences() {
    let fixture = Fixture::new();
    let mut si = Si::<Flex>::new(SiConfig { c: 0.3, xi: 0.25 }).unwrap();
    // omega = 2 * 0.5 and 1 * 1; Delta^2 = 0.25 and 1.
    let w = walk(&mut si, &fixture, &[1.0, 1.0], &[[[2.0, 1.0], [-0.5, -1.0]]]);
    assert_all_near(&pulls(&mut si, &fixture, &w), &[0.6 * 2.0, 0.6 * 0.8 * 2.0], "the first");
    // omega = 1 * 0.4 + 2 * 0.1 and -1 * 0.5 < 0; Delta^2 = 0.25 and 0.25.
    let steps = [[[-1.0, 1.0], [0.4, 0.5]], [[-2.0, 0.0], [0.1, 0.0]]];
    let w = walk(&mut si, &fixture, &w, &steps);
    assert_all_near(&pulls(&mut si, &fixture, &w), &[0.6 * 3.2, 0.6 * 0.8 * 2.0], "the second");
    // omega = 0 and 3 * 0.5; Delta^2 = 0 and 0.25.
    let w = walk(&mut si, &fixture, &w, &[[[4.0, 3.0], [0.0, -0.5]]]);
    assert_all_near(&pulls(&mut si, &fixture, &w), &[0.6 * 3.2, 0.6 * 3.8 * 2.0], "the third");
}

/// Worked out by hand, alpha weighing the new Fisher information as in facebookresearch/agem; see each line.
#[test]
fn riemannian_walk_over_three_experiences() {
    let fixture = Fixture::new();
    let config = RwalkConfig { lambda: 0.5, alpha: 0.25, update_every: 2, epsilon: 1.0 };
    let mut rwalk = Rwalk::<Flex>::new(config).unwrap();
    // F = mean(4, 16), mean(1, 1) = (10, 1). Saved (3, 2), way (-1, -2): score 3 / (5 + 1), 2 / (2 + 1) = (1/2, 2/3).
    // Scaled: F (1, 0.1), score (3/4, 1).
    let steps = [[[2.0, 1.0], [-0.5, -1.0]], [[4.0, 1.0], [-0.5, -1.0]]];
    let w = walk(&mut rwalk, &fixture, &[1.0, 1.0], &steps);
    assert_all_near(&pulls(&mut rwalk, &fixture, &w), &[1.75, 2.0 * 1.1], "the first");
    // Saved (0.4, -0.1), way (-0.4, -0.3), F of before: score 0.4 / (0.8 + 1) and 0. F = 3/4 (10, 1) + 1/4 (1, 5) =
    // (7.75, 2). The average score ((1/2 + 2/9) / 2, (2/3 + 0) / 2) = (13/36, 12/36). Scaled: F (1, 2 / 7.75), score (1, 12/13).
    let steps = [[[1.0, 3.0], [-0.1, 0.2]], [[1.0, 1.0], [-0.3, -0.5]]];
    let w = walk(&mut rwalk, &fixture, &w, &steps);
    assert_all_near(&pulls(&mut rwalk, &fixture, &w), &[2.0, 2.0 * 1.181_141_44], "the second");
    // Two steps: saved (2, 2), way (-1, -1): score 2 / (3.875 + 1), 2 / (1 + 1). F = 3/4 (7.75, 2) + 1/4 (2, 2) =
    // (6.3125, 2). A last one: saved (0.5, 0.5), way (-0.5, -0.5): 0.5 / (0.789 + 1), 0.5 / (0.25 + 1) more.
    // F = 3/4 (6.3125, 2) + 1/4 (1, 1) = (4.984, 1.75). The average score ((0.361 + 0.690) / 2, (0.333 + 1.4) / 2) =
    // (0.525, 0.867). Scaled: F (1, 0.351), score (0.606, 1).
    let steps = [[[2.0, 0.0], [-1.0, 0.0]], [[0.0, 2.0], [0.0, -1.0]], [[1.0, 1.0], [-0.5, -0.5]]];
    let w = walk(&mut rwalk, &fixture, &w, &steps);
    assert_all_near(&pulls(&mut rwalk, &fixture, &w), &[1.606_255_868, 2.0 * 1.351_097_18], "the third");
}

/// A state has the score as it is averaged. One of before, where it was scaled first, is refused and says why.
#[test]
fn a_state_whose_past_score_was_scaled_is_refused() {
    let fixture = Fixture::new();
    let new = || Rwalk::<Flex>::new(RwalkConfig { epsilon: 1.0, ..RwalkConfig::default() }).unwrap();
    let (mut rwalk, steps) = (new(), [[[2.0, 1.0], [-0.5, -1.0]]]);
    let w = walk(&mut rwalk, &fixture, &[1.0, 1.0], &steps);
    let mut state = State::default();
    Strategy::<B, Line<B>>::save(&rwalk, &mut state);
    let model = lines(&w);
    let context = Restore {
        model: &model,
        training: &fixture.training,
        data: &fixture.experience.train,
        device: &Default::default(),
    };
    let mut old = state.clone();
    // Saved (1, 1), way (-0.5, -1), F (4, 1): 1 / (1/2 + 1) and 1 / (1/2 + 1).
    let score: Vec<f64> = state.tensors["past_raw_score"].iter::<f64>().collect();
    assert_all_near(&score, &[2.0 / 3.0, 2.0 / 3.0], "the score");
    let mut restored = new();
    restored.restore(&mut state, &context).unwrap();
    state.finish().unwrap();
    let steps = [[[1.0, 3.0], [-0.1, 0.2]]];
    let (end, other) = (walk(&mut rwalk, &fixture, &w, &steps), walk(&mut restored, &fixture, &w, &steps));
    assert_eq!(pulls(&mut restored, &fixture, &other), pulls(&mut rwalk, &fixture, &end));
    let score = old.tensors.remove("past_raw_score").unwrap();
    old.tensors.insert("past_score".into(), score);
    let refused = new().restore(&mut old, &context).unwrap_err().to_string();
    assert!(refused.contains("`past_score`, but an earlier version scaled it"), "{refused}");
}

#[test]
fn l2_pulls_to_the_last_end() {
    let fixture = Fixture::new();
    let mut l2 = L2::<Flex>::new(L2Config { lambda: 0.3 }).unwrap();
    for w in [[1.0, 2.0], [-1.0, 0.5], [0.2, 0.1]] {
        end(&mut l2, &fixture, &w);
        assert_all_near(&pulls(&mut l2, &fixture, &w), &[0.3, 0.6], "L2");
    }
}
