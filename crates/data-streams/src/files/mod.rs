//! Files as people have them: which files of a directory are read, a line about the others, and pictures that are whole
//! and upright.
//!
//! Folders of pictures, published data sets and the program's metrics all find their files here, so that a directory means
//! the same everywhere: hidden files are passed over, directories are entered, links are followed, and nothing is left out
//! without a word ([`LeftOut`]).

mod broken;
mod jpeg;
mod left_out;
mod picture;
mod pictures;
mod published;

pub use self::{
    broken::Broken,
    left_out::{LeftOut, Why},
    picture::{dimensions, open, read},
    pictures::{EXTENSIONS, Found, entries, pictures},
    published::{matching, one_of},
};
