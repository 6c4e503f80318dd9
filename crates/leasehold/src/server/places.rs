//! Who holds a connection, and who makes room when all places are taken: first the one that was opened longest ago and
//! never used, then the one that was idle longest, and last one whose review nobody can be waiting for any more. So
//! clients that open connections and leave them cannot keep the API server out.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::{Notify, oneshot};
use tokio::time::Instant;

/// After this time nobody waits for an answer: an API server gives a webhook 30 s at most.
const FORGOTTEN: Duration = Duration::from_secs(60);

/// All places. Clones share them.
#[derive(Debug, Clone)]
pub struct Places {
    shared: Arc<Shared>,
    most: usize,
}

#[derive(Debug, Default)]
struct Shared {
    state: Mutex<State>,
    changed: Notify,
}

#[derive(Debug, Default)]
struct State {
    next: u64,
    holders: BTreeMap<u64, Holder>,
}

#[derive(Debug)]
struct Holder {
    /// Taken when the holder was asked to leave.
    leave: Option<oneshot::Sender<()>>,
    used: bool,
    under_way: usize,
    /// When it was opened, or when its last request came or ended.
    last: Instant,
}

/// A place that is held until this value is dropped.
#[derive(Debug)]
pub struct Place {
    usage: Usage,
    leave: oneshot::Receiver<()>,
}

/// What the requests on a connection tell about it.
#[derive(Debug, Clone)]
pub struct Usage {
    id: u64,
    places: Places,
}

/// A request under way; it ends when this value is dropped.
#[derive(Debug)]
pub struct UnderWay(Usage);

impl Places {
    /// At most `most` connections, and as many again that were asked to leave and have a moment to do so.
    #[must_use]
    pub fn new(most: usize) -> Self {
        Self {
            shared: Arc::default(),
            most,
        }
    }

    /// A place for a new connection. When all are taken somebody is asked to leave; none while all are busy.
    #[must_use]
    pub fn take(&self, now: Instant) -> Option<Place> {
        let mut state = self.state();
        let staying = state.holders.values().filter(|h| h.leave.is_some()).count();
        if staying >= self.most && !state.ask_one_to_leave(now) {
            return None;
        }
        if state.holders.len() >= self.most * 2 {
            return None;
        }
        let (sender, leave) = oneshot::channel();
        let id = state.next;
        state.next += 1;
        let holder = Holder {
            leave: Some(sender),
            used: false,
            under_way: 0,
            last: now,
        };
        state.holders.insert(id, holder);
        let usage = Usage {
            id,
            places: self.clone(),
        };
        Some(Place { usage, leave })
    }

    /// Asks somebody to leave although there are places: something else has run out.
    pub fn make_room(&self, now: Instant) {
        self.state().ask_one_to_leave(now);
    }

    /// Returns when somebody has left or has become idle since the last call.
    pub async fn changed(&self) {
        self.shared.changed.notified().await;
    }

    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.shared
            .state
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn ask_one_to_leave(&mut self, now: Instant) -> bool {
        let may_leave = |holder: &&mut Holder| {
            let forgotten = now.saturating_duration_since(holder.last) > FORGOTTEN;
            holder.leave.is_some() && (holder.under_way == 0 || forgotten)
        };
        let first = self
            .holders
            .values_mut()
            .filter(may_leave)
            .min_by_key(|holder| (holder.under_way > 0, holder.used, holder.last));
        let Some(sender) = first.and_then(|holder| holder.leave.take()) else {
            return false;
        };
        // Who is gone already has left.
        sender.send(()).is_ok()
    }
}

impl Place {
    /// For the requests on this connection.
    #[must_use]
    pub fn usage(&self) -> Usage {
        self.usage.clone()
    }

    /// Returns when this connection is to make room.
    pub async fn asked_to_leave(&mut self) {
        if (&mut self.leave).await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let places = &self.usage.places;
        places.state().holders.remove(&self.usage.id);
        places.shared.changed.notify_one();
    }
}

impl Usage {
    /// Whether a request has ever come.
    #[must_use]
    pub fn is_used(&self) -> bool {
        self.places
            .state()
            .holders
            .get(&self.id)
            .is_some_and(|holder| holder.used)
    }

    /// A request has come.
    #[must_use]
    pub fn begin(&self, now: Instant) -> UnderWay {
        if let Some(holder) = self.places.state().holders.get_mut(&self.id) {
            holder.used = true;
            holder.under_way += 1;
            holder.last = now;
        }
        UnderWay(self.clone())
    }
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        let places = &self.0.places;
        if let Some(holder) = places.state().holders.get_mut(&self.0.id) {
            holder.under_way = holder.under_way.saturating_sub(1);
            holder.last = Instant::now();
        }
        places.shared.changed.notify_one();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn is_asked(place: &mut Place) -> bool {
        tokio::time::timeout(Duration::ZERO, place.asked_to_leave())
            .await
            .is_ok()
    }

    #[tokio::test(start_paused = true)]
    async fn the_silent_leave_before_the_idle_and_the_busy_stay() {
        let places = Places::new(3);
        let mut idle = places.take(Instant::now()).unwrap();
        drop(idle.usage().begin(Instant::now()));
        tokio::time::advance(Duration::from_secs(1)).await;
        let mut busy = places.take(Instant::now()).unwrap();
        let review = busy.usage().begin(Instant::now());
        tokio::time::advance(Duration::from_secs(1)).await;
        let mut silent = places.take(Instant::now()).unwrap();

        let _fourth = places.take(Instant::now()).unwrap();
        assert!(is_asked(&mut silent).await, "who never asked anything");
        drop(silent);
        let fifth = places.take(Instant::now()).unwrap();
        assert!(
            !is_asked(&mut idle).await,
            "the fourth is silent, so it goes first"
        );
        let under_way = fifth.usage().begin(Instant::now());
        let sixth = places.take(Instant::now()).unwrap();
        assert!(is_asked(&mut idle).await, "who was idle longest");
        assert!(!is_asked(&mut busy).await);
        let last = sixth.usage().begin(Instant::now());
        drop(idle);
        assert!(places.take(Instant::now()).is_none(), "all are busy");

        tokio::time::advance(FORGOTTEN + Duration::from_secs(1)).await;
        assert!(places.take(Instant::now()).is_some());
        assert!(
            is_asked(&mut busy).await,
            "nobody waits for its answer any more"
        );
        drop((review, under_way, last));
    }

    #[tokio::test(start_paused = true)]
    async fn who_does_not_leave_when_asked_is_counted_too() {
        let places = Places::new(2);
        let stubborn: Vec<Place> = (0..4)
            .map(|_| places.take(Instant::now()).unwrap())
            .collect();
        assert!(places.take(Instant::now()).is_none());
        drop(stubborn);
        assert!(places.take(Instant::now()).is_some());
    }
}
