//! Every port on the real thing: processes, the proxy, the file system, git.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking, also in its helpers")]
#![allow(unreachable_pub, reason = "the world of the tests is shared by its modules only")]
#![allow(missing_docs, reason = "nothing outside of this file can see it")]

mod acme;
mod archives;
mod backups;
mod bake;
mod external;
mod git;
mod machine;
mod migrations;
mod nginx;
mod one_offs;
mod opened;
mod pm2;
mod ready;
mod releases;
mod router;
mod runtime;
mod shared;
mod upload;
mod world;
