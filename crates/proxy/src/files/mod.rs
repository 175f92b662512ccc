//! Static services: files of a release's directory, answered for by the proxy itself.
//!
//! What is asked for is looked for in the directory of the release that serves, then, unless it is
//! a page, in those of earlier releases: who has loaded a page of the old release still finds what
//! belongs to it.  Nothing outside these releases, and what their environment shares, is ever
//! opened for a client, and no name that begins with a dot.

mod condition;
mod date;
mod encoding;
mod find;
mod kind;
mod path;
mod range;
mod reply;

pub(crate) use find::{Folder, Found};
pub(crate) use path::Asked;
pub(crate) use reply::{Part, failed, head, not_allowed, not_found, redirect};
