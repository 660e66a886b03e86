//! The manifests of `deploy/kubernetes/`: what they ask of the program is what it does. A schema checks their form
//! (`kubeconform deploy/kubernetes/*.yaml`, by hand); no cluster is needed for either.

#[path = "../common.rs"]
mod common;
mod yaml;

use std::{fs, path::Path};

use common::{Scratch, text};
use serde_json::{Value, json};

fn manifest(name: &str) -> Value {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../deploy/kubernetes").join(name);
    yaml::parse(&fs::read_to_string(path).unwrap())
}

fn words(value: &Value) -> Vec<&str> {
    value.as_array().unwrap().iter().map(|word| word.as_str().unwrap()).collect()
}

/// The benchmark of the manifests in a directory.
fn benchmark(scratch: &Scratch) -> String {
    let text = manifest("configuration.yaml")["data"]["benchmark.toml"].as_str().unwrap().to_owned();
    scratch.write("benchmark.toml", &text);
    "benchmark.toml".to_owned()
}

#[test]
fn the_job_has_a_pod_for_each_cell() {
    let scratch = Scratch::new();
    let config = benchmark(&scratch);
    let counted = scratch.cldiff(&["cells", &config, "--count"]);
    assert!(counted.status.success(), "{}", text(&counted.stderr));
    let spec = &manifest("cells.yaml")["spec"];
    assert_eq!(spec["completions"].to_string(), text(&counted.stdout).trim());
    assert_eq!(spec["completionMode"], "Indexed");
    assert!(spec["backoffLimitPerIndex"].as_u64().unwrap() > 0);
    // Without it the first failed index beyond the limit would end the whole job.
    assert_eq!(spec["maxFailedIndexes"], spec["completions"]);
    assert!(spec.get("backoffLimit").is_none(), "it would count the retries of all cells together");
}

/// The statuses of DESIGN: 2 never again, 130 always again, 1 and 137 a few times.
#[test]
fn the_exit_status_decides_about_a_retry() {
    let spec = &manifest("cells.yaml")["spec"];
    let rules = spec["podFailurePolicy"]["rules"].as_array().unwrap();
    let action = |status: u64| {
        let fits = |rule: &&Value| {
            let codes = &rule["onExitCodes"];
            let has = codes["values"].as_array().is_some_and(|values| values.contains(&json!(status)));
            match codes["operator"].as_str() {
                Some("In") => has,
                Some("NotIn") => !has,
                _ => false,
            }
        };
        rules.iter().find(fits).map_or("none", |rule| rule["action"].as_str().unwrap())
    };
    assert_eq!([2, 130, 143, 1, 137].map(action), ["FailIndex", "Ignore", "Ignore", "Count", "Count"]);
    let disrupted = rules.iter().find(|rule| rule["onPodConditions"].is_array()).unwrap();
    assert_eq!(disrupted["action"], "Ignore");
    assert_eq!(disrupted["onPodConditions"][0], json!({"type": "DisruptionTarget", "status": "True"}));
    let pod = &spec["template"]["spec"];
    // A pod failure policy holds for no other.
    assert_eq!(pod["restartPolicy"], "Never");
    for rule in rules.iter().filter(|rule| rule["onExitCodes"].is_object()) {
        let codes = &rule["onExitCodes"];
        // The container that prepares the run has the same.
        assert!(codes.get("containerName").is_none(), "{rule}");
        let values: Vec<u64> =
            codes["values"].as_array().unwrap().iter().map(|v| v.as_u64().unwrap()).collect();
        assert!(values.is_sorted() && (codes["operator"] == "NotIn" || !values.contains(&0)), "{rule}");
    }
}

/// The commands of the containers, in a directory in place of their volumes; on a benchmark of some seconds.
#[test]
fn the_commands_of_the_containers_make_the_run() {
    let scratch = Scratch::new();
    fs::create_dir(scratch.path("runs")).unwrap();
    let short = "name = 'short'\nseeds = [0]\n[data.glyphs]\nsize = 8\ntrain_per_class = 12\neval_per_class = 6\n\
                 [stream.class_incremental]\nexperiences = 2\n[training]\nsteps_per_experience = 2\nbatch_size = 4\n\
                 [evaluation]\nsamples_per_task = 10\nmetrics = ['fid']\nclassifier = { epochs = 1, min_steps = 5 }\n\
                 sampler = { ddim = { steps = 2 } }\nlikelihood = { images_per_task = 2 }\n\
                 [model]\nblock_out_channels = [8, 8]\nnorm_num_groups = 4\n[[strategy]]\nfinetune = {}\n";
    scratch.write("benchmark.toml", short);
    let (cells, merge) = (manifest("cells.yaml"), manifest("merge.yaml"));
    let pod = &cells["spec"]["template"]["spec"];
    let mounted = |word: &str| {
        let here = word.replace("/runs/", "runs/").replace("/config/", "");
        assert!(!here.starts_with('/'), "{word} is in no volume");
        here
    };
    let volumes: Vec<&Value> =
        pod["volumes"].as_array().unwrap().iter().map(|volume| &volume["name"]).collect();
    let steps = [
        &pod["initContainers"][0],
        &pod["containers"][0],
        &merge["spec"]["template"]["spec"]["containers"][0],
    ];
    for container in steps {
        for mount in container["volumeMounts"].as_array().unwrap() {
            assert!(volumes.contains(&&mount["name"]), "{mount}");
        }
        let arguments: Vec<String> = words(&container["args"]).into_iter().map(mounted).collect();
        let output = scratch.command().args(&arguments).env("JOB_COMPLETION_INDEX", "0").output().unwrap();
        assert!(output.status.success(), "{arguments:?}: {}", text(&output.stderr));
    }
    assert!(scratch.path("runs/glyphs/results.json").is_file());
    let claim = manifest("storage.yaml");
    assert_eq!(claim["metadata"]["name"], pod["volumes"][0]["persistentVolumeClaim"]["claimName"]);
    assert_eq!(claim["spec"]["accessModes"], json!(["ReadWriteMany"]));
    assert_eq!(manifest("configuration.yaml")["metadata"]["name"], pod["volumes"][1]["configMap"]["name"]);
}
