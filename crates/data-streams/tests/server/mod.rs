//! A server on this machine that misbehaves as it is told to.

use std::{
    collections::{HashMap, VecDeque},
    io::{BufRead, BufReader, Write},
    net::{Shutdown, TcpListener, TcpStream},
    sync::{Arc, Mutex},
    thread,
    time::Duration,
};

/// The server's answer to a request.
#[derive(Debug, Clone)]
pub enum Act {
    /// Serves the bytes, or the range that is asked for.
    Serve(Vec<u8>),
    /// Serves all of the bytes, whatever range is asked for.
    IgnoreRange(Vec<u8>),
    /// Serves so many bytes of what is asked for under the length of all, and hangs up.
    Drop(Vec<u8>, usize),
    /// Serves without a length, and hangs up after so many bytes.
    Truncate(Vec<u8>, usize),
    /// Answers a range with another one.
    WrongRange(Vec<u8>),
    /// Serves so many bytes and then nothing, for so long.
    Stall(Vec<u8>, usize, Duration),
    /// Sends without end.
    Endless,
    /// A status and no more.
    Status(u16),
    /// Somewhere else.
    Redirect(String),
}

/// A request: its path, and the range that it asks for.
pub type Request = (String, Option<String>);

pub struct Server {
    address: String,
    acts: Arc<Mutex<HashMap<String, VecDeque<Act>>>>,
    requests: Arc<Mutex<Vec<Request>>>,
}

impl Server {
    pub fn new() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        let server = Self {
            address,
            acts: Arc::new(Mutex::new(HashMap::new())),
            requests: Arc::new(Mutex::new(Vec::new())),
        };
        let (acts, requests) = (Arc::clone(&server.acts), Arc::clone(&server.requests));
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (acts, requests) = (Arc::clone(&acts), Arc::clone(&requests));
                thread::spawn(move || answer(stream, &acts, &requests));
            }
        });
        server
    }

    /// Sets the answers to the requests for a path, one after another; the last repeats.
    pub fn on(&self, path: &str, acts: impl IntoIterator<Item = Act>) -> String {
        self.acts.lock().unwrap().insert(path.into(), acts.into_iter().collect());
        format!("{}{path}", self.address)
    }

    /// The ranges that were asked for at a path.
    pub fn asked(&self, path: &str) -> Vec<Option<String>> {
        let requests = self.requests.lock().unwrap();
        requests.iter().filter(|(asked, _)| asked == path).map(|(_, range)| range.clone()).collect()
    }
}

fn answer(stream: TcpStream, acts: &Mutex<HashMap<String, VecDeque<Act>>>, requests: &Mutex<Vec<Request>>) {
    let mut lines = BufReader::new(stream.try_clone().unwrap()).lines();
    let Some(Ok(first)) = lines.next() else { return };
    let path = first.split_whitespace().nth(1).unwrap_or_default().to_owned();
    let mut range = None;
    for line in lines.map_while(Result::ok).take_while(|line| !line.is_empty()) {
        if let Some((name, value)) = line.split_once(':')
            && name.eq_ignore_ascii_case("range")
        {
            range = Some(value.trim().to_owned());
        }
    }
    requests.lock().unwrap().push((path.clone(), range.clone()));
    let act = {
        let mut acts = acts.lock().unwrap();
        match acts.get_mut(&path) {
            None => Act::Status(404),
            Some(acts) if acts.len() > 1 => acts.pop_front().unwrap(),
            Some(acts) => acts[0].clone(),
        }
    };
    // A client that has gone away is none of our business.
    let _ = perform(stream, act, range.as_deref());
}

fn perform(mut stream: TcpStream, act: Act, range: Option<&str>) -> std::io::Result<()> {
    let start = range.and_then(|r| r.strip_prefix("bytes=")?.strip_suffix('-')?.parse::<usize>().ok());
    let part = |bytes: &[u8]| -> (String, Vec<u8>) {
        match start {
            Some(start) if start >= bytes.len() => ("416 Range Not Satisfiable\r\n".into(), Vec::new()),
            Some(start) => {
                let range = format!("bytes {start}-{}/{}", bytes.len() - 1, bytes.len());
                (format!("206 Partial Content\r\nContent-Range: {range}\r\n"), bytes[start..].to_vec())
            }
            None => ("200 OK\r\n".into(), bytes.to_vec()),
        }
    };
    let mut head = |head: String, length: Option<usize>| {
        let length = length.map_or(String::new(), |length| format!("Content-Length: {length}\r\n"));
        stream.write_all(format!("HTTP/1.1 {head}{length}Connection: close\r\n\r\n").as_bytes())
    };
    match act {
        Act::Serve(bytes) => {
            let (start, body) = part(&bytes);
            head(start, Some(body.len()))?;
            stream.write_all(&body)?;
        }
        Act::IgnoreRange(bytes) => {
            head("200 OK\r\n".into(), Some(bytes.len()))?;
            stream.write_all(&bytes)?;
        }
        Act::Drop(bytes, n) => {
            let (start, body) = part(&bytes);
            head(start, Some(body.len()))?;
            stream.write_all(&body[..n.min(body.len())])?;
        }
        Act::Truncate(bytes, n) => {
            let (start, body) = part(&bytes);
            head(start, None)?;
            stream.write_all(&body[..n.min(body.len())])?;
        }
        Act::WrongRange(bytes) => {
            head("206 Partial Content\r\nContent-Range: bytes 0-9/10\r\n".into(), Some(bytes.len()))?;
            stream.write_all(&bytes)?;
        }
        Act::Stall(bytes, n, pause) => {
            let (start, body) = part(&bytes);
            head(start, Some(body.len()))?;
            stream.write_all(&body[..n.min(body.len())])?;
            thread::sleep(pause);
        }
        Act::Endless => {
            head("200 OK\r\n".into(), None)?;
            loop {
                stream.write_all(&[7; 4096])?;
            }
        }
        Act::Status(status) => head(format!("{status} Told To\r\n"), Some(0))?,
        Act::Redirect(to) => head(format!("302 Found\r\nLocation: {to}\r\n"), Some(0))?,
    }
    stream.flush()?;
    stream.shutdown(Shutdown::Both)
}
