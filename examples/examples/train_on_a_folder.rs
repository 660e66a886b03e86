//! A DDPM of one's own pictures with `ddpm-core` alone: trains on every PNG file of a folder and draws 16 samples.
//!
//! `cargo run -p cldiff-examples --example train_on_a_folder -- FOLDER [STEPS]` leaves `samples.png` and the weights in
//! `model/`, which diffusers loads too. Without arguments it trains on squares that it draws.

use burn::{
    optim::GradientsParams,
    tensor::{Tensor, TensorData},
};
use burn_autodiff::Autodiff;
use burn_flex::Flex;
use ddpm_core::{
    AdamW, AdamWConfig, Conditioning, Ema, NoisyBatch, Objective, ProcessConfig, UNet2DConfig,
    diffusers::{SchedulerConfig, save_diffusers},
    ema::EmaConfig,
    noise::{Key, Purpose},
    sampler::{self, Ddim, SampleRequest, SamplerConfig},
};
use image::{GrayImage, Luma, imageops};

type B = Autodiff<Flex>;
const SIZE: u32 = 16;
const BATCH: usize = 16;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let pictures = match arguments.next() {
        Some(folder) => read(&folder)?,
        None => (0..64_u32).map(|i| GrayImage::from_fn(SIZE, SIZE, |x, y| square(i, x, y))).collect(),
    };
    let steps: usize = arguments.next().map_or(Ok(40), |steps| steps.parse())?;

    let (device, key) = (Default::default(), Key::new(0, Purpose::named("folder")));
    let process = ProcessConfig::default();
    let diffusion = process.build()?;
    let mut unet = UNet2DConfig::small(SIZE as usize, 1, &[16, 32]).init::<B>(key, &device)?;
    let mut ema = Ema::new(EmaConfig { decay: 0.99, ..EmaConfig::default() }, &unet);
    let mut adam = AdamW::new(AdamWConfig::default());
    for step in 0..steps {
        let chosen = (0..BATCH).flat_map(|i| pictures[(step * BATCH + i) % pictures.len()].as_raw());
        let pixels = chosen.map(|&v| f32::from(v) / 127.5 - 1.0).collect();
        let x_0 =
            Tensor::from_data(TensorData::new(pixels, [BATCH, 1, SIZE as usize, SIZE as usize]), &device);
        let batch = NoisyBatch::draw(&diffusion, x_0, None, key.step(step));
        let loss = Objective::default().loss(&unet, &batch, &diffusion);
        if step % 10 == 0 {
            println!("step {step}: loss {:.4}", loss.clone().into_scalar());
        }
        let gradients = GradientsParams::from_grads(loss.backward(), &unet);
        unet = adam.step::<B, _>(unet, gradients, 1e-3, Some(1.0), &mut ema);
    }

    let average = ema.averaged(&unet);
    let scheduler = SchedulerConfig::of(&process).sampled_by(&SamplerConfig::of(Ddim::default()));
    save_diffusers(&average, &scheduler, "model".as_ref())?;
    let shape = [1, SIZE as usize, SIZE as usize];
    let request = SampleRequest { count: 16, batch: 16, shape, conditioning: Conditioning::None, key };
    let x_0 = sampler::draw(&Ddim::default(), &average, &diffusion, &request, &device, &mut |_| {})?;
    let pixels: Vec<u8> = x_0.into_data().iter::<f32>().map(|v| ((v + 1.0) * 127.5).round() as u8).collect();
    GrayImage::from_raw(SIZE, 16 * SIZE, pixels).ok_or("samples of another size")?.save("samples.png")?;
    Ok(())
}

fn read(folder: &str) -> Result<Vec<GrayImage>, Box<dyn std::error::Error>> {
    let mut pictures = Vec::new();
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        if !path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("png")) {
            continue;
        }
        let picture = image::open(path)?.to_luma8();
        pictures.push(imageops::resize(&picture, SIZE, SIZE, imageops::FilterType::Triangle));
    }
    if pictures.is_empty() { Err(format!("{folder} has no PNG file").into()) } else { Ok(pictures) }
}

fn square(i: u32, x: u32, y: u32) -> Luma<u8> {
    Luma([if x.abs_diff(4 + i % 8) < 3 && y.abs_diff(4 + i / 8) < 3 { 255 } else { 0 }])
}
