//! What became of the requests of each client, what they cost and what the cache saved.
//!
//! Counted from the records of requests. Only configured clients have names, so there are no more than those.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use super::{
    journal::{Observer, Record},
    ledger::Way,
    targets::add_usage,
};
use crate::{ident::ClientName, units::Usd, wire::answer::Usage};

/// The numbers of all clients since the start.
#[derive(Debug, Default)]
pub struct Clients(Mutex<BTreeMap<ClientName, ClientSums>>);

/// The numbers of one client.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct ClientSums {
    /// Requests that the cache, or another request's call, has answered.
    pub hits: u64,
    /// Requests that were looked up and not found.
    pub misses: u64,
    /// Requests that were not looked up.
    pub bypasses: u64,
    /// Requests that were not answered.
    pub failed: u64,
    /// What providers were paid, where the price is known, in US dollars.
    pub billed_usd: f64,
    /// What answers from the cache would have cost, in US dollars.
    pub saved_usd: f64,
    /// Tokens that providers have read and written; estimated where they do not count.
    pub used: Usage,
    /// When the last request came, in seconds since 1970.
    pub last_seen: Option<u64>,
}

impl Clients {
    /// The numbers of this client.
    #[must_use]
    pub fn of(&self, client: &ClientName) -> ClientSums {
        self.all().get(client).copied().unwrap_or_default()
    }

    fn all(&self) -> MutexGuard<'_, BTreeMap<ClientName, ClientSums>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Observer for Clients {
    fn over(&self, record: &Arc<Record>) {
        if let Some(client) = &record.client {
            let mut all = self.all();
            all.entry(client.clone()).or_default().count(record);
        }
    }
}

impl ClientSums {
    fn count(&mut self, record: &Record) {
        let at = record.at.0 / 1000;
        self.last_seen = self.last_seen.max(Some(at));
        for step in &record.steps {
            add_usage(&mut self.used, step.used.unwrap_or_default());
            self.billed_usd += step.cost.map_or(0.0, Usd::get);
        }
        let Some(head) = &record.head else { return };
        if head.failure.is_some() || head.status >= 400 {
            self.failed += 1;
            return;
        }
        // What never came as far as the cache is no question: a list of models, say.
        let Some(facts) = &head.facts else { return };
        match facts.way {
            way if way.is_hit() => self.hits += 1,
            Way::Miss => self.misses += 1,
            Way::Bypass => self.bypasses += 1,
            Way::Exact | Way::Semantic | Way::Stale | Way::Coalesced | Way::Background => {}
        }
        self.saved_usd += facts.saved.map_or(0.0, Usd::get);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        clock::Clock,
        ident::{ModelId, ProviderName},
        telemetry::{
            facts::Facts,
            journal::{Head, Journal, Observers, Stage},
        },
        units::Tokens,
    };

    fn client(name: &str) -> ClientName {
        ClientName::new(name).unwrap()
    }

    #[test]
    fn requests_count_for_their_client_by_what_became_of_them() {
        let clients = Arc::new(Clients::default());
        let observers = Observers::new(vec![Arc::clone(&clients) as _], None, None);
        let clock = Clock::manual();
        let used = Usage {
            input: Tokens(3),
            output: Tokens(4),
        };
        let tell = |name: Option<&str>, way: Option<Way>, status| {
            let journal = Journal::open("r", None, &clock, &observers);
            if let Some(name) = name {
                journal.client(&client(name));
            }
            if way == Some(Way::Miss) {
                let step = journal.begin(Stage::Attempt {
                    provider: ProviderName::new("p").unwrap(),
                    model: ModelId::new("m").unwrap(),
                });
                step.used(Some(used), Usd::new(0.25));
            }
            let facts = way.map(|way| Facts {
                saved: (way == Way::Exact).then(|| Usd::new(2.0)).flatten(),
                ..Facts::new(way, None, clock.now())
            });
            journal.answered(Head {
                route: "/v1/chat/completions",
                status,
                facts,
                failure: None,
            });
        };
        tell(Some("web"), Some(Way::Miss), 200);
        for way in [Way::Exact, Way::Semantic, Way::Stale, Way::Coalesced] {
            tell(Some("web"), Some(way), 200);
        }
        clock.advance(std::time::Duration::from_secs(9));
        tell(Some("web"), Some(Way::Bypass), 200);
        tell(Some("web"), Some(Way::Miss), 502);
        tell(Some("web"), None, 200);
        tell(None, Some(Way::Miss), 200);
        let web = clients.of(&client("web"));
        let expected = ClientSums {
            hits: 4,
            misses: 1,
            bypasses: 1,
            failed: 1,
            billed_usd: 0.5,
            saved_usd: 2.0,
            used: Usage {
                input: Tokens(6),
                output: Tokens(8),
            },
            last_seen: Some(clock.unix_seconds()),
        };
        assert_eq!(web, expected);
        assert_eq!(clients.of(&client("other")), ClientSums::default());
    }
}
