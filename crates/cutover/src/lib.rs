//! The program: its command line, and the way into its other roles.

mod build;
pub mod cli;
mod command;
mod configuration;
mod controller;
pub mod demo;
mod halt;
mod interrupt;
mod person;
pub mod role;
mod secret;
mod session;
mod source;
mod state_root;
mod story;
mod target;
mod terminal;
mod ui;
mod watch;
