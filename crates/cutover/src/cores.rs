//! What is left when a program crashes.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Leaves no core file, of this process and of those that it starts: all of them hold secrets.  An
/// application that wants one may raise its own limit again.
pub fn forbid() {
    let maximum = getrlimit(Resource::Core).maximum;
    // Where it is refused the limit is what it was, and nothing else is different.
    let _ = setrlimit(Resource::Core, Rlimit { current: Some(0), maximum });
}
