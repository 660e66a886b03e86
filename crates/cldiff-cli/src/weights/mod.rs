//! `cldiff weights`: the published weights that features are computed with, and getting them.

mod convert;
mod fetch;
mod list;

use std::path::{Path, PathBuf};

use cl_metrics::features::inception::weights_info;
use clap::Subcommand;
use data_streams::RemoteFile;

use crate::{
    files::weights::fetched,
    ui::{download::DownloadArgs, failure::Failure},
};

/// `cldiff weights`
#[derive(Debug, Subcommand)]
pub enum WeightsCommand {
    /// The weights that can be fetched, where they would be, and whether they are there.
    List {
        /// A JSON array instead of text
        #[arg(long)]
        json: bool,
    },
    /// Get published weights and convert them; nothing in them is run.
    Fetch {
        /// What `weights list` names
        #[arg(value_name = "NAME", default_value = NAME)]
        name: String,
        /// Where from.
        #[command(flatten)]
        download: DownloadArgs,
    },
    /// Convert a PyTorch file with the weights of FID's Inception-v3; nothing in it is run.
    Convert {
        /// The file, in either of torch.save's forms
        #[arg(value_name = "FILE.pth")]
        file: PathBuf,
        /// Where to write the weights [default: where features look for them]
        #[arg(long, value_name = "FILE.safetensors")]
        out: Option<PathBuf>,
    },
}

/// The only weights that there are.
const NAME: &str = "inception";
const SUMMARY: &str =
    "Inception-v3 in the form of the FID literature, pytorch-fid's port of TensorFlow's of 2015-12-05";
const LICENCE: &str = "Apache-2.0 (that of pytorch-fid)";

/// Does what a command says.
///
/// # Errors
/// [`Failure::Mistake`] for names and files that are not right, [`Failure::Other`] where no mirror answers.
pub fn weights(command: &WeightsCommand) -> Result<(), Failure> {
    match command {
        WeightsCommand::List { json } => list::list(*json),
        WeightsCommand::Fetch { name, download } => fetch::fetch(name, download),
        WeightsCommand::Convert { file, out } => {
            let out = out.clone().unwrap_or_else(fetched);
            convert::convert(file, &out).map(|_| ())
        }
    }
}

/// The published file. Eight digits of its SHA-256 are known: its name ends with them, as PyTorch's hub has it. They tell a
/// damaged file from a whole one; that nothing in a forged one is run does not depend on them.
fn published() -> RemoteFile {
    let name = "pt_inception-2015-12-05-6726825d.pth";
    RemoteFile {
        name: name.into(),
        bytes: None,
        sha256: "6726825d".into(),
        urls: vec![
            format!("https://github.com/mseitzer/pytorch-fid/releases/download/fid_weights/{name}"),
            "https://github.com/toshas/torch-fidelity/releases/download/v0.2.0/weights-inception-2015-12-05-6726825d.pth"
                .into(),
        ],
        unpack: None,
    }
}

/// Says what a weights file is, which has to be one.
fn tell(path: &Path) -> Result<(), Failure> {
    let info = weights_info(path).map_err(Failure::mistake)?;
    println!("{}", path.display());
    println!("SHA-256 {}", info.sha256);
    if let Some(source) = info.source_sha256 {
        println!("made of the PyTorch file with SHA-256 {source}");
    }
    Ok(())
}
