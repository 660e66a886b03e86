//! Measurements of a page in Chromium: a copy of the page gets a script that writes them into the document, and the browser
//! prints the document.

use std::{
    env, fs,
    fs::File,
    path::PathBuf,
    process::{Command, Stdio},
    thread,
    time::{Duration, Instant},
};

/// Far more than a page takes on a slow machine beside other work.
const PATIENCE: Duration = Duration::from_mins(5);

/// The script of the copy. It enlarges the first sample last, so that the dialog is in no other measurement.
const SCRIPT: &str = r##"<script>
addEventListener("load", () => {
  const root = document.documentElement;
  const place = document.querySelector("#results .wide");
  const found = {
    page: root.scrollWidth, window: root.clientWidth, height: root.scrollHeight,
    table: place.scrollWidth, "table-place": place.clientWidth,
    contents: document.querySelector(".contents").offsetHeight,
    "first-column": getComputedStyle(place.querySelector("tbody th[scope=row]")).position,
  };
  document.querySelector(".enlarge")?.click();
  const dialog = document.querySelector("dialog.zoom[open]");
  found.enlarged = dialog ? dialog.querySelectorAll("figure").length : 0;
  for (const [name, value] of Object.entries(found)) document.body.setAttribute("data-measured-" + name, value);
});
</script>"##;

/// The measurements of the script, in CSS pixels.
#[derive(Debug)]
pub struct Measured {
    /// The width of the whole page, and of the window without a scroll bar.
    pub page: u32,
    pub window: u32,
    /// The height of the whole page.
    pub height: u32,
    /// The width of the table of results, and of its place.
    pub table: u32,
    pub table_place: u32,
    /// The height of the bar of contents.
    pub contents: u32,
    /// How the first column of the table of results is placed.
    pub first_column: String,
    /// The pictures that stand in the dialog after a click on the first sample.
    pub enlarged: u32,
}

/// An installed Chromium.
pub struct Browser(PathBuf);

impl Browser {
    /// Looks for one on PATH; says on standard error that the test is skipped where there is none.
    pub fn find() -> Option<Self> {
        let path = env::var_os("PATH").unwrap_or_default();
        let found = ["chromium", "chromium-browser", "google-chrome"].iter().find_map(|name| {
            env::split_paths(&path).map(|directory| directory.join(name)).find(|program| program.is_file())
        });
        if found.is_none() {
            eprintln!("skipped: pages are not rendered, since no Chromium is on PATH");
        }
        found.map(Self)
    }

    /// Renders a page in a window of a width.
    pub fn measure(&self, html: &str, width: u32) -> Measured {
        let scratch = tempfile::tempdir().unwrap();
        let page = scratch.path().join("page.html");
        fs::write(&page, html.replace("</body>", &format!("{SCRIPT}</body>"))).unwrap();
        let printed = scratch.path().join("printed.html");
        let mut child = Command::new(&self.0)
            .args(["--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"])
            .args(["--no-first-run", "--disable-extensions", "--hide-scrollbars", "--dump-dom"])
            .arg(format!("--window-size={width},2000"))
            .arg(format!("--user-data-dir={}", scratch.path().join("profile").display()))
            .arg(format!("file://{}", page.display()))
            .env("HOME", scratch.path())
            .stdout(File::create(&printed).unwrap())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let started = Instant::now();
        let status = loop {
            match child.try_wait().unwrap() {
                Some(status) => break status,
                None if started.elapsed() > PATIENCE => {
                    child.kill().unwrap();
                    child.wait().unwrap();
                    panic!("the browser has not ended after {} seconds", PATIENCE.as_secs());
                }
                None => thread::sleep(Duration::from_millis(100)),
            }
        };
        assert!(status.success(), "{}: {status}", self.0.display());
        Measured::read(&fs::read_to_string(&printed).unwrap())
    }
}

impl Measured {
    fn read(document: &str) -> Self {
        let text = |name: &str| {
            let begins = format!("data-measured-{name}=\"");
            let value = document.rsplit_once(&begins).unwrap_or_else(|| panic!("the page has no {begins}")).1;
            value.split('"').next().unwrap().to_owned()
        };
        let number = |name: &str| text(name).parse().unwrap();
        Self {
            page: number("page"),
            window: number("window"),
            height: number("height"),
            table: number("table"),
            table_place: number("table-place"),
            contents: number("contents"),
            first_column: text("first-column"),
            enlarged: number("enlarged"),
        }
    }
}
