//! `GET /admin/api/live`: the numbers of the moment, once a second, as an event stream.
//!
//! There is no task behind it: each watcher waits for the next second by itself, and who comes first computes what all are
//! told. So while nobody watches there is no timer and nothing is computed, and who is slow skips what is over.

use std::{
    convert::Infallible,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use axum::{
    body::Body,
    extract::State,
    http::{HeaderName, header},
    response::{IntoResponse, Response},
};
use bytes::Bytes;
use futures_util::{Stream, StreamExt, stream};
use serde_json::{Value, json};

use super::{breakers, history};
use crate::{
    cache::store::StoreSize,
    clock::{Clock, Moment},
    error::Error,
    http::{Api, observe::Logged},
};

/// How many may watch at a time.
const MOST: usize = 32;
/// What one too many is told to wait.
const RETRY_AFTER: Duration = Duration::from_secs(10);
/// How often they are told.
const TICK: Duration = Duration::from_secs(1);
/// How many partitions of the cache are counted a second, at most.
const PARTITIONS_A_SECOND: usize = 2000;

/// Who watches, and what they were told last.
#[derive(Debug)]
pub struct Live {
    clock: Clock,
    began: Moment,
    started_at: u64,
    watchers: Arc<AtomicUsize>,
    told: Mutex<Told>,
}

/// What is computed once for all.
#[derive(Debug, Default)]
struct Told {
    /// The event, and of which second since the beginning.
    event: Option<(u64, Bytes)>,
    size: Option<Counted>,
}

/// How much the cache held when it was looked through.
#[derive(Debug)]
struct Counted {
    size: StoreSize,
    when: Moment,
}

/// The place of one who watches; given back when it is dropped.
#[derive(Debug)]
struct Watcher(Arc<AtomicUsize>);

impl Drop for Watcher {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Live {
    /// Nobody watches. The gateway starts now.
    #[must_use]
    pub fn new(clock: &Clock) -> Self {
        Self {
            clock: clock.clone(),
            began: clock.now(),
            started_at: clock.unix_seconds(),
            watchers: Arc::default(),
            told: Mutex::default(),
        }
    }

    fn watcher(&self) -> Option<Watcher> {
        let one_more = |watchers| (watchers < MOST).then_some(watchers + 1);
        let admitted = (self.watchers).fetch_update(Ordering::Relaxed, Ordering::Relaxed, one_more);
        admitted.ok().map(|_| Watcher(Arc::clone(&self.watchers)))
    }

    /// The events for one who watches: the first at once, then one a second until `is_over`.
    fn events(
        self: Arc<Self>,
        watcher: Watcher,
        is_over: impl Fn() -> bool + Send + 'static,
        compute: impl Fn(&mut Option<Counted>) -> Bytes + Send + 'static,
    ) -> impl Stream<Item = Bytes> + Send + 'static {
        let state = (self, watcher, is_over, compute, true);
        stream::unfold(
            state,
            |(live, watcher, is_over, compute, is_first)| async move {
                if !is_first {
                    tokio::time::sleep(live.until_next()).await;
                }
                if is_over() {
                    return None;
                }
                let event = live.event(&compute);
                let state = (live, watcher, is_over, compute, false);
                Some((event, state))
            },
        )
    }

    /// The event of this second.
    fn event(&self, compute: impl FnOnce(&mut Option<Counted>) -> Bytes) -> Bytes {
        let second = self.clock.now().since(self.began).as_secs();
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, event)) = told.event.as_ref().filter(|(of, _)| *of == second) {
            return event.clone();
        }
        let event = compute(&mut told.size);
        told.event = Some((second, event.clone()));
        event
    }

    /// How long the next second is away; never no time at all.
    fn until_next(&self) -> Duration {
        let past = self.clock.now().since(self.began).subsec_nanos();
        TICK.saturating_sub(Duration::from_nanos(u64::from(past)))
    }
}

/// The numbers, for as long as somebody reads them and the gateway is not stopping.
pub(in crate::http) async fn watch(State(api): State<Arc<Api>>) -> Response {
    const BUFFERING: HeaderName = HeaderName::from_static("x-accel-buffering");
    let Some(watcher) = api.live.watcher() else {
        let error = Error::Overloaded {
            why: "as many watch its numbers as may",
            retry_after: RETRY_AFTER,
        };
        let mut response = error.into_response();
        response.extensions_mut().insert(Logged);
        return response;
    };
    let live = Arc::clone(&api.live);
    let stopping = Arc::clone(&api);
    let is_over = move || stopping.draining.load(Ordering::Relaxed);
    let events = live.events(watcher, is_over, move |counted| tick(&api, counted));
    let events = events.map(Ok::<_, Infallible>).fuse();
    let headers = [
        (header::CONTENT_TYPE, "text/event-stream"),
        (header::CACHE_CONTROL, "no-store"),
        // Proxies are not to hold events back.
        (BUFFERING, "no"),
    ];
    (headers, Body::from_stream(events)).into_response()
}

/// One event. What was `counted` before is told again where there are so many partitions that counting them takes long.
fn tick(api: &Api, counted: &mut Option<Counted>) -> Bytes {
    history::sample(api);
    let (now, at) = (api.clock.now(), api.clock.unix());
    let is_fresh = |counted: &&Counted| {
        let seconds = counted.size.semantic.partitions / PARTITIONS_A_SECOND;
        now.since(counted.when).as_secs() < seconds as u64
    };
    let size = match counted.as_ref().filter(is_fresh) {
        Some(counted) => counted.size,
        None => {
            counted
                .insert(Counted {
                    size: api.store.size(),
                    when: now,
                })
                .size
        }
    };
    let tick = json!({
        "at": at.0,
        "version": env!("CARGO_PKG_VERSION"),
        "started_at": api.live.started_at,
        "config": config(api),
        "requests_per_second": api.history.requests_per_second(),
        "in_flight": {"requests": api.load.requests(), "bytes": api.load.bytes()},
        "totals": api.ledger.totals(),
        "cache": {
            "entries": size.entries,
            "bytes": size.bytes,
            "max_bytes": size.bound,
            "partitions": size.semantic.partitions,
            "questions": size.semantic.vectors,
            "graphs": size.semantic.graphs,
            "semantic": api.gateway.setup().settings.rules.semantic,
        },
        "breakers": breakers::counts(api),
        "latest": api.history.latest(at),
        "previous": api.history.previous(at),
        "providers": providers(api),
    });
    format!("event: tick\ndata: {tick}\n\n").into()
}

/// How the configuration in force stands to its file.
pub(super) fn config(api: &Api) -> Value {
    let config = api.config.load();
    json!({
        "state": config.word(),
        "generation": api.gateway.setup().generation,
        "loaded_at": config.loaded_at,
        "problems": config.problems,
        "needs_restart": config.needs_restart,
    })
}

/// Which providers are asked, and which are not.
pub(super) fn providers(api: &Api) -> Value {
    let setup = api.gateway.setup();
    let catalogue = &setup.catalogue;
    let inactive = catalogue.inactive().iter();
    json!({
        "active": catalogue.active().iter().map(|name| name.as_str()).collect::<Vec<_>>(),
        "inactive": inactive
            .map(|provider| json!({"name": provider.name.as_str(), "reason": provider.reason}))
            .collect::<Vec<_>>(),
        "demo": catalogue.is_demo(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(live: &Live, computed: &mut u32) -> Bytes {
        live.event(|_| {
            *computed += 1;
            Bytes::from(computed.to_string())
        })
    }

    #[test]
    fn one_computation_a_second_is_for_all() {
        let clock = Clock::manual();
        let live = Live::new(&clock);
        let mut computed = 0;
        for _ in 0..32 {
            assert_eq!(told(&live, &mut computed), "1");
        }
        clock.advance(Duration::from_millis(999));
        assert_eq!(told(&live, &mut computed), "1");
        clock.advance(Duration::from_millis(1));
        assert_eq!(told(&live, &mut computed), "2");
        // Who was slow skips what is over.
        clock.advance(Duration::from_secs(3600));
        assert_eq!(told(&live, &mut computed), "3");
    }

    #[test]
    fn the_next_second_is_never_now() {
        let clock = Clock::manual();
        clock.advance(Duration::from_millis(1700));
        let live = Live::new(&clock);
        for (past, left) in [(0, 1000), (1, 999), (998, 1), (1, 1000), (5250, 750)] {
            clock.advance(Duration::from_millis(past));
            let until = live.until_next();
            assert_eq!(until, Duration::from_millis(left), "after {past}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn nothing_is_computed_while_nobody_watches() {
        let live = Arc::new(Live::new(&Clock::system()));
        let computed = Arc::new(AtomicUsize::new(0));
        let watch = || {
            let (live, computed) = (Arc::clone(&live), Arc::clone(&computed));
            let watcher = live.watcher().unwrap();
            let compute = move |_: &mut Option<Counted>| {
                Bytes::from(computed.fetch_add(1, Ordering::Relaxed).to_string())
            };
            live.events(watcher, || false, compute).boxed()
        };
        let so_far = || computed.load(Ordering::Relaxed);
        tokio::time::sleep(Duration::from_secs(3600)).await;
        assert_eq!(so_far(), 0);
        let all = (0..MOST).map(|_| watch().take(5).collect::<Vec<_>>());
        let all = futures_util::future::join_all(all).await;
        assert!(all.iter().all(|told| *told == ["0", "1", "2", "3", "4"]));
        assert_eq!(so_far(), 5, "one a second, for all");
        tokio::time::sleep(Duration::from_secs(3600)).await;
        assert_eq!(so_far(), 5, "all have gone");
        assert_eq!(live.watchers.load(Ordering::Relaxed), 0);
        // One who reads slowly is told of the present only.
        let mut slow = watch();
        assert_eq!(slow.next().await.unwrap(), "5");
        tokio::time::sleep(Duration::from_secs(60)).await;
        assert_eq!(slow.next().await.unwrap(), "6");
    }

    #[tokio::test(start_paused = true)]
    async fn the_events_end_when_it_is_over() {
        let live = Arc::new(Live::new(&Clock::system()));
        let is_over = Arc::new(std::sync::atomic::AtomicBool::new(false));
        let stop = Arc::clone(&is_over);
        let watcher = live.watcher().unwrap();
        let over = move || is_over.load(Ordering::Relaxed);
        let events = Arc::clone(&live).events(watcher, over, |_| Bytes::from("x"));
        let mut events = events.boxed();
        assert!(events.next().await.is_some());
        stop.store(true, Ordering::Relaxed);
        assert!(events.next().await.is_none());
        drop(events);
        assert_eq!(live.watchers.load(Ordering::Relaxed), 0);
    }

    #[test]
    fn no_more_watch_than_may_and_places_are_given_back() {
        let live = Live::new(&Clock::manual());
        let mut all: Vec<_> = std::iter::from_fn(|| live.watcher()).collect();
        assert_eq!(all.len(), MOST);
        all.pop();
        assert!(live.watcher().is_some());
        drop(all);
        assert_eq!(live.watchers.load(Ordering::Relaxed), 0);
    }
}
