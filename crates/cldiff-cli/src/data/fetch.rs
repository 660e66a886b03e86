//! `cldiff data fetch`: the published files, with a bar that shows how far they are.

use data_streams::{
    DataError, Published, RemoteFile,
    fetch::{FetchEvent, FetchOptions},
};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::{FetchArgs, names};
use crate::{config::fetched, failure::Failure};

pub(super) fn fetch(args: &FetchArgs) -> Result<(), Failure> {
    let named = |name: &String| {
        Published::named(name).ok_or_else(|| {
            Failure::mistake(format!("{name}: there is nothing of that name to fetch; expected {}", names()))
        })
    };
    let wanted = args.names.iter().map(named).collect::<Result<Vec<_>, _>>()?;
    for published in wanted {
        let dir = fetched(published, args.data_dir.as_deref());
        let files = remote_files(published, args);
        let mut told = Told::new(args.quiet);
        let paths =
            data_streams::fetch::fetch(&files, &dir, &FetchOptions::default(), &mut |event| told.tell(event))
                .map_err(|error| failure(published, &error))?;
        told.bar.finish_and_clear();
        println!(
            "{}: {} files in {} (licence: {})",
            published.name(),
            paths.len(),
            dir.display(),
            published.licence()
        );
    }
    Ok(())
}

/// The files, with the mirrors of the command line before the public ones.
fn remote_files(published: Published, args: &FetchArgs) -> Vec<RemoteFile> {
    let mut files = published.remote_files();
    for file in &mut files {
        let own = args.mirror.iter().map(|mirror| format!("{}/{}", mirror.trim_end_matches('/'), file.name));
        let public = if args.only_mirror { Vec::new() } else { std::mem::take(&mut file.urls) };
        file.urls = own.chain(public).collect();
    }
    files
}

/// That no mirror answers is no mistake of the user's; a directory or file in the way is.
fn failure(published: Published, error: &DataError) -> Failure {
    match error {
        DataError::Fetch { .. } => Failure::Other(anyhow::anyhow!("{}: {error}", published.name())),
        _ => Failure::mistake(format!("{}: {error}", published.name())),
    }
}

/// What is shown of a download.
struct Told {
    bar: ProgressBar,
    quiet: bool,
}

impl Told {
    fn new(quiet: bool) -> Self {
        // A bar is for a terminal; without one indicatif draws none.
        let bar = if quiet { ProgressBar::hidden() } else { ProgressBar::no_length() };
        if !quiet {
            bar.set_draw_target(ProgressDrawTarget::stderr());
        }
        let style = "{msg} {wide_bar} {bytes}/{total_bytes} {bytes_per_sec} {eta}";
        // A template that does not parse shows in the tests; the default bar would do.
        if let Ok(style) = ProgressStyle::with_template(style) {
            bar.set_style(style);
        }
        Self { bar, quiet }
    }

    fn tell(&mut self, event: FetchEvent) {
        match event {
            FetchEvent::Waiting => self.say("another cldiff fetches into this directory; waiting for it"),
            FetchEvent::Present { file } => self.say(&format!("{file}: there already")),
            FetchEvent::Asked { file, url, have, total } => {
                self.bar.set_length(total.unwrap_or(0));
                self.bar.set_position(have);
                self.bar.set_message(file);
                if have > 0 && total != Some(have) {
                    self.say(&format!("{url}: going on after {have} bytes"));
                } else if self.bar.is_hidden() {
                    self.say(&format!("{url}: asking"));
                }
            }
            FetchEvent::Received { have } => {
                self.bar.set_position(have);
                if self.bar.length().is_some_and(|length| length < have) {
                    self.bar.set_length(have);
                }
            }
            FetchEvent::Trouble { url, said } => self.say(&format!("{url}: {said}")),
            FetchEvent::Done { file } => self.say(&format!("{file}: the SHA-256 is right")),
        }
    }

    fn say(&self, line: &str) {
        if !self.quiet {
            self.bar.suspend(|| eprintln!("{line}"));
        }
    }
}
