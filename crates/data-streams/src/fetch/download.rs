//! One file, from whichever mirror can give it.

use std::{fs, path::Path, thread};

use ureq::Agent;

use super::{
    FetchEvent, FetchOptions,
    request::{Problem, agent, request},
    sha256,
};
use crate::{DataError, RemoteFile};

/// A mirror that sends at least this much is asked for the rest at once; one that drips is not.
const PROGRESS: u64 = 4096;

/// One mirror, and what is known of it.
struct Mirror<'a> {
    url: &'a str,
    /// The last message of the mirror.
    said: String,
    /// Whether it is worth asking again.
    hopeful: bool,
}

impl<'a> Mirror<'a> {
    fn new(url: &'a String) -> Self {
        Self { url, said: "not asked".into(), hopeful: true }
    }
}

/// Downloads a file to its name in `dir`.
pub(super) fn download(
    file: &RemoteFile,
    dir: &Path,
    options: &FetchOptions,
    tell: &mut dyn FnMut(FetchEvent),
) -> Result<(), DataError> {
    let part = dir.join(format!("{}.part", file.name));
    let agent = agent(options);

    let mut mirrors: Vec<Mirror> = file.urls.iter().map(Mirror::new).collect();
    for round in 0..options.rounds {
        if round > 0 {
            thread::sleep(options.backoff * 2_u32.pow(round - 1));
        }
        for mirror in mirrors.iter_mut().filter(|mirror| mirror.hopeful) {
            if ask(&agent, mirror, file, &part, tell)? {
                return place(&part, &dir.join(&file.name));
            }
        }
        if mirrors.iter().all(|mirror| !mirror.hopeful) {
            break;
        }
    }
    let mut said: Vec<String> =
        mirrors.iter().map(|mirror| format!("{}: {}", mirror.url, mirror.said)).collect();
    if size(&part) > 0 {
        said.push(format!("{} bytes are kept: the same command goes on from there", size(&part)));
    }
    Err(DataError::Fetch { file: file.name.clone(), said })
}

/// Asks one mirror for as long as it sends something; whether the whole file, with the right hash, is there then.
fn ask(
    agent: &Agent,
    mirror: &mut Mirror,
    file: &RemoteFile,
    part: &Path,
    tell: &mut dyn FnMut(FetchEvent),
) -> Result<bool, DataError> {
    loop {
        let before = size(part);
        let asked = FetchEvent::Asked {
            file: file.name.clone(),
            url: mirror.url.into(),
            have: before,
            total: file.bytes,
        };
        tell(asked);
        let again = match request(agent, mirror.url, part, file.bytes, tell) {
            Ok(()) => {
                let actual = sha256(part)?;
                if file.has_hash(&actual) {
                    return Ok(true);
                }
                mirror.said = format!("its file has the SHA-256 {actual}, expected {}", file.sha256);
                fs::remove_file(part).map_err(|source| DataError::Io { path: part.into(), source })?;
                // The part that was there before may have been damaged; a whole file from this mirror was not.
                mirror.hopeful = before > 0;
                before > 0
            }
            Err(Problem::Passing(said)) => {
                mirror.said = said;
                size(part) >= before + PROGRESS
            }
            Err(Problem::Lasting(said)) => {
                (mirror.said, mirror.hopeful) = (said, false);
                false
            }
            Err(Problem::Ours(error)) => return Err(error),
        };
        tell(FetchEvent::Trouble { url: mirror.url.into(), said: mirror.said.clone() });
        if !again {
            return Ok(false);
        }
    }
}

/// Gives the whole file its name, at once or not at all.
fn place(part: &Path, path: &Path) -> Result<(), DataError> {
    fs::rename(part, path).map_err(|source| DataError::Io { path: path.into(), source })
}

fn size(path: &Path) -> u64 {
    fs::metadata(path).map_or(0, |metadata| metadata.len())
}
