//! Files that the authors of a data set publish, and where they can be had.
//!
//! Every file is pinned by its SHA-256: nothing is kept that the hash refuses, so that a wrong mirror costs a message. The
//! mirrors could not be tried where this was written, nor could all files be hashed: each data set's file says which of its
//! hashes were computed from the published files, and which are values that public projects state alike.

/// A file in the world.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RemoteFile {
    /// As it is called in the directory of the data set.
    pub name: String,
    /// Its size, where it is known.
    pub bytes: Option<u64>,
    /// Its SHA-256, in hexadecimal; or its first digits, where no more is published.
    pub sha256: String,
    /// Where it can be had, the first that answers.
    pub urls: Vec<String>,
    /// The members to take out, if the file is an archive.
    pub unpack: Option<Unpack>,
}

impl RemoteFile {
    /// Whether a file with this SHA-256 (in hexadecimal, lower case) is the one.
    pub fn has_hash(&self, sha256: &str) -> bool {
        !self.sha256.is_empty() && sha256.starts_with(&self.sha256)
    }
}

/// The files to take out of an archive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unpack {
    /// The form of the archive.
    pub archive: Archive,
    /// The files that are wanted, whatever directory of the archive they are in.
    pub members: Vec<String>,
}

/// The form of an archive.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Archive {
    /// A gzipped tar.
    TarGz,
    /// A zip.
    Zip,
}
