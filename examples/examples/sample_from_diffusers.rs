//! Samples of a model that diffusers saved: `cargo run -p cldiff-examples --example sample_from_diffusers -- DIR [N]`.
//!
//! DIR is what `DDPMPipeline.save_pretrained` wrote; without it, the small pipeline of this project's tests. The samples
//! go into `samples.png`, one below the other.

use burn_flex::Flex;
use ddpm_core::{
    Conditioning, ImageSize,
    diffusers::load_diffusers,
    noise::{Key, Purpose},
    sampler::{self, Ddim, SampleRequest, SamplerOptions},
};
use image::GrayImage;

const FIXTURE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../crates/ddpm-core/tests/fixtures/pipeline");

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let dir = arguments.next().unwrap_or_else(|| FIXTURE.to_owned());
    let count: usize = arguments.next().map_or(Ok(4), |n| n.parse())?;

    let device = Default::default();
    let pretrained = load_diffusers::<Flex>(dir.as_ref(), &device)?;
    let process = pretrained.scheduler.process()?.build()?;
    let config = pretrained.unet.config();
    let ImageSize { height, width } = config.sample_size.ok_or("the configuration names no size")?;
    // The sampler has the scheduler's options: clipping, spacing, and what the last step aims at.
    let mut ddim = Ddim::default();
    ddim.follow(&pretrained.scheduler, Some(50), 0.0);
    let request = SampleRequest {
        count,
        batch: 16,
        shape: [config.in_channels, height, width],
        conditioning: config
            .num_class_embeds
            .map_or(Conditioning::None, |n| Conditioning::Classes((0..count).map(|i| i % n).collect())),
        key: Key::new(0, Purpose::named("samples")),
    };
    let mut tell = |p: sampler::Progress| {
        if p.done == p.total {
            println!("{} samples after {} evaluations", p.batch, p.total);
        }
    };
    let x_0 = sampler::draw(&ddim, &pretrained.unet, &process, &request, &device, &mut tell)?;

    // The mean over the channels is a grey picture of any model.
    let grey = x_0.mean_dim(1);
    let pixels: Vec<u8> = grey.into_data().iter::<f32>().map(|v| ((v + 1.0) * 127.5).round() as u8).collect();
    let picture = GrayImage::from_raw(width as u32, (height * count) as u32, pixels);
    picture.ok_or("samples of another size")?.save("samples.png")?;
    Ok(())
}
