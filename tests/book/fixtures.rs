//! Files that a reader of the book has, and a scratch directory has not: `<!-- book: needs NAME -->`.

use std::fs;

use image::{Rgb, RgbImage};

use crate::shell::Shell;

/// A pipeline that diffusers wrote.
const PIPELINE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../ddpm-core/tests/fixtures/pipeline");

/// Makes the files of a name; does nothing where they are already.
pub fn make(name: &str, shell: &Shell) {
    if shell.path(name).exists() {
        return;
    }
    match name {
        "pictures" => pictures(shell),
        "my-model" => copy_pipeline(shell),
        _ => panic!("no fixture is called {name}"),
    }
}

/// `pictures/CLASS/NN.png`: 40 pictures of each of four classes, of several sizes.
fn pictures(shell: &Shell) {
    for (class, name) in ["apples", "leaves", "plums", "lemons"].into_iter().enumerate() {
        let folder = shell.path("pictures").join(name);
        fs::create_dir_all(&folder).unwrap();
        for i in 0..40_u32 {
            let (size, at) = (24 + i % 3 * 4, 8 + i % 5);
            let colour = [[200, 30, 40], [40, 160, 60], [90, 40, 140], [230, 210, 60]][class];
            let picture = RgbImage::from_fn(size, size, |x, y| {
                let inside = x.abs_diff(at + 4).pow(2) + y.abs_diff(at + 2).pow(2) < 20 + i;
                Rgb(if inside { colour } else { [240, 240, 235] })
            });
            picture.save(folder.join(format!("{i:02}.png"))).unwrap();
        }
    }
}

fn copy_pipeline(shell: &Shell) {
    let copy = |from: &std::path::Path, to: &std::path::Path| {
        fs::create_dir_all(to).unwrap();
        for entry in fs::read_dir(from).unwrap().map(Result::unwrap).filter(|entry| entry.path().is_file()) {
            fs::copy(entry.path(), to.join(entry.file_name())).unwrap();
        }
    };
    let (from, to) = (std::path::Path::new(PIPELINE), shell.path("my-model"));
    copy(from, &to);
    for entry in fs::read_dir(from).unwrap().map(Result::unwrap).filter(|entry| entry.path().is_dir()) {
        copy(&entry.path(), &to.join(entry.file_name()));
    }
}
