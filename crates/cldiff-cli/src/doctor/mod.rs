//! `cldiff doctor`: which backends can be used here, and whether they compute what the CPU computes; whether a training
//! can be interrupted here.

mod resume;

use cldiff_engine::{Backend, Difference, Engine, Probe, Rounding, cpu_features, open};
use serde_json::{Value, json};

use crate::{
    args::{BackendArg, DoctorArgs},
    failure::{Failure, backend_refusal},
    ui::width::say,
};

/// The state of one backend.
struct Finding {
    backend: &'static str,
    /// The device, or why there is none.
    device: Result<String, String>,
    /// From the reference; none where there is none, and for the reference itself.
    differences: Vec<Difference>,
}

/// Tries each backend, or the one that is named; or interrupts a training on one.
///
/// # Errors
/// [`Failure::Mistake`] if the named backend cannot be used; [`Failure::Other`] if a backend computes something else than the
/// CPU does.
pub fn doctor(args: &DoctorArgs) -> Result<(), Failure> {
    if args.resume {
        return resume::resume(args);
    }
    let wanted = args.backend.map(BackendArg::name).filter(|name| *name != Backend::AUTO);
    // Burn's reference on the CPU is the last of the list.
    let mut on_cpu = Backend::all().iter().rev().filter(|backend| !backend.is_gpu);
    let reference = on_cpu.find_map(|backend| open(backend.name, 0).ok());
    let reference = reference.map(|engine| probe(&*engine, Rounding::F32)).transpose()?;
    let chosen = Backend::all().iter().filter(|backend| wanted.is_none_or(|wanted| wanted == backend.name));
    let findings: Vec<Finding> =
        chosen.map(|backend| examine(backend, args.device, reference.as_ref())).collect::<Result<_, _>>()?;
    if args.json {
        println!("{:#}", Value::from(findings.iter().map(Finding::json).collect::<Vec<_>>()));
    } else {
        say(&format!("cldiff {} ({})", env!("CARGO_PKG_VERSION"), env!("CLDIFF_COMMIT")));
        say(&format!("processor: {}; {} threads", cpu_features().join(", "), rayon::current_num_threads()));
        findings.iter().for_each(Finding::print);
    }
    if let (Some(_), [Finding { device: Err(problem), .. }]) = (wanted, &findings[..]) {
        return Err(Failure::mistake(problem));
    }
    let wrong: Vec<&str> =
        findings.iter().filter(|found| !found.is_fine()).map(|found| found.backend).collect();
    if wrong.is_empty() {
        return Ok(());
    }
    Err(Failure::Other(anyhow::anyhow!("not what the CPU computes: {}", wrong.join(", "))))
}

fn examine(backend: &'static Backend, device: usize, reference: Option<&Probe>) -> Result<Finding, Failure> {
    // The CPU has one device.
    let (backend, on_cpu) = (backend.name, !backend.is_gpu);
    match open(backend, if on_cpu { 0 } else { device }) {
        Err(refusal) => {
            Ok(Finding { backend, device: Err(backend_refusal(&refusal)), differences: Vec::new() })
        }
        Ok(engine) => {
            let mut differences = Vec::new();
            for rounding in Rounding::ALL {
                // A CPU rounds as tensor cores do, but has none.
                let has = engine.check_precision(rounding.precision()).is_ok();
                if let Some(reference) = reference.filter(|_| has && (rounding == Rounding::F32 || !on_cpu)) {
                    differences.extend(probe(&*engine, rounding)?.differences(reference, rounding));
                }
            }
            Ok(Finding { backend, device: Ok(engine.device()), differences })
        }
    }
}

fn probe(engine: &dyn Engine, rounding: Rounding) -> Result<Probe, Failure> {
    engine.probe(rounding.precision()).map_err(|error| Failure::Other(error.into()))
}

impl Finding {
    fn is_fine(&self) -> bool {
        self.differences.iter().all(Difference::is_fine)
    }

    fn print(&self) {
        let device = match &self.device {
            Ok(device) => device.clone(),
            Err(problem) => format!("not here: {problem}"),
        };
        say(&format!("{:<8} {device}", self.backend));
        for difference in &self.differences {
            let Difference { rounding, what, value, tolerance } = difference;
            let verdict = if difference.is_fine() { "fine" } else { "WRONG" };
            let precision = rounding.name();
            say(&format!(
                "{:<8} {precision}, {what}: {value:.1e} of the {tolerance:.0e} allowed: {verdict}",
                ""
            ));
        }
    }

    fn json(&self) -> Value {
        let differences = self.differences.iter().map(|difference| {
            // JSON has no word for infinity.
            let value = difference.value.is_finite().then_some(difference.value);
            let precision = difference.rounding.name();
            json!({"precision": precision, "what": difference.what, "value": value, "tolerance": difference.tolerance})
        });
        json!({
            "backend": self.backend,
            "device": self.device.as_ref().ok(),
            "problem": self.device.as_ref().err(),
            "fine": self.device.is_ok() && self.is_fine(),
            "differences": differences.collect::<Vec<_>>(),
        })
    }
}
