//! Signals whose handler an application was refused: they must not end the process either.

use std::ffi::c_int;
use std::{mem, ptr};

/// What applications have handlers for and nobody ends a process by. Not among them: what stands for a fault of the program, which
/// would come again without end, and what an operator sends.
const OF_APPLICATIONS: [c_int; 10] = [
    libc::SIGALRM,
    libc::SIGVTALRM,
    libc::SIGPROF,
    libc::SIGUSR1,
    libc::SIGUSR2,
    libc::SIGIO,
    libc::SIGPWR,
    libc::SIGSTKFLT,
    libc::SIGXCPU,
    libc::SIGXFSZ,
];

/// Has a signal do nothing that would end the process, where nobody else has taken care of it.
///
/// A handler, as the programs that applications start would inherit that a signal is ignored, and a handler they do not.
pub(crate) fn disarm(signal: c_int) {
    if !OF_APPLICATIONS.contains(&signal) && !(libc::SIGRTMIN()..=libc::SIGRTMAX()).contains(&signal) {
        return;
    }
    // SAFETY: zeros are a value of the struct, which the first call fills; the handler does nothing, which is allowed at any
    // moment, and needs no more of the stack than any thread has for signals.
    unsafe {
        let mut action: libc::sigaction = mem::zeroed();
        let asked = libc::sigaction(signal, ptr::null(), &raw mut action);
        if asked != 0 || action.sa_sigaction != libc::SIG_DFL {
            return;
        }
        action.sa_sigaction = nothing as extern "C" fn(c_int) as libc::sighandler_t;
        action.sa_flags = libc::SA_RESTART | libc::SA_ONSTACK;
        libc::sigaction(signal, &raw const action, ptr::null_mut());
    }
}

extern "C" fn nothing(_signal: c_int) {}
