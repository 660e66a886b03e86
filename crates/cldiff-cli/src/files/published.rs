//! The networks whose weights are published, each with all that the program knows of its files.

use std::path::Path;

use cl_metrics::{
    MetricError,
    features::{Converted, WeightsInfo, dinov2, inception},
};
use data_streams::RemoteFile;

/// A network with published weights.
pub(crate) struct Published {
    /// The features that take the weights.
    pub features: &'static str,
    /// The network in a sentence.
    pub short: &'static str,
    pub summary: &'static str,
    pub licence: &'static str,
    /// How to get the weights.
    pub advice: &'static str,
    /// Pages on which the file is published, for a reader.
    pub pages: &'static [&'static str],
    /// A tensor by which a PyTorch file of the network is told from others.
    pub first_parameter: &'static str,
    /// The published file, where `weights fetch` gets it.
    pub remote: Option<fn() -> RemoteFile>,
    pub convert: fn(&Path, &Path) -> Result<Converted, MetricError>,
    pub info: fn(&Path) -> Result<WeightsInfo, MetricError>,
}

/// All of them; the first is the one that a command takes where nothing is named.
pub(crate) fn published() -> &'static [Published] {
    &[INCEPTION, DINOV2]
}

const INCEPTION: Published = Published {
    features: "inception",
    short: "Inception-v3",
    summary: "Inception-v3 in the form of the FID literature, pytorch-fid's port of TensorFlow's of 2015-12-05",
    licence: "Apache-2.0 (that of pytorch-fid)",
    advice: "get them by `cldiff weights fetch`",
    pages: &[],
    first_parameter: "fc.weight",
    remote: Some(inception_file),
    convert: inception::convert_weights,
    info: inception::weights_info,
};

/// By file only: no digit of the published file's hash is known here, so that a download could not be told from another.
const DINOV2: Published = Published {
    features: "dinov2",
    short: "DINOv2's ViT-S/14",
    summary: "DINOv2's ViT-S/14, without registers: dinov2_vits14_pretrain.pth of facebookresearch/dinov2",
    licence: "Apache-2.0 (that of DINOv2)",
    advice: "download dinov2_vits14_pretrain.pth (github.com/facebookresearch/dinov2) and convert it by `cldiff weights convert`",
    pages: &["https://github.com/facebookresearch/dinov2"],
    first_parameter: dinov2::FIRST_PARAMETER,
    remote: None,
    convert: dinov2::convert_weights,
    info: dinov2::weights_info,
};

/// The published file. Eight digits of its SHA-256 are known: its name ends with them, as PyTorch's hub has it. They tell a
/// damaged file from a whole one; that nothing in a forged one is run does not depend on them.
fn inception_file() -> RemoteFile {
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

#[cfg(test)]
mod tests {
    use cldiff_engine::FeaturesConfig;

    use super::*;

    #[test]
    fn the_name_of_the_published_file_ends_with_the_digits_of_its_hash() {
        let file = inception_file();
        assert!(file.urls.iter().all(|url| url.ends_with(&format!("-{}.pth", file.sha256))));
    }

    #[test]
    fn all_features_that_take_weights_are_published() {
        let mut all = FeaturesConfig::all();
        let takes = all.iter_mut().filter_map(|one| one.edit().weights().is_some().then(|| one.name()));
        let known: Vec<&str> = published().iter().map(|network| network.features).collect();
        assert_eq!(takes.collect::<Vec<_>>(), known);
    }
}
