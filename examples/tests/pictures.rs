//! The examples that read and write pictures: pixels are rounded as the program rounds them, and other files are left alone.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Output},
};

use burn_flex::Flex;
use ddpm_core::{
    Conditioning,
    diffusers::load_diffusers,
    noise::{Key, Purpose},
    sampler::{self, Ddim, SampleRequest, SamplerOptions},
};
use image::GrayImage;

const FIXTURE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../crates/ddpm-core/tests/fixtures/pipeline");

/// An example, which Cargo builds beside the tests of its package, run in a directory.
fn run(example: &str, dir: &Path, arguments: &[&str]) -> Output {
    let this = std::env::current_exe().unwrap();
    let name = format!("{example}{}", std::env::consts::EXE_SUFFIX);
    let program: PathBuf = this.parent().unwrap().parent().unwrap().join("examples").join(name);
    Command::new(program).args(arguments).current_dir(dir).output().unwrap()
}

/// The pipeline of the tests has one channel, images of 8 x 8 pixels and classes.
#[test]
fn samples_are_rounded_to_8_bits() {
    let scratch = tempfile::tempdir().unwrap();
    let output = run("sample_from_diffusers", scratch.path(), &[FIXTURE, "2"]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let found = image::open(scratch.path().join("samples.png")).unwrap().to_luma8();

    let device = Default::default();
    let pretrained = load_diffusers::<Flex>(FIXTURE.as_ref(), &device).unwrap();
    let process = pretrained.scheduler.process().unwrap().build().unwrap();
    let mut ddim = Ddim::default();
    ddim.follow(&pretrained.scheduler, Some(50), 0.0);
    let request = SampleRequest {
        count: 2,
        batch: 16,
        shape: [1, 8, 8],
        conditioning: Conditioning::Classes(vec![0, 1]),
        key: Key::new(0, Purpose::named("samples")),
    };
    let x_0 = sampler::draw(&ddim, &pretrained.unet, &process, &request, &device, &mut |_| ()).unwrap();
    let values: Vec<f32> = x_0.into_data().iter::<f32>().collect();
    let rounded: Vec<u8> = values.iter().map(|v| ((v + 1.0) * 127.5).round() as u8).collect();
    assert_eq!((found.dimensions(), found.into_raw()), ((8, 16), rounded));
}

#[test]
fn a_folder_is_read_for_its_png_files() {
    let scratch = tempfile::tempdir().unwrap();
    let folder = scratch.path().join("pictures");
    fs::create_dir(&folder).unwrap();
    fs::write(folder.join("notes.txt"), "not a picture").unwrap();
    let train = || run("train_on_a_folder", scratch.path(), &["pictures", "1"]);
    let output = train();
    let message = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(!output.status.success() && message.contains("pictures has no PNG file"), "{message}");

    GrayImage::from_fn(20, 20, |x, y| image::Luma([(10 * x + y) as u8])).save(folder.join("a.PNG")).unwrap();
    let output = train();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(image::image_dimensions(scratch.path().join("samples.png")).unwrap(), (16, 16 * 16));
}
