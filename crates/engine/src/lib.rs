//! Turns plans into effects.  Owns the ports through which it has them, and knows no driver by name.

pub mod port;
