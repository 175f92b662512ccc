//! `completion`, `man`

use clap::Args;
use clap_complete::Shell;

/// `completion`
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  cutover completion bash > ~/.local/share/bash-completion/completions/cutover
  cutover completion zsh > ~/.zfunc/_cutover
  cutover completion fish > ~/.config/fish/completions/cutover.fish")]
pub struct Completion {
    /// The shell that reads it.
    #[arg(value_enum)]
    pub shell: Shell,
}

/// `man`
#[derive(Debug, Args)]
#[command(
    override_usage = "cutover man [VERB…]",
    after_help = "Examples:
  cutover man > ~/.local/share/man/man1/cutover.1
  cutover man releases prune | man -l -"
)]
pub struct Man {
    /// The verb, and what is to be done with it; the whole program, where it is left out.
    #[arg(value_name = "VERB", num_args = 0..=2)]
    pub words: Vec<String>,
}
