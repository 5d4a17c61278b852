//! What a request that is handed on takes of its client's limits and budget.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use crate::{
    error::Error,
    gateway::{Caller, account::Reservation},
    units::{Tokens, Usd},
};

/// What is set aside of a client's limits and budget for one request.
pub(super) struct Charge {
    reservation: Option<Reservation>,
    tokens: Tokens,
    price: Option<Usd>,
    /// Whether the provider has all of the request: it is paid even if nobody waits for the answer.
    pub(super) sent: Arc<AtomicBool>,
}

impl Charge {
    pub(super) fn open(caller: &Caller, tokens: Tokens, price: Option<Usd>) -> Result<Self, Error> {
        let account = caller.account.as_ref();
        let reservation = account.map(|account| account.reserve(tokens, price));
        Ok(Self {
            reservation: reservation.transpose()?,
            tokens,
            price,
            sent: Arc::default(),
        })
    }

    /// Gives all of it back.
    pub(super) fn forgive(mut self) {
        if let Some(mut reservation) = self.reservation.take() {
            reservation.settle(Tokens(0), None);
        }
    }
}

impl Drop for Charge {
    fn drop(&mut self) {
        let is_sent = self.sent.load(Ordering::Relaxed);
        if let Some(mut reservation) = self.reservation.take() {
            let (tokens, price) = if is_sent {
                (self.tokens, self.price)
            } else {
                (Tokens(0), None)
            };
            reservation.settle(tokens, price);
        }
    }
}
