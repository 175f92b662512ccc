//! Turns plans into effects.  Owns the ports through which it has them, and knows no driver.

pub mod abort;
pub mod deploy;
mod desire;
mod ending;
pub mod execute;
mod keep_alive;
mod manifest;
mod observe;
pub mod one_off;
pub mod port;
mod preflight;
mod reap;
mod recover;
pub mod schedule;
