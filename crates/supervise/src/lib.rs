//! Holds child processes: one small process per instance, and one that holds the proxy's listeners.
//!
//! No async runtime; it is dispatched before anything else of the program starts.

pub mod holder_spec;
pub mod message;
pub mod spec;
