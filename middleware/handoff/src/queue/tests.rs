//! Who is woken for a job, and when.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};

use super::*;
use crate::dispatcher::Watched;

/// Pushes and attends at once.
fn push<T: Send>(queue: &Queue<T>, job: T) -> Result<(), Refused> {
    queue.push(job).map(|pushed| {
        if pushed.is_to_be_told {
            queue.attend();
        }
    })
}

/// Looks after the queue, as a hub does, until something comes.
fn look_until<T, U>(queue: &Queue<T>, coming: &Receiver<U>) -> U
where
    T: Send,
{
    let deadline = Instant::now() + Duration::from_secs(10);
    loop {
        match coming.recv_timeout(PATIENCE) {
            Ok(come) => return come,
            Err(RecvTimeoutError::Timeout) if Instant::now() < deadline => queue.look(),
            Err(error) => panic!("nobody came: {error}"),
        };
    }
}

#[test]
fn a_full_queue_refuses() {
    let queue = Queue::new(2);
    assert_eq!([push(&queue, 1), push(&queue, 2), push(&queue, 3)], [Ok(()), Ok(()), Err(Refused::Full)]);
}

#[test]
fn a_job_for_an_idle_thread_takes_no_place_of_those_that_wait() {
    let queue = Arc::new(Queue::new(1));
    let (taken, jobs) = channel();
    for _ in 0..2 {
        let (queue, taken) = (Arc::clone(&queue), taken.clone());
        thread::spawn(move || {
            while queue.wait() {
                taken.send(queue.next()).unwrap();
                // Held for ever: never at rest.
                thread::park();
            }
        });
    }
    while queue.lock().idle.len() < 2 {
        thread::yield_now();
    }
    // At once, before a thread has been able to wake up.
    assert_eq!([push(&queue, 1), push(&queue, 2)], [Ok(()), Ok(())]);
    for _ in 0..2 {
        assert!(look_until(&queue, &jobs).is_some());
    }
    assert_eq!([push(&queue, 3), push(&queue, 4)], [Ok(()), Err(Refused::Full)]);
}

#[test]
fn what_nobody_wants_makes_room_where_it_is_needed() {
    let queue = Queue::new(2);
    push(&queue, 1).unwrap();
    queue.make_room(|_| true);
    push(&queue, 2).unwrap();
    queue.make_room(|job| *job == 1);
    assert_eq!([push(&queue, 3), push(&queue, 4)], [Ok(()), Err(Refused::Full)]);
    assert_eq!([queue.next().unwrap().job, queue.next().unwrap().job], [2, 3]);
}

#[test]
fn a_job_is_either_begun_or_taken_back() {
    let queue = Queue::new(4);
    let numbers = ['a', 'b', 'c', 'd'].map(|job| queue.push(job).unwrap().number);
    assert_eq!(queue.take_back(numbers[1]), Some('b'));
    let mut begun = Vec::new();
    let mut next = || queue.begin_next(|number| begun.push(number)).map(|taken| taken.job);
    assert_eq!([next(), next()], [Some('a'), Some('c')]);
    assert_eq!(begun, [numbers[0], numbers[2]]);
    assert_eq!(numbers.map(|number| queue.take_back(number)), [None, None, None, Some('d')]);
}

#[test]
fn a_closed_queue_serves_what_waits_and_then_ends() {
    let queue = Queue::new(2);
    push(&queue, 1).unwrap();
    queue.close();
    assert_eq!(push(&queue, 2), Err(Refused::Closed));
    assert!(queue.wait());
    assert_eq!(queue.next().unwrap().job, 1);
    queue.rest();
    assert!(!queue.wait());
}

#[test]
fn only_who_must_do_something_is_told() {
    let queue = Queue::new(8);
    let is_to_be_told = |job| queue.push(job).unwrap().is_to_be_told;
    assert!(is_to_be_told(1) && !is_to_be_told(2));
    assert!(queue.attend(), "nobody has taken the jobs");
    // This thread takes the first one, and runs.
    assert!(queue.wait());
    assert_eq!(queue.next().unwrap().waiting, 1);
    assert!(!is_to_be_told(3));
    assert_eq!((queue.next().unwrap().waiting, queue.next().unwrap().waiting), (1, 0));
    assert!(!queue.look(), "nothing waits");
    assert!(is_to_be_told(4));
}

#[test]
fn a_job_is_taken_while_another_thread_is_held_up() {
    let queue = Arc::new(Queue::new(8));
    // This thread runs and takes a job that never ends.
    push(&queue, 0).unwrap();
    assert!(queue.wait());
    assert_eq!(queue.next().unwrap().job, 0);
    let (taken, jobs) = channel();
    for _ in 0..3 {
        let (queue, taken) = (Arc::clone(&queue), taken.clone());
        thread::spawn(move || {
            while queue.wait() {
                while let Some(next) = queue.next() {
                    taken.send(next.job).unwrap();
                }
                queue.rest();
            }
        });
    }
    for job in 1..100 {
        push(&queue, job).unwrap();
        assert_eq!(look_until(&queue, &jobs), job);
    }
    queue.close();
}

#[test]
fn a_job_is_taken_at_once_where_the_thread_before_is_blocked() {
    let queue = Arc::new(Queue::new(8));
    push(&queue, 0).unwrap();
    assert!(queue.wait());
    assert_eq!(queue.next().unwrap().job, 0);
    let (taken, jobs) = channel();
    let other = thread::spawn({
        let queue = Arc::clone(&queue);
        move || {
            while queue.wait() {
                while let Some(next) = queue.next() {
                    taken.send(next.job).unwrap();
                }
                queue.rest();
            }
        }
    });
    while queue.lock().idle.is_empty() {
        thread::yield_now();
    }
    // Nobody looks after the queue: who waits is told by the block, or by the push itself.
    assert!(!queue.look());
    assert!(queue.push(1).unwrap().is_to_be_told);
    let blocked = queue.block();
    let soon = Duration::from_secs(10);
    assert_eq!(jobs.recv_timeout(soon), Ok(1));
    while queue.lock().idle.is_empty() {
        thread::yield_now();
    }
    queue.attend();
    push(&queue, 2).unwrap();
    assert_eq!(jobs.recv_timeout(soon), Ok(2));
    drop(blocked);
    queue.rest();
    queue.close();
    other.join().unwrap();
    assert_eq!(queue.lock().running, 0);
}

#[test]
fn a_queue_is_looked_after_seldom_while_there_is_nobody_to_wake() {
    let queue = Arc::new(Queue::new(8).holding(PATIENCE * 4));
    assert_eq!(queue.patience(), PATIENCE * 4);
    let _idle = Gated::start(&queue);
    assert_eq!(queue.patience(), PATIENCE);
}

/// Another thread, which passes a gate after it was woken and before it asks for a job.
struct Gated {
    up: Receiver<()>,
    gate: std::sync::mpsc::Sender<()>,
    got: Receiver<Option<i32>>,
}

impl Gated {
    fn start(queue: &Arc<Queue<i32>>) -> Self {
        let ((is_up, up), (gate, opened), (gets, got)) = (channel(), channel(), channel());
        let served = Arc::clone(queue);
        let idle = queue.lock().idle.len();
        thread::spawn(move || {
            while served.wait() {
                is_up.send(()).unwrap();
                opened.recv().unwrap();
                gets.send(served.next().map(|taken| taken.job)).unwrap();
                served.rest();
            }
        });
        while queue.lock().idle.len() == idle {
            thread::yield_now();
        }
        Self { up, gate, got }
    }

    fn pass(&self) -> Option<i32> {
        self.gate.send(()).unwrap();
        self.got.recv_timeout(Duration::from_secs(10)).unwrap()
    }
}

fn pass_the_time_of(patience: Duration) {
    let began = Instant::now();
    while began.elapsed() < patience {
        thread::yield_now();
    }
}

/// A queue that has threads, and of whose jobs this one here has taken the first.
fn taken_from<const N: usize>(jobs: &[i32]) -> (Arc<Queue<i32>>, [Gated; N]) {
    let queue = Arc::new(Queue::new(8));
    let others = [(); N].map(|()| Gated::start(&queue));
    // Nobody attends to it: no thread is woken yet.
    assert!(jobs.iter().all(|job| queue.push(*job).is_ok()));
    assert!(queue.wait());
    assert_eq!(queue.next().map(|taken| taken.job), jobs.first().copied());
    (queue, others)
}

#[test]
fn threads_join_in_one_by_one() {
    let (queue, [_, last]) = taken_from(&[0, 1, 2]);
    look_until(&queue, &last.up);
    for _ in 0..10 {
        pass_the_time_of(PATIENCE);
        queue.look();
        assert_eq!(queue.lock().idle.len(), 1, "the one before has not asked for a job yet");
    }
    assert_eq!(last.pass(), Some(1), "nobody else has taken it");
}

#[test]
fn a_thread_that_could_only_take_turns_with_the_others_rests() {
    let (queue, [other]) = taken_from(&[0, 1, 2, 3]);
    look_until(&queue, &other.up);
    assert_eq!(queue.next().map(|taken| taken.job), Some(1));
    pass_the_time_of(5 * PATIENCE);
    assert_eq!(other.pass(), None, "this thread takes the jobs");
    // The other one is at hand all the same: this thread takes none for longer than that.
    look_until(&queue, &other.up);
    pass_the_time_of(5 * PATIENCE);
    assert_eq!(other.pass(), Some(2));
}

#[test]
fn all_threads_join_in_when_each_job_blocks() {
    let queue = Arc::new(Queue::new(8));
    let all = Arc::new(std::sync::Barrier::new(4));
    let (done, met) = channel();
    for job in 0..4 {
        push(&queue, job).unwrap();
        let (queue, all, done) = (Arc::clone(&queue), Arc::clone(&all), done.clone());
        thread::spawn(move || {
            while queue.wait() {
                while queue.next().is_some() {
                    all.wait();
                    done.send(()).unwrap();
                }
                queue.rest();
            }
        });
    }
    // It comes only if four threads hold one job each.
    look_until(&queue, &met);
    queue.close();
}

#[test]
fn a_queue_is_busy_where_several_jobs_have_come_since_it_was_asked() {
    let queue = Queue::new(8);
    for (jobs, is_busy) in [(1, false), (2, true), (1, false), (1, false), (0, false), (3, true)] {
        for job in 0..jobs {
            push(&queue, job).unwrap();
            // Whether they wait or were taken.
            if job == 1 {
                assert!(queue.next().is_some());
            }
        }
        assert_eq!(queue.is_busy(), is_busy, "{jobs} have come");
    }
    queue.clear();
    assert!(!queue.is_busy());
}
