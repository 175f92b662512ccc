//! The tables, one a module: their rows in the model's words.

pub mod deployment;
pub mod generation;
pub mod job;
pub mod mark;
pub mod port;
pub mod retired;
pub mod standing;
