//! The controller: sole writer of the journal, and what serves the API.

pub mod api;
