//! One request to one mirror: what it sends is added to what is there.

use std::{
    fs::{File, OpenOptions},
    io::{Read, Write},
    path::Path,
};

use ureq::{Agent, http::StatusCode, http::header};

use super::{FetchEvent, FetchOptions};
use crate::DataError;

/// A file whose size is not known may not be larger than this.
const MOST_BYTES: u64 = 4 << 30;

/// Why a request did not end with the whole file.
#[derive(Debug)]
pub(super) enum Problem {
    /// Another try may help.
    Passing(String),
    /// This mirror will not have it.
    Lasting(String),
    /// It is no mirror's fault.
    Ours(DataError),
}

pub(super) fn agent(options: &FetchOptions) -> Agent {
    let mut config = Agent::config_builder()
        .timeout_connect(Some(options.connect))
        .timeout_resolve(Some(options.connect))
        .timeout_recv_response(Some(options.stall))
        .timeout_per_read(Some(options.stall))
        .max_redirects(8)
        .http_status_as_error(false)
        .user_agent(concat!("cldiff/", env!("CARGO_PKG_VERSION")));
    if !options.proxy {
        config = config.proxy(None);
    }
    config.build().into()
}

/// Asks for what is missing of `part`, and adds it. `total` is the size of the whole file, where it is known.
pub(super) fn request(
    agent: &Agent,
    url: &str,
    part: &Path,
    total: Option<u64>,
    tell: &mut dyn FnMut(FetchEvent),
) -> Result<(), Problem> {
    let ours = |source| Problem::Ours(DataError::Io { path: part.to_owned(), source });
    let mut file = OpenOptions::new().create(true).append(true).open(part).map_err(ours)?;
    let mut have = file.metadata().map_err(ours)?.len();
    if total.is_some_and(|total| have > total) {
        file.set_len(0).map_err(ours)?;
        have = 0;
    }
    if total == Some(have) {
        return Ok(());
    }
    let mut request = agent.get(url).header(header::ACCEPT_ENCODING, "identity");
    if have > 0 {
        request = request.header(header::RANGE, format!("bytes={have}-"));
    }
    let mut response = request.call().map_err(|e| Problem::Passing(e.to_string()))?;
    let field = |name| response.headers().get(name).and_then(|value| value.to_str().ok());
    match response.status() {
        StatusCode::PARTIAL_CONTENT => {
            let range = field(header::CONTENT_RANGE).unwrap_or_default().to_owned();
            if !range.starts_with(&format!("bytes {have}-")) {
                file.set_len(0).map_err(ours)?;
                return Err(Problem::Passing(format!("asked from byte {have} on, it sent \"{range}\"")));
            }
        }
        StatusCode::OK => {
            // All of it, whether that was asked for or not.
            file.set_len(0).map_err(ours)?;
            have = 0;
            let length = field(header::CONTENT_LENGTH).and_then(|length| length.parse::<u64>().ok());
            if let (Some(length), Some(total)) = (length, total)
                && length != total
            {
                return Err(Problem::Lasting(format!("its file has {length} bytes, expected {total}")));
            }
        }
        StatusCode::RANGE_NOT_SATISFIABLE => {
            file.set_len(0).map_err(ours)?;
            return Err(Problem::Passing(format!("it has nothing after byte {have}")));
        }
        status => return Err(refused(status)),
    }
    receive(&mut response.body_mut().as_reader(), &mut file, have, total, tell).map_err(|problem| {
        match problem {
            Receive::Theirs(problem) => problem,
            Receive::Ours(source) => ours(source),
        }
    })
}

enum Receive {
    Theirs(Problem),
    Ours(std::io::Error),
}

fn receive(
    body: &mut impl Read,
    file: &mut File,
    mut have: u64,
    total: Option<u64>,
    tell: &mut dyn FnMut(FetchEvent),
) -> Result<(), Receive> {
    let theirs = |problem| Err(Receive::Theirs(problem));
    let most = total.unwrap_or(MOST_BYTES);
    let mut buffer = vec![0; 1 << 16];
    loop {
        let n = match body.read(&mut buffer) {
            Ok(n) => n,
            Err(e) => return theirs(Problem::Passing(format!("after {have} bytes: {e}"))),
        };
        if n == 0 {
            break;
        }
        have += n as u64;
        if have > most {
            file.set_len(0).map_err(Receive::Ours)?;
            return theirs(Problem::Lasting(format!("it sent more than {most} bytes")));
        }
        file.write_all(&buffer[..n]).map_err(Receive::Ours)?;
        tell(FetchEvent::Received { have });
    }
    match total {
        Some(total) if have < total => {
            theirs(Problem::Passing(format!("it ended after {have} of {total} bytes")))
        }
        _ => file.sync_all().map_err(Receive::Ours),
    }
}

fn refused(status: StatusCode) -> Problem {
    let said = format!("status {status}");
    let passing = [StatusCode::REQUEST_TIMEOUT, StatusCode::TOO_EARLY, StatusCode::TOO_MANY_REQUESTS];
    if status.is_server_error() || passing.contains(&status) {
        Problem::Passing(said)
    } else {
        Problem::Lasting(said)
    }
}
