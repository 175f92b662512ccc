//! How the allocator keeps what was freed.

#![allow(unsafe_code, reason = "the allocator's options have no safe form")]

/// Enough for the controller's two busy threads.
#[cfg(target_env = "gnu")]
const ARENAS_MAX: libc::c_int = 2;

/// Lets all threads share a few arenas.  Of its own accord glibc gives each thread its own, and
/// keeps in each what that thread once needed: a controller that reads its history on many threads
/// would hold it many times over, for ever.
pub fn share() {
    #[cfg(target_env = "gnu")]
    // SAFETY: it sets a number that is read when a thread allocates for the first time; no other
    // thread runs yet.
    unsafe {
        // Where it is refused, more memory is kept, and nothing else is different.
        libc::mallopt(libc::M_ARENA_MAX, ARENAS_MAX);
    }
}
