//! A process that should be replaced: threads do not come back, or an application has served its share of requests.

use std::sync::LazyLock;

use tokio::sync::watch;

static WORN: LazyLock<watch::Sender<Option<String>>> = LazyLock::new(|| watch::Sender::new(None));

/// Waits until this process is worn out, and tells why: it still serves, but not for long or not as well. Whoever started it
/// starts another, and then lets this one drain.
pub async fn worn_out() -> String {
    let mut worn = WORN.subscribe();
    match worn.wait_for(Option::is_some).await {
        Ok(why) => why.clone().unwrap_or_default(),
        // The sender is never dropped.
        Err(_) => std::future::pending().await,
    }
}

/// The process is worn out; the first reason counts.
pub(crate) fn out(why: String) {
    WORN.send_if_modified(|known| {
        let is_first = known.is_none();
        if is_first {
            *known = Some(why);
        }
        is_first
    });
}
