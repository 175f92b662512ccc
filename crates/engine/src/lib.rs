//! Turns plans into effects.  Owns the ports through which it has them, and knows no driver.

pub mod port;
