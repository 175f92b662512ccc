//! What every verb needs: where the state lies, which configuration is meant, how to print.

use crate::{cli::grammar::Globals, halt::Halt, person, state_root, ui::Ui};
use drivers::layout::Layout;
use std::path::PathBuf;

/// One run of the command line.
pub struct Session {
    /// The state directory, absolute.
    pub root: PathBuf,
    /// `-f`.
    pub file: Option<PathBuf>,
    /// Prints.
    pub ui: Ui,
    /// Who asks.
    pub by: String,
}

impl Session {
    /// By the global options; gives `ui` back where it cannot be.
    pub fn new(globals: &Globals, ui: Ui) -> Result<Session, (Ui, Halt)> {
        match state_root::resolve(globals.root.as_deref()) {
            Ok(root) => Ok(Session { root, file: globals.file.clone(), ui, by: person::name() }),
            Err(halt) => Err((ui, halt)),
        }
    }

    /// The paths under the state directory.
    pub fn layout(&self) -> Layout {
        Layout::new(&self.root)
    }
}
