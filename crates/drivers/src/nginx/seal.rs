//! What leads a file of ours for nginx.

use crate::seal::Seal;
use model::nginx::NginxFile;

pub(super) const SEAL: Seal = Seal {
    notice: "# Written by `cutover nginx`.  Change the configuration instead: what is \
             changed here is found.\n",
};

/// The files, each with the lines that say whose they are.
pub fn sealed(files: Vec<NginxFile>) -> Vec<NginxFile> {
    files.into_iter().map(|it| NginxFile { text: seal(&it.text), path: it.path }).collect()
}

/// The text under its seal.
pub fn seal(text: &str) -> String {
    SEAL.over(text)
}
