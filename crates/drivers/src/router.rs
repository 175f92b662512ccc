//! Sends traffic.

pub mod embedded;

pub use embedded::EmbeddedRouter;
