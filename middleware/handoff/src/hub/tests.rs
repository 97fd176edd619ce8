//! Answers on their way, and what becomes of them where one side has left.

use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::task::{Context, Poll};

use super::*;
use crate::{Lost, Taken};

static HUBS: Hubs<u32> = Hubs::new();

thread_local! {
    static HUB: Kept<u32> = const { Kept::of(&HUBS) };
}

/// Far beyond what any of this takes.
const LONG: Duration = Duration::from_secs(60);
const SHORT: Duration = Duration::from_millis(50);

type Questions = Queue<(u32, Reply<u32>)>;

/// How many are asked in all.
const REQUESTS: u32 = 20_000;

fn reply() -> (Reply<u32>, Answer<u32>) {
    HUB.with(Kept::hub).reply()
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap()
}

#[test]
fn answers_of_other_threads_arrive() {
    runtime().block_on(async {
        let (replies, answers): (Vec<_>, Vec<_>) = (0..100).map(|_| reply()).unzip();
        let thread = std::thread::spawn(move || {
            for (number, reply) in (0..).zip(replies) {
                reply.send(number);
            }
        });
        for (number, answer) in (0..).zip(answers) {
            assert_eq!(answer.await, Ok(number));
        }
        thread.join().unwrap();
    });
}

#[test]
fn a_later_runtime_on_the_same_thread_has_a_hub_of_its_own() {
    let (stale, _) = runtime().block_on(async { reply() });
    runtime().block_on(async {
        let (reply, answer) = reply();
        std::thread::spawn(move || {
            stale.send(1);
            reply.send(2);
        });
        assert_eq!(answer.await, Ok(2));
    });
}

#[test]
fn who_waits_is_woken_where_its_hub_is_no_longer_that_of_the_thread() {
    struct Woken(std::sync::mpsc::Sender<()>);
    impl std::task::Wake for Woken {
        fn wake(self: Arc<Self>) {
            self.0.send(()).unwrap();
        }
    }
    let (tell, told) = std::sync::mpsc::channel();
    let first = runtime();
    let (reply, mut answer) = first.block_on(async { reply() });
    // The thread has another hub from now on, and the first runtime is still there.
    runtime().block_on(async { HUB.with(Kept::hub) });
    let waker = Arc::new(Woken(tell)).into();
    assert!(Pin::new(&mut answer).poll(&mut Context::from_waker(&waker)).is_pending());
    reply.send(1);
    first.block_on(tokio::task::yield_now());
    assert_eq!(told.try_iter().count(), 1);
    assert_eq!(first.block_on(answer), Ok(1));
}

#[test]
fn an_answer_is_found_in_another_runtime_when_that_of_its_hub_has_ended() {
    let [(early, first), (late, second)] = runtime().block_on(async { [reply(), reply()] });
    early.send(1);
    runtime().block_on(async {
        assert_eq!(first.await, Ok(1));
        let thread = std::thread::spawn(move || late.send(2));
        assert_eq!(second.await, Ok(2));
        thread.join().unwrap();
    });
}

#[test]
fn a_runtime_that_ends_leaves_the_queues_that_it_was_to_attend_to_to_others() {
    let queue = Arc::new(Queue::new(2));
    let (tell, told) = std::sync::mpsc::channel();
    let served = Arc::clone(&queue);
    let thread = std::thread::spawn(move || {
        while served.wait() {
            while let Some(taken) = served.next() {
                tell.send(taken.job).unwrap();
            }
            served.rest();
        }
    });
    runtime().block_on(async {
        let hub = HUB.with(Kept::hub);
        let (reply, answer) = hub.reply();
        hub.push(&queue, 1).unwrap();
        reply.send(0);
        // The runtime ends with this answer, which the dispatcher hands out before it attends to the queue.
        answer.await.unwrap();
    });
    assert_eq!(told.recv_timeout(LONG), Ok(1));
    runtime().block_on(async {
        HUB.with(Kept::hub).push(&queue, 2).unwrap();
        tokio::task::spawn_blocking(move || assert_eq!(told.recv_timeout(LONG), Ok(2))).await.unwrap();
    });
    queue.close();
    thread.join().unwrap();
}

#[test]
fn answers_are_held_back_while_many_more_requests_wait() {
    runtime().block_on(async {
        let hub = HUB.with(Kept::hub);
        let queue = Arc::new(Queue::new(1));
        hub.push(&queue, ()).unwrap();
        let is_up = async {
            while !(hub.lock().is_looking && hub.lock().waker.is_some()) {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(LONG, is_up).await.unwrap();
        let mut answers = Vec::new();
        for (waiting, is_held) in [(FEW, true), (2 * FEW, true), (2 * FEW, false)] {
            let (mut reply, mut answer) = reply();
            assert!(poll_fn(|context| Poll::Ready(Pin::new(&mut answer).poll(context))).await.is_pending());
            reply.is_followed(waiting, Instant::now(), Duration::ZERO);
            reply.send(0);
            assert_eq!(hub.lock().waker.is_some(), is_held, "{waiting} wait");
            answers.push(answer);
        }
        for answer in answers {
            assert_eq!(answer.await, Ok(0));
        }
    });
}

#[test]
fn a_reply_knows_that_nobody_waits() {
    runtime().block_on(async {
        let (reply, answer) = reply();
        assert!(!reply.is_abandoned());
        drop(answer);
        assert!(reply.is_abandoned());
    });
}

#[test]
fn an_answer_that_was_taken_away_or_given_up_is_lost() {
    runtime().block_on(async {
        let (reply, mut answer) = self::reply();
        reply.send(1);
        assert_eq!((&mut answer).await, Ok(1));
        assert_eq!(answer.await, Err(Lost::GivenUp), "it is taken away only once");
        let (given_up, answer) = self::reply();
        let thread = std::thread::spawn(move || drop(given_up));
        assert_eq!(answer.await, Err(Lost::GivenUp));
        thread.join().unwrap();
    });
}

#[test]
fn an_answer_that_nobody_waits_for_is_dropped_at_once_whoever_comes_first() {
    static HUBS: Hubs<Arc<()>> = Hubs::new();
    runtime().block_on(async {
        let kept = Kept::of(&HUBS);
        let held = Arc::new(());
        for is_closed_first in [true, false] {
            let (reply, mut answer) = kept.hub().reply();
            if is_closed_first {
                answer.close();
                assert!(reply.is_abandoned());
            }
            reply.send(Arc::clone(&held));
            drop(answer);
            assert_eq!(Arc::strong_count(&held), 1);
        }
        // One place was enough for all of them.
        let hub = kept.hub();
        let places: Vec<_> = (0..3).map(|_| hub.lock().places.open(Waiting::default()).0).collect();
        assert_eq!(places, [0, 1, 2]);
    });
}

#[test]
fn a_hub_is_used_again_when_its_runtime_has_ended_or_its_thread_has_another_one() {
    static HUBS: Hubs<()> = Hubs::new();
    let use_hub = |runtime: &tokio::runtime::Runtime, kept: &Kept<()>| {
        runtime.block_on(async { std::ptr::from_ref(kept.hub()) })
    };
    let kept = Kept::of(&HUBS);
    let (first, second) = (runtime(), runtime());
    let hubs = [&first, &second].map(|runtime| use_hub(runtime, &kept));
    assert_ne!(hubs[0], hubs[1]);
    for _ in 0..10 {
        for runtime in [&first, &second] {
            // The one that was retired ends when its runtime has its turn.
            runtime.block_on(tokio::task::yield_now());
            assert!(hubs.contains(&use_hub(runtime, &kept)));
        }
    }
    drop((first, second));
    for _ in 0..10 {
        assert!(hubs.contains(&use_hub(&runtime(), &kept)));
    }
}

#[test]
fn each_answer_is_late_at_its_own_time_whatever_others_wait() {
    runtime().block_on(async {
        let began = Instant::now();
        let hub = HUB.with(Kept::hub);
        let within = |time| poll_fn(move |context| Poll::Ready(hub.reply_to(context.waker(), Some(time))));
        let (_long, mut never) = within(LONG).await;
        drop(within(SHORT / 2).await);
        let (first_reply, first) = within(SHORT).await;
        let (late_reply, late) = within(SHORT).await;
        let (_endless, mut endless) = within(Duration::MAX).await;
        let (_second, second) = within(2 * SHORT).await;
        assert_eq!(second.await, Err(Lost::Late));
        assert!(began.elapsed() >= 2 * SHORT);
        assert!(!first_reply.is_abandoned(), "nobody has been told yet that it is late");
        first_reply.send(1);
        assert_eq!(first.await, Ok(1));
        assert_eq!(late.await, Err(Lost::Late));
        assert!(late_reply.is_abandoned());
        for never in [&mut never, &mut endless] {
            assert!(tokio::time::timeout(SHORT, never).await.is_err());
        }
    });
}

#[test]
fn an_answer_is_late_where_its_hub_is_no_longer_that_of_the_thread() {
    static HUBS: Hubs<()> = Hubs::new();
    let kept = Kept::of(&HUBS);
    let first = runtime();
    let (_reply, answer) = first.block_on(async {
        let hub = kept.hub();
        poll_fn(|context| Poll::Ready(hub.reply_to(context.waker(), Some(SHORT)))).await
    });
    runtime().block_on(async { kept.hub() });
    let answered = first.block_on(async { tokio::time::timeout(LONG, answer).await });
    assert_eq!(answered, Ok(Err(Lost::Late)));
}

#[test]
fn when_nobody_waits_any_longer_nobody_looks() {
    runtime().block_on(async {
        let hub = HUB.with(Kept::hub);
        let (_reply, answer) =
            poll_fn(|context| Poll::Ready(hub.reply_to(context.waker(), Some(SHORT)))).await;
        assert_eq!(answer.await, Err(Lost::Late));
        assert_eq!(hub.lock().places.first(), None);
    });
}

/// Asks, and finds the own answer; some are given up, some are late, some leave, and some were asked for by others before.
async fn ask(queue: Arc<Questions>, number: u32) {
    let hub = HUB.with(Kept::hub);
    let within = if number.is_multiple_of(5) { Duration::ZERO } else { LONG };
    let (reply, mut answer) =
        poll_fn(|context| Poll::Ready(hub.reply_to(context.waker(), Some(within)))).await;
    hub.push(&queue, (number, reply)).unwrap();
    if number.is_multiple_of(11) {
        return;
    }
    let asked = if number.is_multiple_of(3) {
        Pin::new(&mut answer).poll(&mut Context::from_waker(Waker::noop()))
    } else {
        Poll::Pending
    };
    let answered = if let Poll::Ready(answered) = asked { answered } else { answer.await };
    match answered {
        Ok(answered) => assert!(answered == number && !number.is_multiple_of(7)),
        Err(Lost::GivenUp) => assert!(number.is_multiple_of(7)),
        Err(Lost::Late) => assert!(number.is_multiple_of(5)),
    }
}

/// Two threads that answer what is asked, until the queue is closed.
fn answering() -> (Arc<Questions>, [std::thread::JoinHandle<()>; 2]) {
    let queue = Arc::new(Questions::new(REQUESTS as usize));
    let threads = [(); 2].map(|()| {
        let queue = Arc::clone(&queue);
        std::thread::spawn(move || {
            while queue.wait() {
                while let Some(Taken { job: (number, mut reply), at, waiting }) = queue.next() {
                    reply.is_followed(waiting, at, Duration::from_micros(50));
                    if number.is_multiple_of(7) { drop(reply) } else { reply.send(number) }
                }
                queue.rest();
            }
        })
    });
    (queue, threads)
}

#[test]
fn no_answer_and_no_wake_up_is_lost_between_threads() {
    const TASKS: u32 = 8;
    let (queue, threads) = answering();
    runtime().block_on(async {
        let tasks = (0..TASKS).map(|task| {
            let queue = Arc::clone(&queue);
            tokio::spawn(async move {
                for number in (task..REQUESTS).step_by(TASKS as usize) {
                    ask(Arc::clone(&queue), number).await;
                }
            })
        });
        for task in tasks.collect::<Vec<_>>() {
            tokio::time::timeout(LONG, task).await.expect("nobody waits in vain").unwrap();
        }
    });
    queue.close();
    for thread in threads {
        thread.join().unwrap();
    }
}

#[test]
fn no_answer_and_no_wake_up_is_lost_where_who_has_asked_goes_to_another_thread() {
    let (queue, threads) = answering();
    let (send, mut receive) = tokio::sync::mpsc::channel(8);
    let other = std::thread::spawn(move || {
        runtime().block_on(async {
            let mut asking = tokio::task::JoinSet::new();
            while let Some(asked) = receive.recv().await {
                asking.spawn(asked);
            }
            tokio::time::timeout(LONG, asking.join_all()).await.expect("nobody waits in vain");
        });
    });
    runtime().block_on(async {
        for number in 0..REQUESTS {
            let mut asked = Box::pin(ask(Arc::clone(&queue), number));
            if poll_fn(|context| Poll::Ready(asked.as_mut().poll(context))).await.is_pending() {
                send.send(asked).await.unwrap();
            }
        }
        drop(send);
        // The hub is this runtime's: it goes on until all have their answers.
        tokio::task::spawn_blocking(|| other.join().unwrap()).await.unwrap();
    });
    queue.close();
    for thread in threads {
        thread.join().unwrap();
    }
}
