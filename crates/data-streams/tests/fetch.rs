//! Downloads from a server that drops, truncates, delays and corrupts.
#![cfg(feature = "fetch")]

mod server;

use std::{fs, io::Write, path::Path, thread, time::Duration};

use data_streams::{
    Archive, DataError, RemoteFile, Unpack,
    fetch::{FetchEvent, FetchOptions, fetch},
};
use proptest::prelude::*;
use server::{Act, Server};
use sha2::{Digest, Sha256};
use tempfile::TempDir;

fn bytes(n: usize) -> Vec<u8> {
    (0..n as u64).map(|i| (i.wrapping_mul(2_654_435_761) >> 13) as u8).collect()
}

fn remote(content: &[u8], urls: &[String]) -> RemoteFile {
    RemoteFile {
        name: "file.bin".into(),
        bytes: Some(content.len() as u64),
        sha256: Sha256::digest(content).iter().map(|b| format!("{b:02x}")).collect(),
        urls: urls.to_vec(),
        unpack: None,
    }
}

fn options() -> FetchOptions {
    FetchOptions {
        rounds: 3,
        backoff: Duration::from_millis(1),
        connect: Duration::from_secs(5),
        stall: Duration::from_secs(5),
        proxy: false,
    }
}

fn get(file: &RemoteFile, dir: &Path) -> Result<Vec<FetchEvent>, DataError> {
    let mut events = Vec::new();
    fetch(std::slice::from_ref(file), dir, &options(), &mut |event| events.push(event))?;
    Ok(events)
}

/// The file is there, whole, and nothing else but the lock.
fn assert_there(dir: &TempDir, content: &[u8]) {
    assert!(fs::read(dir.path().join("file.bin")).unwrap() == content);
    let names: Vec<_> = fs::read_dir(dir.path()).unwrap().map(|e| e.unwrap().file_name()).collect();
    assert_eq!(names.len(), 2, "{names:?}");
}

/// Nothing has the file's name.
fn assert_absent(dir: &TempDir) {
    assert!(!dir.path().join("file.bin").exists());
}

#[test]
fn a_file_is_fetched_once() {
    let (server, dir, content) = (Server::new(), TempDir::new().unwrap(), bytes(100_000));
    let file = remote(&content, &[server.on("/a", [Act::Serve(content.clone())])]);
    let events = get(&file, dir.path()).unwrap();
    assert!(matches!(events.first(), Some(FetchEvent::Asked { have: 0, total: Some(100_000), .. })));
    assert!(events.contains(&FetchEvent::Received { have: 100_000 }));
    assert_there(&dir, &content);
    assert_eq!(get(&file, dir.path()).unwrap(), [FetchEvent::Present { file: "file.bin".into() }]);
    assert_eq!(server.asked("/a"), [None]);
}

#[test]
fn the_first_digits_of_a_hash_will_do_where_no_more_is_known() {
    let (server, dir, content) = (Server::new(), TempDir::new().unwrap(), bytes(10_000));
    let other = bytes(10_001);
    let mut file = remote(&content, &[server.on("/a", [Act::Serve(other), Act::Serve(content.clone())])]);
    (file.bytes, file.sha256) = (None, file.sha256[..8].to_owned());
    // The first answer is another file.
    let message = get(&file, dir.path()).unwrap_err().to_string();
    assert!(message.contains(&format!("expected {}", file.sha256)), "{message}");
    assert_absent(&dir);
    get(&file, dir.path()).unwrap();
    assert_there(&dir, &content);
    assert_eq!(get(&file, dir.path()).unwrap(), [FetchEvent::Present { file: "file.bin".into() }]);
    file.sha256.clear();
    assert!(get(&file, dir.path()).is_err(), "no digits are no hash");
}

#[test]
fn a_dropped_connection_is_taken_up_where_it_broke() {
    let (server, dir, content) = (Server::new(), TempDir::new().unwrap(), bytes(100_000));
    let drops = [Act::Drop(content.clone(), 30_000), Act::Truncate(content.clone(), 50_000)];
    let url = server.on("/a", drops.into_iter().chain([Act::Serve(content.clone())]));
    get(&remote(&content, &[url]), dir.path()).unwrap();
    assert_there(&dir, &content);
    let asked = server.asked("/a");
    assert_eq!(asked, [None, Some("bytes=30000-".into()), Some("bytes=80000-".into())]);
}

#[test]
fn a_later_call_goes_on_with_what_an_earlier_one_left() {
    let (server, dir, content) = (Server::new(), TempDir::new().unwrap(), bytes(50_000));
    let url = server.on("/a", [Act::Drop(content.clone(), 20_000), Act::Status(500)]);
    let message = get(&remote(&content, &[url]), dir.path()).unwrap_err().to_string();
    assert!(message.contains("20000 bytes are kept"), "{message}");
    assert_absent(&dir);
    let url = server.on("/b", [Act::Serve(content.clone())]);
    get(&remote(&content, &[url]), dir.path()).unwrap();
    assert_there(&dir, &content);
    assert_eq!(server.asked("/b"), [Some("bytes=20000-".into())]);
}

#[test]
fn a_server_without_ranges_sends_everything_again() {
    let (server, dir, content) = (Server::new(), TempDir::new().unwrap(), bytes(50_000));
    let acts = [Act::Drop(content.clone(), 20_000), Act::IgnoreRange(content.clone())];
    get(&remote(&content, &[server.on("/a", acts)]), dir.path()).unwrap();
    assert_there(&dir, &content);
    // One that answers with another range is not believed.
    let dir = TempDir::new().unwrap();
    let acts =
        [Act::Drop(content.clone(), 20_000), Act::WrongRange(content.clone()), Act::Serve(content.clone())];
    get(&remote(&content, &[server.on("/b", acts)]), dir.path()).unwrap();
    assert_there(&dir, &content);
    assert_eq!(server.asked("/b"), [None, Some("bytes=20000-".into()), None]);
}

#[test]
fn what_is_corrupt_is_never_kept() {
    let (server, dir, content) = (Server::new(), TempDir::new().unwrap(), bytes(50_000));
    let mut corrupt = content.clone();
    corrupt[1234] ^= 1;
    let bad = server.on("/bad", [Act::Serve(corrupt)]);
    let good = server.on("/good", [Act::Serve(content.clone())]);
    let events = get(&remote(&content, &[bad.clone(), good]), dir.path()).unwrap();
    assert!(events.iter().any(|e| matches!(e, FetchEvent::Trouble { said, .. } if said.contains("SHA-256"))));
    assert_there(&dir, &content);
    let dir = TempDir::new().unwrap();
    let message = get(&remote(&content, std::slice::from_ref(&bad)), dir.path()).unwrap_err().to_string();
    assert!(message.contains(&bad) && message.contains("SHA-256"), "{message}");
    assert_absent(&dir);
    // Asked once in each call: what is wrong there stays wrong.
    assert_eq!(server.asked("/bad").len(), 2);
}

#[test]
fn a_wrong_beginning_is_found_out_and_thrown_away() {
    let (server, dir, content) = (Server::new(), TempDir::new().unwrap(), bytes(50_000));
    fs::write(dir.path().join("file.bin.part"), [9; 10_000]).unwrap();
    let url = server.on("/a", [Act::Serve(content.clone())]);
    get(&remote(&content, std::slice::from_ref(&url)), dir.path()).unwrap();
    assert_there(&dir, &content);
    assert_eq!(server.asked("/a"), [Some("bytes=10000-".into()), None]);
    // One that is longer than the file is, too.
    let dir = TempDir::new().unwrap();
    fs::write(dir.path().join("file.bin.part"), vec![9; 60_000]).unwrap();
    get(&remote(&content, &[url]), dir.path()).unwrap();
    assert_there(&dir, &content);
    // One without a known size, after whose end nothing is.
    let dir = TempDir::new().unwrap();
    fs::write(dir.path().join("file.bin.part"), vec![9; 60_000]).unwrap();
    let url = server.on("/c", [Act::Serve(content.clone())]);
    get(&RemoteFile { bytes: None, ..remote(&content, &[url]) }, dir.path()).unwrap();
    assert_there(&dir, &content);
}

#[test]
fn every_mirror_says_why_not() {
    let (server, dir, content) = (Server::new(), TempDir::new().unwrap(), bytes(50_000));
    let urls = [
        server.on("/gone", [Act::Status(404)]),
        server.on("/broken", [Act::Status(503)]),
        server.on("/other", [Act::Serve(bytes(49_999))]),
        server.on("/loop", [Act::Redirect("/loop".into())]),
        server.on("/endless", [Act::Endless]),
        "http://127.0.0.1:1/nobody".to_owned(),
    ];
    let message = get(&remote(&content, &urls), dir.path()).unwrap_err().to_string();
    for (url, said) in urls.iter().zip([
        "status 404",
        "status 503",
        "has 49999 bytes, expected 50000",
        "redirect",
        "more than 50000 bytes",
        "refused",
    ]) {
        let line = message.lines().find(|line| line.contains(url.as_str())).unwrap();
        assert!(line.to_lowercase().contains(said), "no {said:?} in {line}");
    }
    assert!(message.starts_with("cannot get file.bin:"), "{message}");
    assert_absent(&dir);
    assert_eq!((server.asked("/gone").len(), server.asked("/broken").len()), (1, 3));
}

#[test]
fn a_mirror_that_falls_silent_is_left() {
    let (server, dir, content) = (Server::new(), TempDir::new().unwrap(), bytes(50_000));
    let pause = Duration::from_secs(20);
    let silent = server.on("/silent", [Act::Stall(content.clone(), 10_000, pause), Act::Status(500)]);
    let good = server.on("/good", [Act::Serve(content.clone())]);
    // Long enough for a busy machine to answer at all.
    let options = FetchOptions { stall: Duration::from_secs(2), ..options() };
    let mut said = Vec::new();
    let file = remote(&content, &[silent, good]);
    fetch(&[file], dir.path(), &options, &mut |event| {
        if let FetchEvent::Trouble { said: what, .. } = event {
            said.push(what);
        }
    })
    .unwrap();
    assert_there(&dir, &content);
    assert!(said[0].starts_with("after 10000 bytes") && said[0].contains("timeout"), "{said:?}");
    assert_eq!(server.asked("/good"), [Some("bytes=10000-".into())]);
}

#[test]
fn redirects_are_followed() {
    let (server, dir, content) = (Server::new(), TempDir::new().unwrap(), bytes(50_000));
    let target = server.on("/target", [Act::Serve(content.clone())]);
    let url = server.on("/a", [Act::Redirect(target)]);
    get(&remote(&content, &[url]), dir.path()).unwrap();
    assert_there(&dir, &content);
}

#[test]
fn calls_at_the_same_time_fetch_once() {
    let (server, dir, content) = (Server::new(), TempDir::new().unwrap(), bytes(200_000));
    let slow = Act::Drop(content.clone(), 100_000);
    let file = remote(&content, &[server.on("/a", [slow, Act::Serve(content.clone())])]);
    thread::scope(|scope| {
        let calls: Vec<_> = (0..4).map(|_| scope.spawn(|| get(&file, dir.path()).unwrap())).collect();
        let events: Vec<_> = calls.into_iter().map(|call| call.join().unwrap()).collect();
        let done = |events: &&Vec<FetchEvent>| events.iter().any(|e| matches!(e, FetchEvent::Done { .. }));
        assert_eq!(events.iter().filter(done).count(), 1);
    });
    assert_there(&dir, &content);
    assert_eq!(server.asked("/a").len(), 2);
}

#[test]
fn another_file_of_that_name_is_not_touched() {
    let (server, dir, content) = (Server::new(), TempDir::new().unwrap(), bytes(5000));
    fs::write(dir.path().join("file.bin"), b"precious").unwrap();
    let file = remote(&content, &[server.on("/a", [Act::Serve(content.clone())])]);
    let message = get(&file, dir.path()).unwrap_err().to_string();
    assert!(message.contains("remove it") && message.contains(&file.sha256), "{message}");
    assert_eq!(fs::read(dir.path().join("file.bin")).unwrap(), b"precious");
    assert!(server.asked("/a").is_empty());
}

fn tar_gz(files: &[(&str, &[u8])]) -> Vec<u8> {
    let encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    let mut archive = tar::Builder::new(encoder);
    for (name, content) in files {
        let mut header = tar::Header::new_gnu();
        header.set_size(content.len() as u64);
        header.set_mode(0o644);
        // `append_data` refuses paths upwards; an attacker does not.
        header.as_gnu_mut().unwrap().name[..name.len()].copy_from_slice(name.as_bytes());
        header.set_cksum();
        archive.append(&header, *content).unwrap();
    }
    archive.into_inner().unwrap().finish().unwrap()
}

fn zipped(files: &[(&str, &[u8])]) -> Vec<u8> {
    let mut archive = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    for (name, content) in files {
        archive.start_file(*name, zip::write::SimpleFileOptions::default()).unwrap();
        archive.write_all(content).unwrap();
    }
    archive.finish().unwrap().into_inner()
}

#[test]
fn archives_are_unpacked_by_name_alone_and_removed() {
    let files: [(&str, &[u8]); 4] =
        [("set/a.bin", b"aa"), ("set/b.bin", b"bbb"), ("../../c.bin", b"c"), ("set/readme", b"r")];
    for (archive, content) in [(Archive::TarGz, tar_gz(&files)), (Archive::Zip, zipped(&files))] {
        let (server, outer) = (Server::new(), TempDir::new().unwrap());
        let dir = outer.path().join("x/y");
        let members = ["a.bin", "b.bin", "c.bin"].map(str::to_owned).to_vec();
        let file = RemoteFile {
            unpack: Some(Unpack { archive, members: members.clone() }),
            ..remote(&content, &[server.on("/a", [Act::Serve(content.clone())])])
        };
        let paths = fetch(std::slice::from_ref(&file), &dir, &options(), &mut |_| {}).unwrap();
        assert_eq!(paths, members.iter().map(|name| dir.join(name)).collect::<Vec<_>>());
        assert_eq!(fs::read(dir.join("b.bin")).unwrap(), b"bbb");
        assert!(!dir.join("readme").exists() && !dir.join("file.bin").exists());
        assert!(!outer.path().join("c.bin").exists());
        assert_eq!(get(&file, &dir).unwrap().len(), 1);
        assert_eq!(server.asked("/a").len(), 1);
        fs::remove_file(dir.join("a.bin")).unwrap();
        let wanted = vec!["a.bin".to_owned(), "missing.bin".to_owned()];
        let more = RemoteFile { unpack: Some(Unpack { archive, members: wanted }), ..file };
        let message = get(&more, &dir).unwrap_err().to_string();
        assert!(message.contains("missing.bin"), "{message}");
    }
}

#[test]
fn a_damaged_archive_with_the_right_hash_is_an_error() {
    for archive in [Archive::TarGz, Archive::Zip] {
        let (server, dir, content) = (Server::new(), TempDir::new().unwrap(), bytes(5000));
        let file = RemoteFile {
            unpack: Some(Unpack { archive, members: vec!["a.bin".into()] }),
            ..remote(&content, &[server.on("/a", [Act::Serve(content.clone())])])
        };
        assert!(get(&file, dir.path()).unwrap_err().to_string().contains("file.bin"));
    }
}

#[test]
fn a_directory_that_cannot_be_made_is_an_error() {
    let dir = TempDir::new().unwrap();
    fs::write(dir.path().join("taken"), b"").unwrap();
    let message = get(&remote(b"x", &[]), &dir.path().join("taken/in")).unwrap_err().to_string();
    assert!(message.contains("taken"), "{message}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(20))]
    #[test]
    fn wherever_connections_break_the_file_is_whole(
        size in 1_usize..200_000, breaks in prop::collection::vec((4096_usize..60_000, any::<bool>()), 0..6),
    ) {
        let (server, dir, content) = (Server::new(), TempDir::new().unwrap(), bytes(size));
        let acts = breaks.iter().map(|&(n, polite)| if polite { Act::Truncate(content.clone(), n) } else { Act::Drop(content.clone(), n) });
        let url = server.on("/a", acts.chain([Act::Serve(content.clone())]));
        get(&remote(&content, &[url]), dir.path()).unwrap();
        assert_there(&dir, &content);
    }
}
