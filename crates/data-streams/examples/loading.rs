//! How long a data set of idx files takes to be ready, and how much memory: `cargo run -p data-streams --example loading
//! -- DIRECTORY`. Peak memory is that of the whole process, where Linux tells it.

use std::time::Instant;

use data_streams::{
    Augmentation, DataConfig, DataError, EpochOrder, Loader, Order, PixelFormat, Places, Prefetcher, Split,
    dataset::fashion_mnist::FashionMnistConfig,
};

fn main() -> Result<(), DataError> {
    let dir = std::env::args().nth(1).unwrap_or_else(|| ".".into());
    let before = peak();
    let started = Instant::now();
    let config = DataConfig::of(FashionMnistConfig { dir: Some(dir.into()), pad_to: None });
    let data = config.build_split(&Places::default(), Split::Train)?;
    let loaded = started.elapsed();
    let decoded = (data.len() * data.shape().len()) as f64 / 1e6;
    println!("{} images of {}: {:.3} s", data.len(), data.shape(), loaded.as_secs_f64());
    if let (Some(before), Some(after)) = (before, peak()) {
        println!(
            "peak memory: {after:.1} MB ({before:.1} MB before), {:.2} times the {decoded:.1} MB of pixels",
            after / decoded
        );
    }
    let loader = Loader {
        order: Order::Epochs(EpochOrder::new(0, 0, data.len())),
        data,
        batch_size: 64,
        augmentation: Augmentation { horizontal_flip: true, padding_crop: 2 },
        seed: 0,
        experience: 0,
        format: PixelFormat::F32,
    };
    let (batches, started) = (2000, Instant::now());
    for batch in Prefetcher::new(loader, 0..batches, 4)? {
        batch?;
    }
    println!("{:.0} images/s in batches", 64.0 * batches as f64 / started.elapsed().as_secs_f64());
    Ok(())
}

/// The most memory that the process ever had, in megabytes.
fn peak() -> Option<f64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find(|line| line.starts_with("VmHWM:"))?;
    line.split_whitespace().nth(1)?.parse::<f64>().ok().map(|kib| kib * 1024.0 / 1e6)
}
