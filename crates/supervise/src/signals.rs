//! What signals do to this process, and which descriptors it starts with.

#![allow(
    unsafe_code,
    reason = "neither std nor rustix sets a signal's disposition or closes ranges"
)]

use std::{mem::MaybeUninit, ptr};

const SIGNAL_HIGHEST: libc::c_int = 64;
const FIRST_BEYOND_STDIO: libc::c_uint = 3;

/// Signals that do no more than wake the loop up: the system's shutdown ends everything anyway, and
/// to end an instance one asks over the socket.
const SIGNALS_THAT_ONLY_WAKE: [libc::c_int; 6] =
    [libc::SIGTERM, libc::SIGINT, libc::SIGHUP, libc::SIGQUIT, libc::SIGPIPE, libc::SIGCHLD];

/// Defaults for every signal that was ignored, no signal blocked, and handlers that do nothing for
/// those that must not end us.  Unlike "ignore", a handler does not outlive the child's exec.
pub(crate) fn settle() {
    for signal in 1..=SIGNAL_HIGHEST {
        let mut current = MaybeUninit::<libc::sigaction>::zeroed();
        // SAFETY: a null new action only reads the current one into memory of the right type.
        let read = unsafe { libc::sigaction(signal, ptr::null(), current.as_mut_ptr()) };
        // SAFETY: sigaction succeeded and so filled it; else it is all zero, a valid value too.
        let ignored = unsafe { current.assume_init() }.sa_sigaction == libc::SIG_IGN;
        if read == 0 && ignored {
            set(signal, libc::SIG_DFL);
        }
    }
    for signal in SIGNALS_THAT_ONLY_WAKE {
        set(signal, do_nothing as *const () as libc::sighandler_t);
    }
    let mut none = MaybeUninit::<libc::sigset_t>::zeroed();
    // SAFETY: both calls get a pointer to a live set, and the first makes it an empty one.
    unsafe {
        libc::sigemptyset(none.as_mut_ptr());
        libc::sigprocmask(libc::SIG_SETMASK, none.as_ptr(), ptr::null_mut());
    }
}

/// Closes every descriptor but stdin, stdout, stderr and the next `kept` ones.  Only for the very
/// start of a role, when nothing in this process owns a descriptor yet.
pub(crate) fn close_inherited_descriptors(kept: usize) {
    let kept = libc::c_uint::try_from(kept).unwrap_or(0);
    // SAFETY: no descriptor beyond stdio has an owner in this process yet (see above).
    unsafe {
        libc::syscall(libc::SYS_close_range, FIRST_BEYOND_STDIO + kept, libc::c_uint::MAX, 0);
    }
}

/// From now on SIGTERM ends this process at once.
pub(crate) fn end_by_term() {
    set(libc::SIGTERM, libc::SIG_DFL);
}

extern "C" fn do_nothing(_: libc::c_int) {}

fn set(signal: libc::c_int, handler: libc::sighandler_t) {
    // SAFETY: all zero is a valid sigaction; the handler is one of the two constants or a function
    // that touches nothing, and so is safe at any moment.
    unsafe {
        let mut action = MaybeUninit::<libc::sigaction>::zeroed().assume_init();
        action.sa_sigaction = handler;
        action.sa_flags = libc::SA_RESTART;
        libc::sigaction(signal, &action, ptr::null_mut());
    }
}
