//! `cldiff weights fetch`: the published file, converted; the PyTorch file is not kept.

use std::{fs, path::Path};

use data_streams::{
    DataError, RemoteFile,
    fetch::{FetchEvent, FetchOptions},
};

use super::{convert::convert, published, tell};
use crate::{
    files::weights::kept,
    ui::{
        download::{DownloadArgs, Told},
        failure::Failure,
        width::say,
    },
};

pub(super) fn fetch(name: &str, download: &DownloadArgs) -> Result<(), Failure> {
    let Some(network) = published().iter().find(|network| network.features == name) else {
        let names: Vec<&str> = published().iter().map(|network| network.features).collect();
        let expected = names.join(" or ");
        return Err(Failure::mistake(format!(
            "{name}: there are no weights of that name; expected {expected}"
        )));
    };
    let path = kept(name);
    if path.exists() {
        tell(network, &path).map_err(|failure| match failure {
            Failure::Mistake(message) => Failure::Mistake(format!("{message}; remove it to fetch it again")),
            other => other,
        })?;
        println!("there already");
        return Ok(());
    }
    let Some(remote) = network.remote else {
        return Err(Failure::mistake(format!("{name}: these weights are not fetched: {}", network.advice)));
    };
    let mut file = remote();
    download.apply(&mut file);
    let mut told = Told::new(download.quiet);
    let options = FetchOptions::default();
    get(&file, &path, &options, &mut |event| told.tell(event), |file, out| {
        convert(network, file, Some(out)).map(|_| ())
    })?;
    told.finish();
    say(&format!("licence: {}", network.licence));
    Ok(())
}

/// Downloads `file` beside `path`, converts it to `path`, and removes it.
fn get(
    file: &RemoteFile,
    path: &Path,
    options: &FetchOptions,
    tell: &mut dyn FnMut(FetchEvent),
    convert: impl Fn(&Path, &Path) -> Result<(), Failure>,
) -> Result<(), Failure> {
    let dir = path.parent().unwrap_or(Path::new(""));
    let fetched = data_streams::fetch::fetch(std::slice::from_ref(file), dir, options, tell);
    let fetched = fetched.map_err(|error| match error {
        DataError::Fetch { .. } => Failure::Other(anyhow::anyhow!("{}: {error}", file.name)),
        _ => Failure::mistake(format!("{}: {error}", file.name)),
    })?;
    for downloaded in &fetched {
        convert(downloaded, path)?;
        fs::remove_file(downloaded)
            .map_err(|e| Failure::mistake(format!("{}: {e}", downloaded.display())))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::{
        io::{BufRead, BufReader, Write},
        net::TcpListener,
        thread,
    };

    use super::*;

    /// Answers every request with the same bytes.
    fn serve(body: &'static [u8]) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/file.pth", listener.local_addr().unwrap());
        thread::spawn(move || {
            for mut stream in listener.incoming().flatten() {
                let lines = BufReader::new(stream.try_clone().unwrap()).lines();
                let _headers = lines.map_while(Result::ok).take_while(|line| !line.is_empty()).count();
                let head =
                    format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\nConnection: close\r\n\r\n", body.len());
                let _ = stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(body));
            }
        });
        url
    }

    /// The SHA-256 of "abc" begins so (FIPS 180-2, appendix B.1).
    fn remote(body: &'static [u8]) -> RemoteFile {
        RemoteFile {
            name: "file.pth".into(),
            bytes: None,
            sha256: "ba7816bf".into(),
            urls: vec![serve(body)],
            unpack: None,
        }
    }

    fn patient() -> FetchOptions {
        FetchOptions { rounds: 1, proxy: false, ..FetchOptions::default() }
    }

    #[test]
    fn the_download_is_converted_and_not_kept() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("weights/inception.safetensors");
        get(&remote(b"abc"), &path, &patient(), &mut |_| {}, |downloaded, out| {
            assert_eq!(fs::read(downloaded).unwrap(), b"abc");
            fs::write(out, "converted").map_err(Failure::mistake)
        })
        .unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"converted");
        assert!(!path.with_file_name("file.pth").exists());
    }

    #[test]
    fn another_file_is_not_converted() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("inception.safetensors");
        let failure =
            get(&remote(b"abd"), &path, &patient(), &mut |_| {}, |_, _| panic!("converted")).unwrap_err();
        let Failure::Other(error) = failure else { panic!("a mistake") };
        assert!(error.to_string().contains("expected ba7816bf"), "{error}");
        assert!(!path.exists() && !path.with_file_name("file.pth").exists());
    }
}
