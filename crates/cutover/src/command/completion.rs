//! `completion`

use crate::{
    cli::grammar::{Cli, paper::Completion},
    ui::out::Out,
};
use clap::CommandFactory;

/// Prints the script.
pub fn run(out: &Out, args: &Completion) -> u8 {
    let mut script = vec![];
    clap_complete::generate(args.shell, &mut Cli::command(), "cutover", &mut script);
    out.print(&String::from_utf8_lossy(&script));
    0
}
