//! How long a request took in a process of an application, on its way back to the worker that logs it.
//!
//! It travels in a header of the answer that never leaves the worker. What the application itself calls so is dropped in its
//! process.

use std::sync::Arc;
use std::time::Duration;

use http::{HeaderName, HeaderValue};
use http_environ::Settled;
use http_environ::environ::Hosted;
use vestibule_layers::Response;

/// Microseconds: for the interpreter's lock, and in the application.
static TIMES: HeaderName = HeaderName::from_static("x-vestibule-times");

/// In the process: tells what its host has measured.
pub(crate) fn tell(answer: &mut Response, settled: &Settled) {
    let times = settled.latest().hosted.and_then(|Hosted { locked, running, .. }| {
        HeaderValue::try_from(format!("{} {}", locked.as_micros(), running.as_micros())).ok()
    });
    match times {
        Some(times) => drop(answer.headers_mut().insert(&TIMES, times)),
        None => drop(answer.headers_mut().remove(&TIMES)),
    }
}

/// In the worker: takes what was told, for whoever wants to know. `waited` is the time from when the request was on its way to
/// the processes until its answer began: what was neither for the lock nor in the application went to waiting for them.
pub(crate) fn take(
    answer: &mut Response,
    waited: Duration,
    application: &Arc<str>,
    asking: Option<&Settled>,
) {
    let times = answer.headers_mut().remove(&TIMES);
    let Some(((locked, running), asking)) = times.as_ref().and_then(read).zip(asking) else { return };
    let queued = waited.saturating_sub(locked).saturating_sub(running);
    asking.set_hosted(Hosted { application: Arc::clone(application), queued, locked, running });
}

fn read(times: &HeaderValue) -> Option<(Duration, Duration)> {
    let (locked, running) = times.to_str().ok()?.split_once(' ')?;
    let micros = |text: &str| text.parse().ok().map(Duration::from_micros);
    Some((micros(locked)?, micros(running)?))
}

#[cfg(test)]
mod tests {
    use http_environ::Environ;
    use vestibule_layers::Body;

    use super::*;

    /// What an application answers, where its host has measured `hosted`.
    fn told(hosted: Option<Hosted>) -> Response {
        let mut answer = Response::new(Body::Empty);
        for forged in ["1 2", "3 4"] {
            answer.headers_mut().append(&TIMES, HeaderValue::from_static(forged));
        }
        let settled = Environ::default().settled();
        if let Some(hosted) = hosted {
            settled.set_hosted(hosted);
        }
        tell(&mut answer, &settled);
        answer
    }

    fn hosted(name: &str, queued: u64, locked: u64, running: u64) -> Hosted {
        let [queued, locked, running] = [queued, locked, running].map(Duration::from_micros);
        Hosted { application: name.into(), queued, locked, running }
    }

    #[test]
    fn the_worker_learns_what_the_host_has_measured_and_no_client_does() {
        let mut answer = told(Some(hosted("there", 9, 5, 70)));
        let asking = Environ::default().settled();
        take(&mut answer, Duration::from_millis(1), &"here".into(), Some(&asking));
        assert_eq!(asking.latest().hosted, Some(hosted("here", 925, 5, 70)));
        assert!(answer.headers().is_empty(), "{:?}", answer.headers());
    }

    #[test]
    fn an_application_cannot_tell_times() {
        let mut answer = told(None);
        assert!(answer.headers().is_empty(), "{:?}", answer.headers());
        let asking = Environ::default().settled();
        take(&mut answer, Duration::from_millis(1), &"here".into(), Some(&asking));
        assert_eq!(asking.latest().hosted, None);
    }

    #[test]
    fn times_that_are_none_are_dropped() {
        for odd in ["", "1", "1 b", "-1 2", "1 2 3", "99999999999999999999 1"] {
            let mut answer = Response::new(Body::Empty);
            answer.headers_mut().insert(&TIMES, HeaderValue::from_static(odd));
            let asking = Environ::default().settled();
            take(&mut answer, Duration::ZERO, &"here".into(), Some(&asking));
            assert!(asking.latest().hosted.is_none() && answer.headers().is_empty(), "{odd}");
        }
    }
}
