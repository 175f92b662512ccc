//! The configuration: YAML text in, model values and all problems out.
//!
//! [`Document::read`] reports everything that is wrong at once, each with file, line and column;
//! [`Document::resolve`] fills in what one environment comes to.  Only `read.rs` touches the disk.

mod address;
mod argv;
mod document;
mod draft;
mod edge;
pub mod edit;
pub mod env_file;
mod front;
pub mod init;
mod judge;
pub mod lint;
mod nearest;
mod placeholder;
mod problem;
pub mod quantity;
pub mod read;
pub mod render;
mod report;
mod resolve;
mod scalar;
pub mod schema;
pub mod secret;
mod target;
pub mod template;
mod variables;
mod yaml;

pub use document::{Alias, Declared, Document};
pub use front::Fronting;
pub use placeholder::PLACEHOLDERS;
pub use problem::{Problem, Severity, any_error};
pub use quantity::duration;
pub use read::{EnvFiles, EnvFilesIn, EnvReadError, EnvText};
pub use resolve::{EXAMPLE_FILE, Resolved, SourceConfig};
pub use target::TargetError;
