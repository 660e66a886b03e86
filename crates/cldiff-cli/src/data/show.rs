//! `cldiff data show`: counts, mean and standard deviation, and a grid with one row a class.

use std::path::{Path, PathBuf};

use data_streams::{
    DataConfig, DataError, ImageDataset, ImageSize, Split,
    dataset::image_folder::{Fit, ImageFolderConfig},
};

use super::{
    ShowArgs, SplitArg, names,
    statistics::{Statistics, statistics},
};
use crate::{
    config::{advised, places},
    failure::Failure,
    files::{grid, output::check_file},
    ui::{
        sheet::Sheet,
        width::{of_stdout, say},
    },
};

/// A larger grid would be no picture to look at.
const MOST_PIXELS: usize = 1 << 26;

pub(super) fn show(args: &ShowArgs) -> Result<(), Failure> {
    if args.columns == 0 {
        return Err(Failure::mistake("--columns 0: expected at least 1"));
    }
    if let Some(out) = &args.out {
        if out.extension().is_none_or(|extension| extension != "png") {
            return Err(Failure::mistake(format!("--out {}: expected FILE.png", out.display())));
        }
        check_file(out)?;
    }
    let (split, word) = match args.split {
        SplitArg::Train => (Split::Train, "train"),
        SplitArg::Test => (Split::Eval, "test"),
    };
    let data = load(args, split)?;
    let found = statistics(&data, word);
    let rows = args.out.as_ref().map(|out| draw(&data, args.columns, out)).transpose()?;
    if args.json {
        println!("{}", serde_json::to_string_pretty(&found).map_err(|e| Failure::Other(e.into()))?);
        return Ok(());
    }
    print(&found);
    if let (Some(out), Some(rows)) = (&args.out, rows) {
        let part = if rows == found.classes.len() {
            String::new()
        } else {
            format!(", of the first {rows} classes alone: all would be too large")
        };
        say(&format!("grid: {}{part}", out.display()));
    }
    Ok(())
}

fn load(args: &ShowArgs, split: Split) -> Result<ImageDataset, Failure> {
    let refuse = |option: &str| {
        Err(Failure::mistake(format!(
            "{option} does not go with {}: see cldiff data show --help",
            args.source
        )))
    };
    if let Some(config) = DataConfig::of_name(&args.source) {
        if args.size.is_some() {
            return refuse("--size");
        }
        if args.skip_broken.is_some() {
            return refuse("--skip-broken");
        }
        let places = places(args.data_dir.as_deref());
        return config.build_split(&places, split).map_err(|error| Failure::mistake(advised(&error)));
    }
    let dir = PathBuf::from(&args.source);
    match &args.data_dir {
        _ if !dir.is_dir() => Err(Failure::mistake(format!(
            "{}: no data set of that name, and no such directory; expected {} or a directory with one \
             directory of pictures a class",
            args.source,
            names()
        ))),
        Some(_) => refuse("--data-dir"),
        None => pictures(&dir, args, split),
    }
}

/// A directory of pictures: as they are, or cropped to a size.
fn pictures(dir: &Path, args: &ShowArgs, split: Split) -> Result<ImageDataset, Failure> {
    let size = args.size;
    let fit = if size.is_some() { Fit::Crop } else { Fit::Exact };
    let skip_broken = args.skip_broken.unwrap_or(0);
    let config = ImageFolderConfig { size, fit, skip_broken, ..ImageFolderConfig::default() };
    config.load_split(dir, split).map_err(|error| match (&error, size) {
        (DataError::Format { .. }, None) => {
            Failure::mistake(format!("{error}; here --size N (or HxW) crops all to one size"))
        }
        (DataError::Broken { broken, .. }, _) => {
            Failure::mistake(format!("{error}; --skip-broken {broken} leaves that many out"))
        }
        (DataError::Config { expected, .. }, Some(ImageSize { height, width })) => {
            let size = if height == width { height.to_string() } else { format!("{height}x{width}") };
            Failure::mistake(format!("--size {size}: {expected}"))
        }
        _ => Failure::mistake(error),
    })
}

/// Writes the grid, and says how many classes it has.
fn draw(data: &ImageDataset, columns: usize, out: &Path) -> Result<usize, Failure> {
    let shape = data.shape();
    let classes = data.class_names().len();
    let columns = columns.min(data.counts_per_class().into_iter().max().unwrap_or(1)).max(1);
    let row = (shape.height + 1) * (shape.width + 1) * columns;
    let shown = classes.min(MOST_PIXELS / row);
    if shown == 0 {
        return Err(Failure::mistake(format!("--columns {columns}: images of {shape} make too large a row")));
    }
    let rows: Vec<ImageDataset> = (0..shown).map(|class| data.of_classes(&[class]).take(columns)).collect();
    grid::save(&grid::draw(&rows, shown, columns, shape)?, out)?;
    Ok(shown)
}

fn print(found: &Statistics) {
    let [channels, height, width] = found.shape;
    say(&format!(
        "{}, {}: {} images of {channels}x{height}x{width} in {} classes",
        found.name,
        found.split,
        found.images,
        found.classes.len()
    ));
    let mut sheet = Sheet::new(["class", "name", "images"].map(str::to_owned), 2);
    for (i, class) in found.classes.iter().enumerate() {
        sheet.add(vec![i.to_string(), class.name.clone(), class.images.to_string()]);
    }
    println!("{}", sheet.render(of_stdout()));
    let joined = |values: &[f64]| values.iter().map(|v| format!("{v:.4}")).collect::<Vec<_>>().join(" ");
    say(&format!("mean {} (0 black, 1 white; channel by channel)", joined(&found.mean)));
    say(&format!("standard deviation {}", joined(&found.standard_deviation)));
}
