//! The configuration that `init` writes, by what is found in a directory.

/// What is known of a directory.
#[derive(Clone, Debug, Default)]
pub struct Facts {
    /// The last part of its path.
    pub directory_name: String,
    /// Names of the files and directories in it.
    pub files: Vec<String>,
    /// The text of `package.json`, if there is one.
    pub package_json: Option<String>,
    /// The text of `Procfile`, if there is one.
    pub procfile: Option<String>,
    /// The text of `pyproject.toml`, if there is one.
    pub pyproject: Option<String>,
    /// The text of `requirements.txt`, if there is one.
    pub requirements: Option<String>,
    /// The text of `Cargo.toml`, if there is one.
    pub cargo_toml: Option<String>,
}
