//! Where files are fetched from, and what is shown of it.

use clap::Args;
use data_streams::{RemoteFile, fetch::FetchEvent};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::width::tell;

/// The options of every `fetch`.
#[derive(Debug, Args)]
pub struct DownloadArgs {
    /// URL of a directory with the files under their published names, tried before the public mirrors
    #[arg(long, value_name = "URL")]
    pub mirror: Vec<String>,
    /// Use only --mirror, and none of the public mirrors
    #[arg(long, requires = "mirror")]
    pub only_mirror: bool,
    /// Show no progress on stderr
    #[arg(long, short)]
    pub quiet: bool,
}

impl DownloadArgs {
    /// Puts the mirrors of the command line before the public ones.
    pub(crate) fn apply(&self, file: &mut RemoteFile) {
        let own = self.mirror.iter().map(|mirror| format!("{}/{}", mirror.trim_end_matches('/'), file.name));
        let public = if self.only_mirror { Vec::new() } else { std::mem::take(&mut file.urls) };
        file.urls = own.chain(public).collect();
    }
}

/// The progress of a download.
pub(crate) struct Told {
    bar: ProgressBar,
    quiet: bool,
}

impl Told {
    /// Shows nothing if `quiet`.
    pub(crate) fn new(quiet: bool) -> Self {
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

    /// Shows an event.
    pub(crate) fn tell(&mut self, event: FetchEvent) {
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

    /// Takes the bar away.
    pub(crate) fn finish(&self) {
        self.bar.finish_and_clear();
    }

    fn say(&self, line: &str) {
        if !self.quiet {
            self.bar.suspend(|| tell(line));
        }
    }
}
