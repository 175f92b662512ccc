//! Every port on the real thing: processes, the proxy, the file system, git.

mod bake;
mod git;
mod ready;
mod releases;
mod router;
mod runtime;
mod upload;
mod world;
