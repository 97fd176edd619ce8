use super::*;
use crate::sheet::Policy;

/// How long a test waits for what must come.
const TEST_PATIENCE: Duration = Duration::from_secs(60);

/// A template that takes months over a thousand elements, if it is not told to end.
const ENDLESS: &str = r#"<xsl:for-each select="//*"><xsl:for-each select="//*"><xsl:for-each select="//*"><xsl:for-each select="//*"><x/></xsl:for-each></xsl:for-each></xsl:for-each></xsl:for-each>"#;
/// The same in one expression, within which libxslt does not look whether it is to end.
const DEAF: &str = r#"<xsl:value-of select="count(//*[count(//*[count(//*[count(//*) > 0]) > 0]) > 0])"/>"#;
const QUICK: &str = "<x/>";

fn task(template: &str, limits: Limits) -> Task {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("sheet.xsl");
    let sheet = format!(
        r#"<xsl:stylesheet version="1.0" xmlns:xsl="http://www.w3.org/1999/XSL/Transform"><xsl:template match="/">{template}</xsl:template></xsl:stylesheet>"#
    );
    std::fs::write(&path, sheet).unwrap();
    Task {
        stylesheet: Stylesheet::compile([path], &Policy::default()).unwrap(),
        document: Bytes::from(format!("<a>{}</a>", "<e/>".repeat(1_000))),
        kind: InputKind::Xml,
        charset: None,
        params: Vec::new(),
        fetched: crate::documents::Fetched::default(),
        limits: Arc::new(limits),
    }
}

fn endless() -> Task {
    task(ENDLESS, Limits { operations: u64::MAX, time: TEST_PATIENCE, ..Limits::default() })
}

fn quick() -> Task {
    task(QUICK, Limits { time: TEST_PATIENCE, ..Limits::default() })
}

/// Waits until something holds, while a future goes on.
async fn until(mut future: impl Future<Output = impl Sized> + Unpin, holds: impl Fn() -> bool) {
    let come_true = async {
        while !holds() {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    tokio::select! {
        biased;
        _ = &mut future => panic!("the future has ended"),
        come_true = timeout(TEST_PATIENCE, come_true) => come_true.expect("it does not come true"),
    }
}

#[tokio::test]
async fn what_nobody_waits_for_ends_or_never_begins() {
    let pool = Pool::new(1, 1);
    let waiting = || pool.0.0.queue.len();
    let mut running = Box::pin(pool.transform(endless()));
    until(&mut running, || waiting() == 0).await;
    let mut queued = Box::pin(pool.transform(endless()));
    until(&mut queued, || waiting() == 1).await;
    assert!(matches!(pool.transform(quick()).await, Err(XsltError::Busy)));
    drop(queued);
    let mut next = Box::pin(pool.transform(quick()));
    until(&mut next, || waiting() == 1).await;
    drop(running);
    next.await.unwrap();
}

#[tokio::test]
async fn a_thread_that_does_not_come_back_is_replaced_until_it_does() {
    let pool = Pool::new(1, 4);
    let deaf = task(DEAF, Limits { time: Duration::from_millis(100), ..Limits::default() });
    // On a busy machine, its time may be over before it has begun.
    while pool.0.0.lock().lost == 0 {
        assert!(matches!(pool.transform(deaf.clone()).await, Err(XsltError::Limit(Limit::Time))));
    }
    pool.transform(quick()).await.unwrap();
    until(std::future::pending::<()>(), || {
        let count = pool.0.0.lock();
        count.live == 1 && count.lost == 0
    })
    .await;
    pool.transform(quick()).await.unwrap();
}

#[tokio::test]
async fn a_process_whose_spare_threads_are_all_lost_is_worn_out() {
    let pool = Pool::new(1, 4);
    // Long enough for all to be lost at once; and they end.
    let deaf =
        task(DEAF, Limits { time: Duration::from_millis(100), operations: 300_000_000, ..Limits::default() });
    let is_worn = async {
        let mut worn = Box::pin(crate::worn_out());
        loop {
            tokio::select! {
                biased;
                why = &mut worn => return why,
                outcome = pool.transform(deaf.clone()) => assert!(outcome.is_err()),
            }
        }
    };
    let why = timeout(TEST_PATIENCE, is_worn).await.expect("it wears out");
    assert!(why.starts_with("XSLT has lost threads to transforms that do not end: "), "{why}");
    let count = pool.0.0.lock();
    assert!(count.live == 1 + SPARE && count.short_since.is_some(), "{count:?}");
}

#[tokio::test]
async fn threads_end_with_the_pool() {
    let pool = Pool::new(2, 4);
    pool.transform(quick()).await.unwrap();
    let shared = Arc::downgrade(&pool.0.0);
    drop(pool);
    until(std::future::pending::<()>(), || shared.strong_count() == 0).await;
}
