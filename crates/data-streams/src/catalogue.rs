//! What the public data sets are, who permits what, and where their files can be had.
//!
//! Every file is pinned by its SHA-256. Those of MNIST (but for the training images) and Fashion-MNIST were computed
//! from the published files. The others could not be downloaded where this was written: they are values that several
//! independent public projects state alike (MNIST's training images, KMNIST, EMNIST, both CIFARs, the UCI digits).
//! Mirrors could not be tried there either; a wrong one costs a message, since nothing is kept that the hash refuses.

use crate::{Published, dataset::emnist::EmnistSplit};

/// A file in the world.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RemoteFile {
    /// As it is called in the directory of the data set.
    pub name: String,
    /// Its size, where it is known.
    pub bytes: Option<u64>,
    /// Its SHA-256, in hexadecimal; or its first digits, where no more is published.
    pub sha256: String,
    /// Where it can be had, the first that answers.
    pub urls: Vec<String>,
    /// What is taken out of it, if it is an archive.
    pub unpack: Option<Unpack>,
}

impl RemoteFile {
    /// Whether a file with this SHA-256 (in hexadecimal, lower case) is the one.
    pub fn has_hash(&self, sha256: &str) -> bool {
        !self.sha256.is_empty() && sha256.starts_with(&self.sha256)
    }
}

/// What is taken out of an archive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unpack {
    /// The form of the archive.
    pub archive: Archive,
    /// The files that are wanted, whatever directory of the archive they are in.
    pub members: Vec<String>,
}

/// The form of an archive.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Archive {
    /// A gzipped tar.
    TarGz,
    /// A zip.
    Zip,
}

impl Published {
    /// What it is, in a few words.
    pub fn summary(self) -> &'static str {
        match self {
            Self::Mnist => "Digits by hand, 28x28 grey, 10 classes, 60000 + 10000",
            Self::FashionMnist => "Clothes, 28x28 grey, 10 classes, 60000 + 10000",
            Self::Kmnist => "Cursive hiragana, 28x28 grey, 10 classes, 60000 + 10000",
            Self::Emnist(_) => {
                "Letters and digits by hand, 28x28 grey, 10 to 62 classes, up to 697932 + 116323"
            }
            Self::Cifar10 => "Photographs, 32x32 colour, 10 classes, 50000 + 10000",
            Self::Cifar100 => "Photographs, 32x32 colour, 100 classes, 50000 + 10000",
            Self::Digits => "UCI digits by hand, 8x8 grey, 10 classes, 3823 + 1797",
        }
    }

    /// Under what terms it is published, as far as its authors say.
    pub fn licence(self) -> &'static str {
        match self {
            Self::Mnist => "CC BY-SA 3.0",
            Self::FashionMnist => "MIT",
            Self::Kmnist => "CC BY-SA 4.0",
            Self::Emnist(_) => "none stated (work of the US government, NIST)",
            Self::Cifar10 | Self::Cifar100 => "none stated (the authors ask to be cited)",
            Self::Digits => "CC BY 4.0",
        }
    }

    /// The files that its publishers offer.
    pub fn remote_files(self) -> Vec<RemoteFile> {
        match self {
            Self::Mnist => like_mnist(&MNIST_MIRRORS, MNIST),
            Self::FashionMnist => like_mnist(&FASHION_MNIST_MIRRORS, FASHION_MNIST),
            Self::Kmnist => like_mnist(&KMNIST_MIRRORS, KMNIST),
            Self::Emnist(_) => vec![emnist()],
            Self::Cifar10 => vec![cifar(
                "cifar-10-binary.tar.gz",
                170_052_171,
                "c4a38c50a1bc5f3a1c5537f2155ab9d68f9f25eb1ed8d9ddda3db29a59bca1dd",
                (1..=5).map(|i| format!("data_batch_{i}.bin")).chain(["test_batch.bin".into()]).collect(),
            )],
            Self::Cifar100 => vec![cifar(
                "cifar-100-binary.tar.gz",
                168_513_733,
                "58a81ae192c23a4be8b1804d68e518ed807d710a4eb253b1f2a199162a40d8ec",
                vec!["train.bin".into(), "test.bin".into()],
            )],
            Self::Digits => vec![digits()],
        }
    }
}

/// A size and a SHA-256 for each of the four files: training images and labels, test images and labels.
type FourFiles = [(u64, &'static str); 4];

const MNIST: FourFiles = [
    (9_912_422, "440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609"),
    (28_881, "3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c"),
    (1_648_877, "8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6"),
    (4542, "f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6"),
];
const MNIST_MIRRORS: [&str; 3] = [
    "https://ossci-datasets.s3.amazonaws.com/mnist",
    "https://storage.googleapis.com/cvdf-datasets/mnist",
    "http://yann.lecun.com/exdb/mnist",
];

const FASHION_MNIST: FourFiles = [
    (26_421_880, "3aede38d61863908ad78613f6a32ed271626dd12800ba2636569512369268a84"),
    (29_515, "a04f17134ac03560a47e3764e11b92fc97de4d1bfaf8ba1a3aa29af54cc90845"),
    (4_422_102, "346e55b948d973a97e58d2351dde16a484bd415d4595297633bb08f03db6a073"),
    (5148, "67da17c76eaffca5446c3361aaab5c3cd6d1c2608764d35dfb1850b086bf8dd5"),
];
const FASHION_MNIST_MIRRORS: [&str; 3] = [
    "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com",
    "https://storage.googleapis.com/tensorflow/tf-keras-datasets",
    "https://github.com/zalandoresearch/fashion-mnist/raw/master/data/fashion",
];

const KMNIST: FourFiles = [
    (18_165_135, "51467d22d8cc72929e2a028a0428f2086b092bb31cfb79c69cc0a90ce135fde4"),
    (29_497, "e38f9ebcd0f3ebcdec7fc8eabdcdaef93bb0df8ea12bee65224341c8183d8e17"),
    (3_041_136, "edd7a857845ad6bb1d0ba43fe7e794d164fe2dce499a1694695a792adfac43c5"),
    (5120, "20bb9a0ef54c7db3efc55a92eef5582c109615df22683c380526788f98e42a1c"),
];
/// One host, by either protocol: nobody else is known to offer the same files.
const KMNIST_MIRRORS: [&str; 2] =
    ["https://codh.rois.ac.jp/kmnist/dataset/kmnist", "http://codh.rois.ac.jp/kmnist/dataset/kmnist"];

fn like_mnist(mirrors: &[&str], files: FourFiles) -> Vec<RemoteFile> {
    let names = ["train-images-idx3", "train-labels-idx1", "t10k-images-idx3", "t10k-labels-idx1"];
    let file = |(stem, (bytes, sha256)): (&str, (u64, &str))| {
        let name = format!("{stem}-ubyte.gz");
        RemoteFile {
            bytes: Some(bytes),
            sha256: sha256.into(),
            urls: mirrors.iter().map(|mirror| format!("{mirror}/{name}")).collect(),
            unpack: None,
            name,
        }
    };
    names.into_iter().zip(files).map(file).collect()
}

fn emnist() -> RemoteFile {
    let files = |split: EmnistSplit| {
        ["train-images-idx3", "train-labels-idx1", "test-images-idx3", "test-labels-idx1"]
            .map(|kind| format!("emnist-{}-{kind}-ubyte.gz", split.name()))
    };
    RemoteFile {
        name: "gzip.zip".into(),
        bytes: Some(561_753_746),
        sha256: "fb9bb67e33772a9cc0b895e4ecf36d2cf35be8b709693c3564cea2a019fcda8e".into(),
        urls: vec![
            "https://biometrics.nist.gov/cs_links/EMNIST/gzip.zip".into(),
            "https://www.itl.nist.gov/iaui/vip/cs_links/EMNIST/gzip.zip".into(),
        ],
        unpack: Some(Unpack {
            archive: Archive::Zip,
            members: EmnistSplit::ALL.into_iter().flat_map(files).collect(),
        }),
    }
}

fn cifar(name: &str, bytes: u64, sha256: &str, members: Vec<String>) -> RemoteFile {
    let mirrors = ["https://www.cs.toronto.edu/~kriz", "https://cave.cs.toronto.edu/kriz"];
    RemoteFile {
        name: name.into(),
        bytes: Some(bytes),
        sha256: sha256.into(),
        urls: mirrors.iter().map(|mirror| format!("{mirror}/{name}")).collect(),
        unpack: Some(Unpack { archive: Archive::TarGz, members }),
    }
}

/// Its size is not known here, nor a second host; two public projects state this hash.
fn digits() -> RemoteFile {
    RemoteFile {
        name: "optical_recognition_of_handwritten_digits.zip".into(),
        bytes: None,
        sha256: "0d7b054fea010270e9b3f06411c654c5e59547732ad626381980baffe0a23fb0".into(),
        urls: vec![
            "https://archive.ics.uci.edu/static/public/80/optical+recognition+of+handwritten+digits.zip"
                .into(),
        ],
        unpack: Some(Unpack {
            archive: Archive::Zip,
            members: vec!["optdigits.tra".into(), "optdigits.tes".into()],
        }),
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use sha2::{Digest, Sha256};

    use super::*;

    #[test]
    fn every_file_is_pinned_and_has_somewhere_to_come_from() {
        for published in Published::ALL {
            for file in published.remote_files() {
                assert!(file.sha256.len() == 64 && file.sha256.chars().all(|c| c.is_ascii_hexdigit()));
                assert!(!file.urls.is_empty() && file.urls.iter().all(|url| url.starts_with("http")));
            }
            assert!(!published.summary().is_empty() && !published.licence().is_empty());
        }
    }

    /// Where the published files are beside the checkout, their hashes are the pinned ones.
    #[test]
    fn hashes_are_those_of_the_published_files() {
        for published in [Published::Mnist, Published::FashionMnist] {
            let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/datasets");
            for file in published.remote_files() {
                let path = dir.join(published.name()).join(&file.name);
                // MNIST's training images are compressed otherwise there.
                let recompressed = published == Published::Mnist && file.name.starts_with("train-images");
                let Some(bytes) = std::fs::read(&path).ok().filter(|_| !recompressed) else {
                    println!("skipped: {}", path.display());
                    continue;
                };
                let hash: String = Sha256::digest(&bytes).iter().map(|b| format!("{b:02x}")).collect();
                assert_eq!((Some(bytes.len() as u64), hash), (file.bytes, file.sha256));
            }
        }
    }
}
