//! Schedulers of diffusers: which are read, what is kept, and what samplers make of them.

use proptest::prelude::*;

use super::*;
use crate::sampler::{Ancestral, Ddim, DpmSolver, Heun};

fn read(text: &str) -> Result<SchedulerConfig, CoreError> {
    SchedulerConfig::of_fields(serde_json::from_str(text).unwrap())
}

fn again(config: &SchedulerConfig) -> SchedulerConfig {
    read(&config.to_json().to_string()).unwrap()
}

#[test]
fn schedulers_of_other_processes_are_refused_by_their_class() {
    for class in [
        "EDMDPMSolverMultistepScheduler",
        "FlowMatchHeunDiscreteScheduler",
        "IPNDMScheduler",
        "LCMScheduler",
        "TCDScheduler",
        "RePaintScheduler",
        "MyScheduler",
        "",
    ] {
        let message = read(&json!({ "_class_name": class }).to_string()).unwrap_err().to_string();
        assert!(message.contains(&format!("`_class_name` is \"{class}\"")), "{message}");
        assert!(message.contains("not supported"), "{message}");
    }
    for (text, key) in [
        (r#"{"_class_name": ["DDPMScheduler"]}"#, "`_class_name` is [\"DDPMScheduler\"]"),
        (
            r#"{"_class_name": "UniPCMultistepScheduler", "use_flow_sigmas": true}"#,
            "`use_flow_sigmas` is true",
        ),
        (r#"{"_class_name": "EulerDiscreteScheduler", "timestep_type": "continuous"}"#, "`timestep_type`"),
    ] {
        let message = read(text).unwrap_err().to_string();
        assert!(message.contains(key), "{message}");
    }
}

/// The defaults are those of diffusers 0.42.1.
#[test]
fn keys_that_are_absent_have_the_defaults_of_their_class() {
    let of = |class: &str| read(&json!({ "_class_name": class }).to_string()).unwrap();
    assert_eq!(read("{}").unwrap().own_fields(), SchedulerConfig::default().own_fields());
    assert!(!of("PNDMScheduler").set_alpha_to_one && of("DDIMScheduler").set_alpha_to_one);
    let heun = of("HeunDiscreteScheduler");
    assert_eq!((heun.beta_start, heun.beta_end, heun.clip_sample), (0.00085, 0.012, false));
    assert_eq!(of("EulerDiscreteScheduler").timestep_spacing, Spacing::Linspace);
    let solver = of("DPMSolverMultistepScheduler");
    assert_eq!((solver.variance_type.as_deref(), solver.timestep_spacing), (None, Spacing::Linspace));
    // Solvers are written with no variance at all.
    assert_eq!(solver.process().unwrap().variance, Variance::FixedSmall);
}

#[test]
fn a_source_is_written_as_it_was_read() {
    for source in [
        json!({ "_class_name": "PNDMScheduler", "skip_prk_steps": true, "steps_offset": 1, "beta_schedule": "scaled_linear" }),
        json!({ "_class_name": "DDIMScheduler", "clip_sample_range": 1.5, "set_alpha_to_one": false, "timestep_spacing": "trailing", "rescale_betas_zero_snr": true, "prediction_type": "v_prediction" }),
        json!({ "_class_name": "DPMSolverMultistepScheduler", "variance_type": null, "algorithm_type": "sde-dpmsolver++", "use_karras_sigmas": true }),
        json!({ "_class_name": "DPMSolverMultistepScheduler", "lambda_min_clipped": "-Infinity", "num_train_timesteps": 50 }),
        json!({ "_class_name": "DDPMScheduler", "thresholding": true, "sample_max_value": 4.0, "variance_type": "fixed_small_log", "mine": [1, 2] }),
    ] {
        let config = read(&source.to_string()).unwrap();
        let mut written = config.to_json();
        written.as_object_mut().unwrap().remove("_diffusers_version");
        assert_eq!(written, source);
        let again = again(&config);
        assert_eq!(again.own_fields(), config.own_fields());
        assert_eq!((again.class.as_str(), again.threshold()), (config.class.as_str(), config.threshold()));
    }
}

/// A directory that a run writes draws, here and in diffusers, as the run drew.
#[test]
fn a_sampler_survives_its_scheduler() {
    let process = ProcessConfig { timesteps: 30, ..ProcessConfig::default() };
    let dynamic = Threshold::Dynamic { ratio: 0.9, max: None };
    let samplers = [
        (
            SamplerConfig::of(Ddim {
                steps: 7,
                spacing: Spacing::Trailing,
                threshold: Threshold::None,
                ..Ddim::default()
            }),
            "DDIMScheduler",
            "DDIMPipeline",
        ),
        (
            SamplerConfig::of(Ddim {
                steps: 7,
                steps_offset: 1,
                to_x_0: false,
                threshold: Threshold::ClipTo(2.5),
                ..Ddim::default()
            }),
            "DDIMScheduler",
            "DDIMPipeline",
        ),
        (
            SamplerConfig::of(Ancestral {
                steps: Some(7),
                spacing: Spacing::Linspace,
                threshold: dynamic,
                ..Ancestral::default()
            }),
            "DDPMScheduler",
            "DDPMPipeline",
        ),
        (
            SamplerConfig::of(DpmSolver { steps: 7, threshold: dynamic, ..DpmSolver::default() }),
            "DPMSolverMultistepScheduler",
            "DDPMPipeline",
        ),
        (
            SamplerConfig::of(Heun {
                steps: 7,
                spacing: Spacing::Leading,
                threshold: Threshold::Clip,
                ..Heun::default()
            }),
            "HeunDiscreteScheduler",
            "DDIMPipeline",
        ),
    ];
    for (sampler, class, pipeline) in samplers {
        let scheduler = again(&SchedulerConfig::of(&process).sampled_by(&sampler));
        assert_eq!((scheduler.class.as_str(), scheduler.pipeline()), (class, pipeline));
        assert_eq!(scheduler.process().unwrap(), process);
        let mut followed = SamplerConfig::named(sampler.name()).unwrap();
        followed.edit().follow(&scheduler, Some(7), 0.0);
        assert_eq!(followed, sampler);
    }
    let learned = ProcessConfig { variance: Variance::LearnedRange, ..process };
    let scheduler = SchedulerConfig::of(&learned).sampled_by(&SamplerConfig::of(Ddim::default()));
    assert_eq!(scheduler.class, "DDPMScheduler");
}

#[test]
fn clipping_has_any_range_above_zero() {
    let threshold = |text: &str| {
        let config = read(text).unwrap();
        config.process().map(|_| config.threshold()).map_err(|error| error.to_string())
    };
    assert_eq!(threshold(r#"{"clip_sample_range": 0.5}"#).unwrap(), Threshold::ClipTo(0.5));
    assert_eq!(threshold(r#"{"clip_sample_range": 1}"#).unwrap(), Threshold::Clip);
    assert_eq!(threshold(r#"{"clip_sample": false, "clip_sample_range": -1}"#).unwrap(), Threshold::None);
    for range in ["0", "-2.0", "-1e-9"] {
        let told = threshold(&format!(r#"{{"clip_sample_range": {range}}}"#)).unwrap_err();
        assert!(told.contains("`clip_sample_range`") && told.contains("above 0"), "{told}");
    }
}

#[test]
fn an_offset_is_less_than_the_number_of_timesteps() {
    let process = |timesteps: usize, offset: usize| {
        let text = json!({ "num_train_timesteps": timesteps, "steps_offset": offset });
        read(&text.to_string()).unwrap().process().map_err(|error| error.to_string())
    };
    assert_eq!(process(50, 49).unwrap().timesteps, 50);
    // Every timestep is visited, and the offset is kept for the file: the sampler refuses it before a run writes it.
    for (offset, fits) in [(49, true), (50, false)] {
        let sampler = SamplerConfig::of(Ancestral { steps_offset: offset, ..Ancestral::default() });
        assert_eq!(sampler.check(&process(50, 0).unwrap().build().unwrap()).is_ok(), fits);
    }
    for offset in [50, usize::MAX] {
        let message = process(50, offset).unwrap_err();
        assert!(
            message.starts_with(&format!("`steps_offset` is {offset}: expected less than 50")),
            "{message}"
        );
    }
}

#[test]
fn steps_that_nobody_asked_for_fit_the_process() {
    for (timesteps, offset) in [(2, 0), (10, 1), (20, 0), (49, 3), (1000, 1)] {
        for spacing in ["leading", "trailing", "linspace"] {
            let text = json!({ "num_train_timesteps": timesteps, "steps_offset": offset, "timestep_spacing": spacing });
            let scheduler = read(&text.to_string()).unwrap();
            let process = scheduler.process().unwrap().build().unwrap();
            for name in SamplerConfig::list().names() {
                let mut sampler = SamplerConfig::named(name).unwrap();
                sampler.edit().follow(&scheduler, None, 0.0);
                assert!(
                    sampler.check(&process).is_ok(),
                    "{name}, {spacing}, {timesteps} and {offset}: {sampler:?}"
                );
                let most = if name == "ancestral" { timesteps } else { 100 };
                assert!(sampler.evaluations(timesteps) <= most, "{sampler:?}");
            }
        }
    }
}

proptest! {
    /// Any finite number and any count, of any class, written as Python reads it and read again.
    #[test]
    fn any_scheduler_is_read_back(
        class in prop::sample::select(CLASSES.iter().map(|class| class.name).collect::<Vec<_>>()),
        (counts, whole) in any::<([usize; 2], bool)>(),
        numbers in any::<[f64; 5]>(),
        betas in prop::option::of(prop::collection::vec(any::<f64>(), 0..4)),
        unknown in "\\PC{0,12}",
    ) {
        let config = SchedulerConfig {
            num_train_timesteps: counts[0],
            steps_offset: counts[1],
            beta_start: numbers[0],
            beta_end: numbers[1],
            clip_sample_range: numbers[2],
            dynamic_thresholding_ratio: numbers[3],
            sample_max_value: numbers[4],
            trained_betas: betas,
            clip_sample: whole,
            thresholding: !whole,
            source: Map::from_iter([("mine".to_owned(), json!({ "word": unknown }))]),
            ..Class::named(class).unwrap().default_config()
        };
        let read = again(&config);
        prop_assert_eq!(read.own_fields(), config.own_fields());
        prop_assert_eq!((read.class.as_str(), &read.source["mine"]), (class, &config.source["mine"]));
        prop_assert_eq!(again(&read).to_json(), read.to_json());
    }
}
