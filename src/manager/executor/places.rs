//! How many actions of each kind are under way at once, and who goes first.
//!
//! ```text
//! create, start    places of their own: the one is the storage's work, the other the CPUs'
//! remove           places of its own; waits a moment for creations that wait for theirs
//! push             few: an archive is much to write
//! ask              many: a question costs LXD little
//! look, collect    as many each: a guest answers, and one that does not keeps its place for long
//! ```

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Semaphore, SemaphorePermit, watch};
use tokio::time::timeout;

use crate::manager::options::Parallel;
use crate::model::Action;

/// Questions cost LXD and guests little; so many more of them than starts may be open at once.
const QUERIES_PER_START: usize = 4;
/// So many archives are pushed at once: more of them would only share the disk.
const PUSHES: usize = 4;
/// A removal waits so long at most for creations: what it takes up is missed too.
const YIELD: Duration = Duration::from_secs(2);

/// Places for actions; cheap to clone.
#[derive(Debug, Clone)]
pub(super) struct Places {
    creates: Arc<Semaphore>,
    starts: Arc<Semaphore>,
    deletes: Arc<Semaphore>,
    pushes: Arc<Semaphore>,
    asks: Arc<Semaphore>,
    looks: Arc<Semaphore>,
    collections: Arc<Semaphore>,
    /// How many creations and starts wait for their place.
    queue: Arc<watch::Sender<usize>>,
}

/// Counts one that waits for its place, until it has it or is broken off.
struct Waiting<'a>(&'a watch::Sender<usize>);

impl<'a> Waiting<'a> {
    fn begin(queue: &'a watch::Sender<usize>) -> Self {
        queue.send_modify(|waiting| *waiting += 1);
        Self(queue)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.send_modify(|waiting| *waiting = waiting.saturating_sub(1));
    }
}

impl Places {
    pub(super) fn new(parallel: Parallel) -> Self {
        let places = |number: usize| Arc::new(Semaphore::new(number.max(1)));
        let queries = parallel.starts.saturating_mul(QUERIES_PER_START);
        Self {
            creates: places(parallel.creates),
            starts: places(parallel.starts),
            deletes: places(parallel.deletes),
            pushes: places(PUSHES),
            asks: places(queries),
            looks: places(queries),
            collections: places(queries),
            queue: Arc::new(watch::Sender::new(0)),
        }
    }

    /// A place for an action, once there is one.
    pub(super) async fn of(&self, action: Action) -> Option<SemaphorePermit<'_>> {
        match action {
            Action::Create => self.ahead(&self.creates).await,
            Action::Start => self.ahead(&self.starts).await,
            Action::Remove => self.remove().await,
            Action::Install => self.pushes.acquire().await.ok(),
            Action::Probe => self.looks.acquire().await.ok(),
            Action::Collect { .. } => self.collections.acquire().await.ok(),
            Action::Freeze | Action::Inspect => self.ask().await,
            // GitHub may be asked first: where it does not answer, nobody else is kept waiting. And a
            // job waits for a thaw.
            Action::HandOver | Action::Quiesce { .. } | Action::Thaw => None,
        }
    }

    /// A place for a question.
    pub(super) async fn ask(&self) -> Option<SemaphorePermit<'_>> {
        self.asks.acquire().await.ok()
    }

    /// A place for a removal.
    pub(super) async fn remove(&self) -> Option<SemaphorePermit<'_>> {
        let mut queue = self.queue.subscribe();
        // Its time is over, or nobody waits.
        drop(timeout(YIELD, queue.wait_for(|waiting| *waiting == 0)).await);
        self.deletes.acquire().await.ok()
    }

    async fn ahead<'a>(&'a self, places: &'a Semaphore) -> Option<SemaphorePermit<'a>> {
        if let Ok(place) = places.try_acquire() {
            return Some(place);
        }
        let _waiting = Waiting::begin(&self.queue);
        places.acquire().await.ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ONE: Parallel = Parallel { creates: 1, starts: 1, deletes: 1 };

    #[tokio::test(start_paused = true)]
    async fn a_removal_lets_creations_go_first_but_not_for_ever() {
        let places = Places::new(ONE);
        let first = places.of(Action::Create).await;
        let begin = tokio::time::Instant::now();
        drop(places.remove().await);
        assert_eq!(begin.elapsed(), Duration::ZERO, "nobody waits for a place");
        let mut second = std::pin::pin!(places.of(Action::Create));
        assert!(futures_util::poll!(&mut second).is_pending());
        drop(places.remove().await);
        assert_eq!(begin.elapsed(), YIELD);
        drop(first);
        assert!(second.await.is_some());
        drop(places.remove().await);
        assert_eq!(begin.elapsed(), YIELD, "it waits no longer");
    }

    #[tokio::test(start_paused = true)]
    async fn who_is_broken_off_does_not_wait_any_more() {
        let places = Places::new(ONE);
        let _first = places.of(Action::Start).await;
        let never = timeout(Duration::from_millis(1), places.of(Action::Start)).await;
        assert!(never.is_err());
        let begin = tokio::time::Instant::now();
        drop(places.remove().await);
        assert_eq!(begin.elapsed(), Duration::ZERO);
    }

    #[tokio::test(start_paused = true)]
    async fn guests_that_do_not_answer_keep_no_credential_waiting() {
        let places = Places::new(ONE);
        let mut hanging = Vec::new();
        for action in [Action::Probe, Action::Collect { logs: true }] {
            while let Ok(place) = timeout(Duration::from_millis(1), places.of(action)).await {
                hanging.push(place);
            }
        }
        assert_eq!(hanging.len(), 2 * QUERIES_PER_START);
        assert!(timeout(Duration::from_millis(1), places.ask()).await.is_ok());
    }

    #[tokio::test(start_paused = true)]
    async fn starts_do_not_wait_for_creations() {
        let places = Places::new(ONE);
        let _create = places.of(Action::Create).await;
        let start = timeout(Duration::from_millis(1), places.of(Action::Start)).await;
        assert!(start.is_ok());
    }
}
