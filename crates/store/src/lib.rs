//! The journal: intents and outcomes in `state.db`, and the only place that knows SQL.
//!
//! One thread holds the one connection that writes.  What a writing call wrote is on disk when it
//! returns.  A write that fails breaks the store for good: where the journal cannot be written,
//! nothing more may be done.  Whoever only reads takes [`read_only`], beside a running daemon or
//! without one.
//!
//! What is stored holds no variable's value: requests are not kept, only what was asked in words.

mod anew;
mod event;
mod fold;
mod job_book;
mod journal;
mod line;
mod lock;
mod look;
mod mask;
mod open;
mod position;
mod queue;
mod read_only;
mod reserve;
mod schema;
mod store;
mod table;
mod trouble;
mod word;
mod writer;

pub use anew::anew;
pub use lock::HolderState;
pub use open::{OpenError, WAY_OUT, open, open_if};
pub use position::Position;
pub use read_only::{ReadOnly, read_only};
pub use store::Store;
