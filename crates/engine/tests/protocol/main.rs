//! The one act that cannot be tried twice, walked through every interleaving: the switch.
//!
//! `cast` says who takes part and what each remembers for how long; `faults`, `proxy` and `daemon`
//! are the moves of each; `rules` is what must hold; `walk` visits every state there is.  A `Flaw`
//! breaks one rule of the protocol, to show that it is needed.  `lease` is the same for warm
//! instances.
//!
//! Extend this before the protocol is changed.
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "these are tests")]

mod cast;
mod daemon;
mod faults;
mod lease;
mod proxy;
mod rules;
mod tests;
mod walk;
