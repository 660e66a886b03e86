//! Strategies, networks and features as configurations spell them: read, written, refused.

use cl_strategies::{ConditionOn, Setting, TrainerConfig};
use cldiff_engine::{
    EvaluationConfig, FeaturesConfig, ModelConfig, StrategySpec, StrategyTerm, evaluation_doubts,
};
use data_streams::{DomainIncremental, DomainLabels, Stream, StreamConfig, dataset::glyphs::GlyphsConfig};
use ddpm_core::{DiTConfig, ImageSize, UNet2DConfig, network::Fit};
use serde::{Deserialize, Serialize};

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct File {
    #[serde(default)]
    model: ModelConfig,
    #[serde(default)]
    features: FeaturesConfig,
    #[serde(default)]
    strategy: Vec<StrategySpec>,
}

fn read(text: &str) -> File {
    toml::from_str(text).unwrap()
}

fn refusal(text: &str) -> String {
    toml::from_str::<File>(text).unwrap_err().to_string()
}

#[test]
fn terms_are_applied_in_the_order_of_the_list() {
    let text = "[[strategy]]\newc = { lambda = 2.0 }\nlabel = \"x\"\nreplay = {}\n";
    let file = read(text);
    let strategy = &file.strategy[0];
    assert_eq!((strategy.name().as_str(), strategy.label().as_str()), ("replay+ewc", "x"));
    let written = toml::to_string(&file.strategy[0]).unwrap();
    assert!(
        written.starts_with("label = \"x\"\n") && written.find("[replay]") < written.find("[ewc]"),
        "{written}"
    );
    assert_eq!(toml::from_str::<StrategySpec>(&written).unwrap(), *strategy);
}

#[test]
fn every_strategy_is_read_from_its_name_alone() {
    for name in StrategyTerm::list().names() {
        let strategy = StrategySpec::named(name).unwrap_or_else(|| panic!("{name} has no defaults"));
        assert_eq!(strategy.name(), name);
        assert_eq!(read(&format!("[[strategy]]\n{name} = {{}}\n")).strategy[0], strategy);
    }
    assert_eq!(StrategySpec::named("rehearse"), None);
}

#[test]
fn mistakes_in_strategies_are_shown_at_their_line() {
    let unknown = refusal("[[strategy]]\nfinetune = {}\n\n[[strategy]]\nrehearse = {}\n");
    assert!(
        unknown.contains("line 5") && unknown.contains("unknown field `rehearse`, expected one of `label`")
    );
    let option = refusal("[[strategy]]\n[strategy.replay]\nrehearsal = 1.0\n");
    assert!(option.contains("line 3") && option.contains("unknown field `rehearsal`"), "{option}");
    let kind = refusal("[[strategy]]\nreplay = 3\n");
    assert!(kind.contains("line 2"), "{kind}");
}

#[test]
fn checks_name_the_term_and_its_key() {
    let strategy = &read("[[strategy]]\nreplay = { rehearsal_coefficient = -1.0 }\n").strategy[0];
    let (training, process) = (Default::default(), Default::default());
    let setting = Setting { training: &training, process: &process, stream: None };
    let error = strategy.check(&setting).unwrap_err().to_string();
    assert!(error.starts_with("`replay.rehearsal_coefficient` is -1.0: expected"), "{error}");
}

#[test]
fn a_model_is_the_keys_of_a_unet_or_the_table_of_another_network() {
    assert_eq!(read("").model, ModelConfig::default());
    let unet = read("[model]\nblock_out_channels = [8, 16]\nlayers_per_block = 1\n").model;
    let options = unet.get::<UNet2DConfig>().unwrap();
    assert_eq!((&options.block_out_channels[..], options.layers_per_block), (&[8, 16][..], 1));
    assert_eq!(unet.path(), None);
    let named = read("[model.unet2d]\nblock_out_channels = [8, 16]\nlayers_per_block = 1\n").model;
    assert_eq!(named, unet);
    // It is written as the keys themselves, as it was before there were other networks.
    let written = toml::to_string(&unet).unwrap();
    assert!(written.contains("block_out_channels = [8, 16]") && !written.contains("unet2d"), "{written}");
    assert_eq!(toml::from_str::<ModelConfig>(&written).unwrap(), unet);

    let dit = read("[model.dit]\npatch_size = 4\n").model;
    assert_eq!(dit.get::<DiTConfig>().unwrap().patch_size, 4);
    assert_eq!(dit.path(), Some("dit"));
    assert_eq!(toml::from_str::<ModelConfig>(&toml::to_string(&dit).unwrap()).unwrap(), dit);
}

#[test]
fn a_model_of_rectangles_has_two_numbers() {
    let size = |height, width| ImageSize { height, width };
    let unet = read("[model]\nsample_size = [8, 16]\nlayers_per_block = 1\n").model;
    assert_eq!(unet.get::<UNet2DConfig>().unwrap().sample_size, Some(size(8, 16)));
    let dit = read("[model.dit]\ninput_size = [12, 8]\npatch_size = 4\n").model;
    assert_eq!(dit.shape().size, Some(size(12, 8)));
    for (model, line) in [(&unet, "sample_size = [8, 16]\n"), (&dit, "input_size = [12, 8]\n")] {
        let written = toml::to_string(model).unwrap();
        assert!(written.contains(line), "{written}");
        assert_eq!(toml::from_str::<ModelConfig>(&written).unwrap(), *model);
    }
    // A square is one number, as it was before there were rectangles.
    let square = read("[model.dit]\ninput_size = [8, 8]\npatch_size = 4\n").model;
    assert_eq!(square, read("[model.dit]\ninput_size = 8\npatch_size = 4\n").model);
    assert!(toml::to_string(&square).unwrap().contains("input_size = 8\n"));
    // A configuration may repeat a setting that the data decide, and may not contradict it.
    let fit = Fit { channels: 1, size: size(8, 16), conditions: None, learned_variance: false };
    let mut model = unet.0.clone();
    model.edit().fit(&fit, &|key| key == "sample_size").unwrap();
    let wide = Fit { size: size(8, 32), ..fit };
    let told = model.edit().fit(&wide, &|key| key == "sample_size").unwrap_err().to_string();
    assert_eq!(told, "`sample_size` is [8, 16]: the data need [8, 32]; leave the key out");
}

#[test]
fn mistakes_in_a_model_are_shown_at_their_line() {
    for (text, line, words) in [
        ("[model]\nlayers = 1\n", "line 2", "unknown field `layers`"),
        ("[model]\nlayers_per_block = 1\nlayers = 1\n", "line 3", "unknown field `layers`"),
        ("[model]\nlayers_per_block = \"one\"\n", "line 2", "invalid type"),
        ("[model]\nlayers_per_block = 1\nsample_size = [8]\n", "line 3", "or [height, width]"),
        ("[model.dit]\npatch_size = 4\nwidth = 3\n", "line 3", "unknown field `width`"),
        ("[model.dti]\npatch_size = 4\n", "line 1", "unknown field `dti`"),
        ("[model.dit]\npatch_size = 4\n[model.unet2d]\n", "line 3", "found `unet2d` beside `dit`"),
        ("model = 3\n", "line 1", "a table"),
    ] {
        let found = refusal(text);
        assert!(found.contains(line) && found.contains(words), "{text:?}: {found}");
    }
}

#[test]
fn features_are_a_name_or_a_table() {
    assert_eq!(toml::to_string(&read("")).unwrap().lines().next(), Some("features = \"classifier\""));
    let inception = read("features = { inception = { weights = \"w.safetensors\" } }").features;
    assert_eq!(inception.name(), "inception");
    assert!(refusal("features = \"inception\"").contains("`inception` has options"));
    assert!(refusal("features = \"vgg\"").contains("expected one of `classifier`, `pixels`, `inception`"));
}

/// The warnings about an evaluation on a stream of ten classes.
fn doubts(samples_per_task: usize, condition_on: ConditionOn, stream: StreamConfig) -> Vec<(String, String)> {
    let data =
        GlyphsConfig { size: 8.into(), train_per_class: 2, eval_per_class: 1, ..GlyphsConfig::default() };
    let stream: Stream = stream.build(data.build().unwrap()).unwrap();
    let evaluation = EvaluationConfig { samples_per_task, ..EvaluationConfig::default() };
    let training = TrainerConfig { condition_on, ..TrainerConfig::default() };
    let found = evaluation_doubts(&evaluation, &training, &stream);
    found.into_iter().map(|misfit| (misfit.key, misfit.expected)).collect()
}

#[test]
fn fewer_samples_than_classes_are_told() {
    let told = |n| doubts(n, ConditionOn::Class, StreamConfig::default());
    assert_eq!(told(10), []);
    let [(key, of_all)] = &told(9)[..] else { panic!("{:?}", told(9)) };
    assert_eq!(key, "evaluation.samples_per_task");
    assert!(of_all.starts_with("fewer samples (9) than classes of all tasks together (10)"), "{of_all}");
    let joint = doubts(5, ConditionOn::Class, StreamConfig::of(data_streams::Joint {}));
    assert!(joint[0].1.starts_with("fewer samples (5) than classes of task 1 (10)"), "{joint:?}");
}

#[test]
fn classes_that_come_again_in_other_domains_are_told() {
    let domains = |labels| StreamConfig::of(DomainIncremental { labels, ..DomainIncremental::default() });
    let told = |condition_on, labels| doubts(30, condition_on, domains(labels));
    for condition_on in [ConditionOn::Class, ConditionOn::None] {
        let [(key, why)] = &told(condition_on, DomainLabels::Shared)[..] else { panic!("{condition_on:?}") };
        assert_eq!(key, "training.condition_on");
        assert!(why.contains("over all tasks only"), "{why}");
        assert_eq!(told(condition_on, DomainLabels::ByDomain), []);
    }
    assert_eq!(told(ConditionOn::Task, DomainLabels::Shared), []);
}
