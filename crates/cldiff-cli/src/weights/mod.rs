//! `cldiff weights`: the published weights that features are computed with, and getting them.

mod convert;
mod fetch;
mod list;

use std::path::{Path, PathBuf};

use clap::Subcommand;

pub(crate) use crate::files::published::{Published, published};
use crate::ui::{download::DownloadArgs, failure::Failure, width::say};

/// `cldiff weights`
#[derive(Debug, Subcommand)]
pub enum WeightsCommand {
    /// The weights that features take, where they would be, and whether they are there.
    List {
        /// Print a JSON array instead of text
        #[arg(long)]
        json: bool,
    },
    /// Get published weights and convert them; nothing in them is run.
    Fetch {
        /// Name of the weights, from `cldiff weights list`
        #[arg(value_name = "NAME", default_value = "inception")]
        name: String,
        /// The mirrors.
        #[command(flatten)]
        download: DownloadArgs,
    },
    /// Convert a PyTorch file with the weights of FID's Inception-v3 or of DINOv2's ViT-S/14, which its tensors tell;
    /// nothing in it is run.
    Convert {
        /// The file, in either of torch.save's forms
        #[arg(value_name = "FILE.pth")]
        file: PathBuf,
        /// Where to write the weights [default: where features look for them]
        #[arg(long, value_name = "FILE.safetensors")]
        out: Option<PathBuf>,
    },
}

/// Does what a command says.
///
/// # Errors
/// [`Failure::Mistake`] for names and files that are not right, [`Failure::Other`] where no mirror answers.
pub fn weights(command: &WeightsCommand) -> Result<(), Failure> {
    match command {
        WeightsCommand::List { json } => list::list(*json),
        WeightsCommand::Fetch { name, download } => fetch::fetch(name, download),
        WeightsCommand::Convert { file, out } => {
            convert::convert(convert::network_of(file), file, out.as_deref()).map(|_| ())
        }
    }
}

/// Says what a weights file is, which has to be one of this network.
fn tell(network: &Published, path: &Path) -> Result<(), Failure> {
    let info = (network.info)(path).map_err(Failure::mistake)?;
    say(&path.display().to_string());
    say(&format!("SHA-256 {}", info.sha256));
    if let Some(source) = info.source_sha256 {
        say(&format!("made of the PyTorch file with SHA-256 {source}"));
    }
    Ok(())
}
