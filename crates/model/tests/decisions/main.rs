//! The decisions: tables, properties, and every prefix of a journal.

mod build;
mod describe;
mod health;
mod manifest;
mod next;
mod planner;
mod preflight;
mod recreate;
mod retention;
mod standing_orders;
mod version;
