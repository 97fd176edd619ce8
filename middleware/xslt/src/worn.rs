//! A process that should be replaced: its threads for transforms do not come back.

use std::sync::LazyLock;

use tokio::sync::watch;

static WORN: LazyLock<watch::Sender<Option<String>>> = LazyLock::new(|| watch::Sender::new(None));

/// Waits until a [`Pool`](crate::Pool) of this process has lost more threads than it has spare ones, and tells so. No thread can be
/// ended from outside: whoever runs the process starts another, and lets this one finish what still goes on.
pub async fn worn_out() -> String {
    let mut worn = WORN.subscribe();
    match worn.wait_for(Option::is_some).await {
        Ok(why) => why.clone().unwrap_or_default(),
        // The sender is never dropped.
        Err(_) => std::future::pending().await,
    }
}

/// The process is worn out; the first reason counts.
pub(crate) fn out(why: impl FnOnce() -> String) {
    WORN.send_if_modified(|known| {
        let is_first = known.is_none();
        if is_first {
            *known = Some(why());
        }
        is_first
    });
}
