//! Archives of anybody's making: taken whole, or refused by name with nothing left behind.

mod bench;
mod compressed;
mod honest;
mod hostile_tar;
mod hostile_zip;
mod limits;
mod listing;
mod mutated;
mod raw_tar;
mod raw_zip;
mod wrapped;
