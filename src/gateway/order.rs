//! A request that has been understood, and with whom it may share a call.

use std::sync::{Arc, OnceLock};

use super::{
    Asked, Gateway, Wanted,
    account::Account,
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
    telemetry::ledger::Way,
    tokenizer,
    units::Price,
    wire::chat::ChatRequest,
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
        (way, reason): (Way, Option<&'static str>),
    ) -> Result<Order, Error> {
        let Asked {
            caller,
            mut controls,
            body,
            received,
        } = asked;
        let setup = self.setup();
        let (request, destination) = setup.understand(&caller, body.into(), &mut controls)?;
        Ok(Order {
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

    /// What is set aside for it.
    pub(super) fn tab(&self) -> Option<&Arc<Tab>> {
        self.tab.get()?.as_ref()
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
