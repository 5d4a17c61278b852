//! Single flight: requests that are under way and have the same key share one call.
//!
//! The first to come makes the call; whoever comes before it is answered waits for the same result,
//! however it wants the answer delivered.
//! If the maker vanishes (its client hung up), one of the waiting takes over: a [`OnceCell`] whose
//! initialiser is dropped lets the next one initialise it. Invariant: no result outlives its flight;
//! what comes later has to ask the cache.

use std::{
    collections::HashMap,
    hash::Hash,
    sync::{Arc, Mutex, PoisonError, Weak},
};

use tokio::sync::OnceCell;

type Table<K, T> = Arc<Mutex<HashMap<K, Weak<Flight<K, T>>>>>;

/// The calls under way, by what may share one. `T` is what they end in.
#[derive(Debug)]
pub struct Flights<K: Hash + Eq, T> {
    flights: Table<K, T>,
}

impl<K: Hash + Eq, T> Default for Flights<K, T> {
    fn default() -> Self {
        Self {
            flights: Arc::default(),
        }
    }
}

/// One call.
#[derive(Debug)]
pub struct Flight<K: Hash + Eq, T> {
    key: K,
    result: OnceCell<T>,
    flights: Table<K, T>,
}

/// Whose call the result is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// This request made it.
    Leader,
    /// Another request made it.
    Follower,
}

impl<K: Hash + Eq + Clone, T: Clone> Flights<K, T> {
    /// The flight for these requests, a new one if there is none.
    #[must_use]
    pub fn join(&self, key: K) -> Arc<Flight<K, T>> {
        let mut flights = self.flights.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(flight) = flights.get(&key).and_then(Weak::upgrade) {
            return flight;
        }
        let flight = Flight {
            key: key.clone(),
            result: OnceCell::new(),
            flights: Arc::clone(&self.flights),
        };
        let flight = Arc::new(flight);
        flights.insert(key, Arc::downgrade(&flight));
        flight
    }

    /// How many calls are under way.
    #[must_use]
    pub fn len(&self) -> usize {
        self.flights
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .len()
    }

    /// Whether no call is under way.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl<K: Hash + Eq, T: Clone> Flight<K, T> {
    /// The result, made by `call` if nobody else makes it.
    pub async fn result(&self, call: impl AsyncFnOnce() -> T) -> (T, Role) {
        let mut role = Role::Follower;
        let result = self.result.get_or_init(async || {
            role = Role::Leader;
            call().await
        });
        (result.await.clone(), role)
    }
}

impl<K: Hash + Eq, T> Flight<K, T> {
    /// Lets nobody else join: the answer is kept by now, or can't be shared any longer.
    pub fn close(&self) {
        let mut flights = self.flights.lock().unwrap_or_else(PoisonError::into_inner);
        if flights
            .get(&self.key)
            .is_some_and(|known| std::ptr::eq(known.as_ptr(), self))
        {
            flights.remove(&self.key);
        }
    }
}

impl<K: Hash + Eq, T> Drop for Flight<K, T> {
    fn drop(&mut self) {
        self.close();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicUsize, Ordering};

    fn join(flights: &Flights<u8, usize>) -> Arc<Flight<u8, usize>> {
        flights.join(1)
    }

    #[tokio::test]
    async fn one_call_serves_all() {
        let flights = Flights::<u8, usize>::default();
        let calls = AtomicUsize::new(0);
        let ask = async || {
            let flight = join(&flights);
            flight
                .result(async || {
                    tokio::task::yield_now().await;
                    calls.fetch_add(1, Ordering::SeqCst)
                })
                .await
        };
        let all = futures_util::future::join_all((0..100).map(|_| ask())).await;
        assert_eq!(calls.into_inner(), 1);
        assert_eq!(
            all.iter().filter(|(_, role)| *role == Role::Leader).count(),
            1
        );
        assert!(flights.is_empty());
    }

    #[tokio::test]
    async fn a_vanished_leader_hands_over() {
        let flights = Flights::<u8, usize>::default();
        let (first, second) = (join(&flights), join(&flights));
        let mut leading = Box::pin(first.result(async || std::future::pending().await));
        assert!(futures_util::poll!(&mut leading).is_pending());
        let mut waiting = Box::pin(second.result(async || 7));
        assert!(futures_util::poll!(&mut waiting).is_pending());
        drop(leading);
        assert_eq!(waiting.await, (7, Role::Leader));
    }
}
