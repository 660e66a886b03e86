//! Writes the seeds that are made by code: `cargo run -p fuzz-targets --example seeds -- fuzz/seeds`.

use std::{
    collections::BTreeMap,
    fs,
    io::{Cursor, Write},
    path::Path,
};

use flate2::{Compression, write::GzEncoder};
use fuzz_targets::NEXT;
use image::{DynamicImage, ImageFormat};
use npyz::WriterBuilder;
use safetensors::{Dtype, tensor::TensorView};
use sha2::{Digest, Sha256};
use zip::{ZipWriter, write::SimpleFileOptions};

type Outcome<T = ()> = Result<T, Box<dyn std::error::Error>>;

const RESULTS: &str = include_str!("results.json");

const MANIFEST: &str = r#"{"schema":1,"version":"0.1.0","commit":"0123456","config_sha256":"ab","data_sha256":{"train":"cd",
"eval":"ef"},"backend":"flex","device":"CPU","cpu_features":["avx2"],"seeds":[0,18446744073709551615],
"start":"2026-11-29T00:00:00Z","end":null,"sessions":[{"host":"here","process":7,"commit":"0123456","threads":2,
"start":"2026-11-29T00:00:00Z","end":null,"how":"killed"}],"results_sha256":null}"#;

const LEASE: &str = r#"{"schema":1,"host":"node7","process":12,"machine":"boot pid:[4026531836]","token":"12-1f-0","beat":7,
"every_seconds":10.0}"#;

const EVENTS: &str =
    "{\"event\":\"begun\",\"schema\":1}\n{\"event\":\"train\",\"task\":0,\"step\":1,\"loss\":null}\n";

const CONFIG: &[u8] = br#"{"_class_name":"UNet2DModel","sample_size":4,"in_channels":1,"out_channels":1,"layers_per_block":1,
"block_out_channels":[4],"down_block_types":["DownBlock2D"],"up_block_types":["UpBlock2D"],"norm_num_groups":2}"#;

fn main() -> Outcome {
    let out = std::env::args().nth(1).unwrap_or_else(|| "fuzz/seeds".into());
    let out = Path::new(&out);
    data(out)?;
    arrays(out)?;
    pickles(out)?;
    archives(out)?;
    models(out)?;
    weights(out)?;
    write(out, "manifest", "finished", MANIFEST.as_bytes())?;
    write(out, "cell", "failed", br#"{"schema":1,"state":"failed","reason":"the training diverged"}"#)?;
    write(out, "cell", "finished", &finished()?)?;
    write(out, "cells", "auto", &joined(None, &[b"\x07\x02auto", b"3"]))?;
    write(out, "cells", "listed", b"\x07\x011,0-3,6")?;
    write(out, "lease", "alive", LEASE.as_bytes())?;
    write(out, "events", "whole", EVENTS.as_bytes())?;
    write(out, "events", "torn", EVENTS.trim_end_matches("}\n").as_bytes())?;
    write(out, "config", "default", include_bytes!("../../../configs/smoke.toml"))?;
    write(out, "config", "small", b"[data.glyphs]\n[[strategy]]\nreplay = {}\nlabel = \"a.b\"\n")?;
    write(out, "results", "smoke", RESULTS.as_bytes())?;
    let escaped = RESULTS.replace("\"ring\"", "\"</script><script>alert(1)</script>\"");
    write(out, "results", "script", escaped.replace("\"finetune\"", "\"<b>'&\\\"\"").as_bytes())
}

fn write(out: &Path, target: &str, name: &str, bytes: &[u8]) -> Outcome {
    fs::create_dir_all(out.join(target))?;
    Ok(fs::write(out.join(target).join(name), bytes)?)
}

/// The two files of a cell that is finished.
fn finished() -> Outcome<Vec<u8>> {
    let results: serde_json::Value = serde_json::from_str(RESULTS)?;
    let result = results["cells"][0].to_string();
    let hash: String = Sha256::digest(&result).iter().map(|byte| format!("{byte:02x}")).collect();
    let status = format!(r#"{{"schema":1,"state":"finished","result_sha256":"{hash}"}}"#);
    Ok(joined(None, &[status.as_bytes(), result.as_bytes()]))
}

fn joined(choice: Option<u8>, files: &[&[u8]]) -> Vec<u8> {
    let mut bytes: Vec<u8> = choice.into_iter().collect();
    bytes.extend(files.join(NEXT));
    bytes
}

fn gzipped(bytes: &[u8]) -> Outcome<Vec<u8>> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(bytes)?;
    Ok(encoder.finish()?)
}

fn zipped(files: &[(&str, &[u8])]) -> Outcome<Vec<u8>> {
    let mut archive = ZipWriter::new(Cursor::new(Vec::new()));
    for (name, bytes) in files {
        archive.start_file(*name, SimpleFileOptions::default())?;
        archive.write_all(bytes)?;
    }
    Ok(archive.finish()?.into_inner())
}

fn npy<T: npyz::AutoSerialize + Copy>(shape: &[u64], values: &[T]) -> Outcome<Vec<u8>> {
    let mut bytes = Vec::new();
    let mut writer = npyz::WriteOptions::new().default_dtype().shape(shape).writer(&mut bytes).begin_nd()?;
    writer.extend(values.iter().copied())?;
    writer.finish()?;
    Ok(bytes)
}

fn tensors(tensors: &[(&str, Dtype, &[usize], &[u8])]) -> Outcome<Vec<u8>> {
    let mut views = BTreeMap::new();
    for (name, dtype, shape, bytes) in tensors {
        views.insert((*name).to_owned(), TensorView::new(*dtype, shape.to_vec(), bytes)?);
    }
    Ok(safetensors::serialize(views, None)?)
}

fn floats(values: &[f32]) -> Vec<u8> {
    values.iter().flat_map(|value| value.to_le_bytes()).collect()
}

fn data(out: &Path) -> Outcome {
    let big = |words: &[u32]| words.iter().flat_map(|word| word.to_be_bytes()).collect::<Vec<u8>>();
    let images = [big(&[0x0803, 2, 3, 3]), (0..18).collect()].concat();
    let labels = [big(&[0x0801, 2]), vec![0, 9]].concat();
    write(out, "idx", "plain", &joined(Some(0), &[&images, &labels]))?;
    write(out, "idx", "compressed", &joined(Some(0x31), &[&images, &labels]))?;
    write(out, "idx", "gzip", &joined(Some(2), &[&gzipped(&images)?, &gzipped(&labels)?]))?;

    let record: Vec<u8> = (0..3072).map(|i| (i % 251) as u8).collect();
    write(out, "cifar", "ten", &[&[0, 3][..], &record, &[9], &record].concat())?;
    write(out, "cifar", "hundred", &[&[1, 3, 42][..], &record].concat())?;

    let line = (0..64).map(|i| (i % 17).to_string()).collect::<Vec<_>>().join(",");
    write(out, "digits", "lines", format!("{line},7\n{line},0\n").as_bytes())?;

    let pixels: Vec<u8> = (0..96).collect();
    let array = npy(&[2, 3, 4, 4], &pixels)?;
    let classes = npy(&[2], &[0_i64, 1])?;
    write(out, "npy", "arrays", &joined(Some(0), &[&array, &classes]))?;
    write(
        out,
        "npy",
        "channels-last",
        &joined(Some(2), &[&npy(&[2, 4, 4, 3], &pixels)?, &npy(&[2], &[1_u8, 0])?]),
    )?;
    write(out, "npz", "arrays", &zipped(&[("images.npy", &array), ("labels.npy", &classes)])?)?;

    let labels: Vec<u8> = [0_i64, 1].iter().flat_map(|label| label.to_le_bytes()).collect();
    let set =
        tensors(&[("images", Dtype::U8, &[2, 3, 4, 4], &pixels), ("labels", Dtype::I64, &[2], &labels)])?;
    write(out, "safetensors", "set", &joined(Some(0), &[&set]))?;
    write(out, "metric", "images", &joined(Some(1), &[&set]))?;
    let features = floats(&[0.0, 1.0, 2.0, 0.5, 1.5, 3.0]);
    let features = tensors(&[("features", Dtype::F32, &[3, 2], &features)])?;
    write(out, "metric", "features", &joined(Some(1), &[&features]))?;
    let mu = npy(&[2], &[0.0_f64, 1.0])?;
    let sigma = npy(&[2, 2], &[1.0_f64, 0.1, 0.1, 2.0])?;
    write(
        out,
        "metric",
        "statistics",
        &joined(Some(0), &[&zipped(&[("mu.npy", &mu), ("sigma.npy", &sigma)])?]),
    )?;

    let picture = image::RgbImage::from_fn(9, 11, |x, y| image::Rgb([x as u8 * 20, y as u8 * 20, 77]));
    let picture = DynamicImage::from(picture);
    for (name, format) in [("png", ImageFormat::Png), ("jpeg", ImageFormat::Jpeg)] {
        let mut bytes = Cursor::new(Vec::new());
        picture.write_to(&mut bytes, format)?;
        for choice in [0, 0x11, 2] {
            write(out, "image", &format!("{name}-{choice}"), &joined(Some(choice), &[bytes.get_ref()]))?;
        }
    }
    Ok(())
}

/// Both splits under names that others use: labels with gaps and N x 1, rows with a single 1, floats, Keras' MNIST.
fn arrays(out: &Path) -> Outcome {
    let pixels: Vec<u8> = (0..96).collect();
    let images = npy(&[2, 3, 4, 4], &pixels)?;
    let gaps = npy(&[2, 1], &[5_i32, 9])?;
    write(out, "arrays", "gaps", &joined(Some(0), &[&images, &gaps, &images, &npy(&[2, 1], &[9_i32, 7])?]))?;
    let rows = npy(&[2, 3], &[0_u8, 0, 1, 1, 0, 0])?;
    write(out, "arrays", "rows", &joined(Some(2), &[&images, &rows, &images, &rows]))?;
    let floats: Vec<f32> = pixels.iter().map(|&pixel| f32::from(pixel) / 47.5 - 1.0).collect();
    let floats = npy(&[2, 4, 4, 3], &floats)?;
    let classes = npy(&[2], &[0_i64, 1])?;
    write(out, "arrays", "signed", &joined(Some(0x40 + 5), &[&floats, &classes]))?;
    let digits = npy(&[1, 28, 28], &(0..784).map(|i| (i % 256) as u8).collect::<Vec<_>>())?;
    let digit = npy(&[1], &[7_u8])?;
    write(out, "arrays", "keras", &joined(Some(0), &[&digits, &digit, &digits, &digit]))
}

/// The fixtures that Python wrote.
fn pickles(out: &Path) -> Outcome {
    let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("../data-streams/tests/fixtures/cifar");
    let batch = fs::read(fixtures.join("cifar10-python3-4"))?;
    let mut archive = tar::Builder::new(Vec::new());
    let mut header = tar::Header::new_gnu();
    header.set_size(batch.len() as u64);
    archive.append_data(&mut header, "cifar-10-batches-py/data_batch_1", &batch[..])?;
    write(out, "pickled_cifar", "archive", &joined(Some(2), &[&archive.into_inner()?]))?;
    for entry in fs::read_dir(fixtures)? {
        let path = entry?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let choice = u8::from(name.starts_with("cifar100"));
        write(out, "pickled_cifar", &name, &joined(Some(choice), &[&fs::read(&path)?]))?;
    }
    Ok(())
}

/// Shards with an index, a variant alone, a variant's shards, and two variants.
fn weights(out: &Path) -> Outcome {
    let numbers = floats(&[1.0, 2.0, 3.0]);
    let first = tensors(&[("conv_in.weight", Dtype::F32, &[3], &numbers)])?;
    let second = tensors(&[("conv_in.bias", Dtype::F16, &[6], &numbers)])?;
    let index = br#"{"weight_map":{"conv_in.weight":"diffusion_pytorch_model-00001-of-00002.safetensors",
"conv_in.bias":"diffusion_pytorch_model-00002-of-00002.safetensors"}}"#;
    for (name, choice) in
        [("shards", 1 + 32), ("variant", 8), ("shards-of-variant", 2 + 32), ("variants", 8 + 16)]
    {
        write(out, "weights", name, &joined(Some(choice), &[CONFIG, index, &first, &second]))?;
    }
    Ok(())
}

fn archives(out: &Path) -> Outcome {
    let mut whole = tar::Builder::new(Vec::new());
    for name in ["cifar/train.bin", "cifar/test.bin", "readme"] {
        let mut header = tar::Header::new_gnu();
        header.set_size(5);
        whole.append_data(&mut header, name, &b"bytes"[..])?;
    }
    let whole = whole.into_inner()?;
    // Paths that lead out, and links.
    let mut hostile = tar::Builder::new(Vec::new());
    for (name, kind) in [
        ("../../train.bin", tar::EntryType::Regular),
        ("/tmp/test.bin", tar::EntryType::Regular),
        ("train.bin", tar::EntryType::Symlink),
        ("../evil", tar::EntryType::Regular),
    ] {
        let mut header = tar::Header::new_gnu();
        header.as_mut_bytes()[..name.len()].copy_from_slice(name.as_bytes());
        header.set_entry_type(kind);
        header.set_size(0);
        if kind == tar::EntryType::Symlink {
            header.set_link_name("/etc/passwd")?;
        }
        header.set_cksum();
        hostile.append(&header, &b""[..])?;
    }
    let hostile = hostile.into_inner()?;
    write(out, "archive", "tar", &joined(Some(0), &[&whole]))?;
    write(out, "archive", "tar-hostile", &joined(Some(0), &[&hostile]))?;
    write(out, "archive", "tar-gz", &joined(Some(1), &[&gzipped(&whole)?]))?;
    let zip = zipped(&[("a/train.bin", b"one"), ("test.bin", b"two"), ("x", b"")])?;
    write(out, "archive", "zip", &joined(Some(2), &[&zip]))?;
    let zip = zipped(&[("../../train.bin", b"one"), ("/test.bin", b"two"), ("../evil", b"three")])?;
    write(out, "archive", "zip-hostile", &joined(Some(2), &[&zip]))
}

fn models(out: &Path) -> Outcome {
    let values = br#"{"position":{"experience":0,"steps":3,"taken":3,"skipped":[0,0]}}"#;
    let numbers = floats(&[1.0, 2.0, 3.0]);
    let state =
        tensors(&[("w", Dtype::F32, &[3], &numbers), ("b.images", Dtype::U8, &[1, 1, 1, 2], &[7, 8])])?;
    write(out, "checkpoint", "state", &joined(Some(0), &[values, &state]))?;
    let manifest = br#"{"schema":1,"files":{"values.json":{"bytes":1,"sha256":"00"}}}"#;
    write(out, "checkpoint", "manifest", &joined(Some(1), &[values, &state, manifest]))?;

    let scheduler = br#"{"_class_name":"DDPMScheduler","num_train_timesteps":10,"beta_schedule":"linear",
"beta_start":0.0001,"beta_end":0.02,"prediction_type":"epsilon","variance_type":"fixed_small","clip_sample":true}"#;
    let weights = tensors(&[("conv_in.weight", Dtype::F32, &[3], &numbers)])?;
    write(out, "diffusers", "network", &joined(None, &[CONFIG, scheduler, &weights]))
}
