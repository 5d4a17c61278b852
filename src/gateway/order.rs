//! A request that has been understood, and with whom it may share a call.

use std::sync::{Arc, OnceLock};

use super::{
    Asked, Caller, Gateway, Wanted,
    account::Account,
    behalf::Behalf,
    catalogue::Destination,
    lookup::Recipient,
    record::Ticket,
    reply::Facts,
    setup::{Setup, Wish},
    tab::{self, Tab},
};
use crate::{
    error::Error,
    policy::identity::{Fingerprint, Scope},
    telemetry::{
        journal::Journal,
        ledger::{Ledger, Way},
    },
    tokenizer,
    units::Price,
    wire::{chat::ChatRequest, controls::Controls},
};

/// A request that has been understood, on its way to an answer.
pub(super) struct Order {
    /// What the configuration said when it came in.
    pub(super) setup: Arc<Setup>,
    pub(super) request: Arc<ChatRequest>,
    /// Whose request it is, or whose namespace.
    pub(super) scope: Scope,
    pub(super) recipient: Recipient,
    pub(super) destination: Destination,
    pub(super) wish: Wish,
    pub(super) facts: Facts,
    /// How to keep the answer, if it may be.
    pub(super) ticket: Option<Ticket>,
    /// What its client asks and spends.
    pub(super) account: Option<Arc<Account>>,
    /// What is set aside for it, once somebody is to be asked.
    pub(super) tab: OnceLock<Option<Arc<Tab>>>,
    /// Whether there is an old answer, in case that nobody gives a new one.
    pub(super) has_stale: bool,
    /// Where it is noted what happens to it.
    pub(super) journal: Arc<Journal>,
}

/// A request that is not answered, but looked at.
pub(super) struct Inquired {
    pub(super) order: Order,
    pub(super) caller: Caller,
    /// What its headers and its body say about the cache.
    pub(super) controls: Controls,
}

/// Whoever has the same may share a call. Equal requests are not enough: another name may have other
/// fallbacks, another client another budget.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct CallKey {
    fingerprint: Fingerprint,
    generation: u64,
    model: String,
    wish: Wish,
}

impl Gateway {
    /// What is `asked`, which is not answered, but looked at: where it would go, how long it is.
    ///
    /// # Errors
    /// What is wrong with it, or what this caller may not ask for.
    pub(super) fn inquiry(
        &self,
        asked: Asked<impl Into<Wanted>>,
        way: (Way, Option<&'static str>),
    ) -> Result<Order, Error> {
        Ok(self.inquired(asked, way)?.order)
    }

    /// The same, with who asks and what the request says about the cache.
    ///
    /// # Errors
    /// As of [`Gateway::inquiry`].
    pub(super) fn inquired(
        &self,
        asked: Asked<impl Into<Wanted>>,
        (way, reason): (Way, Option<&'static str>),
    ) -> Result<Inquired, Error> {
        let Asked {
            caller,
            mut controls,
            body,
            received,
            journal,
        } = asked;
        let setup = self.setup();
        let (request, destination) =
            setup.understand(&caller, body.into(), &mut controls, &journal)?;
        let order = Order {
            setup,
            scope: caller.scope,
            recipient: Recipient {
                own: caller.own,
                delivery: request.delivery(),
                received,
            },
            request,
            destination,
            wish: Wish::of(&controls, &caller),
            facts: Facts::new(way, reason, received),
            ticket: None,
            account: None,
            tab: OnceLock::new(),
            has_stale: false,
            journal,
        };
        Ok(Inquired {
            order,
            caller,
            controls,
        })
    }
}

impl Order {
    /// Sets aside what asking a provider may take of the client's limits and budget: at the price of the dearest
    /// model that may come to answer.
    ///
    /// # Errors
    /// [`Error::RateLimited`], [`Error::BudgetExceeded`].
    pub(super) fn open_tab(&self) -> Result<(), Error> {
        if self.tab.get().is_some() {
            return Ok(());
        }
        let price = || match &self.destination {
            Destination::Route(route) => route.dearest(),
            Destination::Auto { otherwise, .. } => {
                Price::dearest([otherwise.dearest(), self.setup.catalogue.dearest()])
            }
        };
        let used = || tab::estimate(&self.request, tokenizer::bound(&self.request));
        let tab = Tab::open(self.account.as_ref(), price, used)?;
        self.tab.get_or_init(|| tab);
        Ok(())
    }

    /// On whose behalf somebody is asked for it.
    pub(super) fn behalf(&self, ledger: &Arc<Ledger>) -> Behalf {
        Behalf {
            tab: self.tab.get().cloned().flatten(),
            journal: Arc::clone(&self.journal),
            ledger: Arc::clone(ledger),
        }
    }

    /// What this order's call may be shared by, if its answer may be kept.
    pub(super) fn call_key(&self) -> Option<CallKey> {
        let ticket = self.ticket.as_ref()?;
        Some(CallKey {
            fingerprint: ticket.identity.fingerprint,
            generation: self.setup.generation,
            model: self.request.model().to_owned(),
            wish: self.wish,
        })
    }
}
