//! Taking answers in that nobody has asked for: exported entries, and warming with answers that are
//! known already.
//!
//! A warmed answer goes through the steps of [`Gateway::chat`] up to its ticket, so it is found by the
//! requests that would have made it, and by no other. No provider is asked, nothing is billed.
//! Invariant: an answer is taken in whole, with its vector, or not at all.

use std::{borrow::Cow, sync::Arc, time::Duration};

use bytes::Bytes;

use super::{
    Caller, Gateway,
    catalogue::Destination,
    dispatch::Source,
    exception,
    record::{self, Ticket},
    setup::Wish,
};
use crate::{
    cache::{
        entry::{Entry, Freshness, Now},
        partition::Vectors,
        store::Kept,
    },
    embed::Embedding,
    policy::{
        cacheable,
        identity::Fingerprint,
        question,
        storable::{Keep, storable},
    },
    wire::{answer::Answer, chat::ChatRequest, controls::Controls},
};

/// How long a busy encoder is left alone. Requests go first.
const BUSY: Duration = Duration::from_millis(20);

/// An answer to a request that nobody has made yet.
#[derive(Debug)]
pub struct Warming {
    /// Whose request it would be.
    pub caller: Caller,
    /// What its headers would say.
    pub controls: Controls,
    /// Its body.
    pub request: Bytes,
    /// The answer.
    pub response: Answer,
}

/// Why an answer was not taken in.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Refused(Cow<'static, str>);

impl Refused {
    fn because(message: impl Into<Cow<'static, str>>) -> Self {
        Self(message.into())
    }

    fn word(reason: &str) -> Self {
        Self(format!("it would not be kept: {reason}").into())
    }
}

/// An entry that is about to be taken in.
#[derive(Debug)]
pub struct Incoming {
    entry: Entry,
    /// Exported: it does not replace what is newer.
    yields: bool,
    /// How much had been purged by then: what is purged meanwhile is not kept again.
    purges: u64,
}

impl Incoming {
    /// The request that it answers.
    #[must_use]
    pub fn fingerprint(&self) -> Fingerprint {
        self.entry.fingerprint
    }

    /// The memory that it will take, in bytes.
    #[must_use]
    pub fn weight(&self) -> u64 {
        self.entry.weight() as u64
    }

    /// Whether it would be of no use once `earlier`, which answers the same request, is taken in.
    #[must_use]
    pub fn is_late_behind(&self, earlier: &Self) -> bool {
        self.gives_way_to(&earlier.entry)
    }

    /// Whether what is `kept` of the same generation stays: it is pinned; or, before an exported one, as new.
    fn gives_way_to(&self, kept: &Entry) -> bool {
        let is_older = self.yields && kept.stored >= self.entry.stored;
        is_older || (kept.is_pinned() && !self.entry.is_pinned())
    }
}

/// What is kept of a request before something is taken in.
#[derive(Debug)]
pub struct Before {
    request: Fingerprint,
    kept: Option<Kept>,
    /// How much had been purged by then.
    purges: u64,
}

/// What has become of an entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Taken {
    /// It is kept.
    Imported,
    /// The answer that is kept already is as new or pinned, or its time is over.
    Skipped,
}

impl Gateway {
    /// What `warming` would be kept as, had its caller asked and been given this answer.
    ///
    /// # Errors
    /// [`Refused`] where the request would not have been answered, or the answer not kept.
    pub fn warm(&self, warming: Warming) -> Result<Incoming, Refused> {
        let Warming {
            caller,
            mut controls,
            request,
            response,
        } = warming;
        let setup = self.setup();
        let request = ChatRequest::parse(request, &mut controls)
            .map_err(|invalid| Refused(format!("`request`: {invalid}").into()))?;
        if !caller.allowed.allows(request.model()) {
            return Err(Refused::because("this client may not use the model"));
        }
        let destination = (setup.catalogue)
            .destination(request.model(), &controls)
            .map_err(|error| Refused(error.to_string().into()))?;
        let route = match &destination {
            Destination::Route(route)
            | Destination::Auto {
                otherwise: route, ..
            } => route,
        };
        let target = (route.targets.first()).ok_or(Refused::because("the model has no target"))?;
        let asked = question::Asked::of(&request);
        let asked = asked.as_ref();
        let overrides = setup.overrides(controls.task.as_ref(), caller.cache, &destination);
        let exception = exception(overrides);
        let plan = cacheable::plan(&request, asked, &controls, &setup.settings.rules, exception)
            .map_err(|bypass| Refused::word(bypass.as_str()))?;
        let ttl = plan.keep.ok_or(Refused::because(
            "it would not be kept: the request says so, or its time to live is 0",
        ))?;
        let scope =
            (controls.namespace.as_ref()).map_or(caller.scope, |name| caller.scope.within(name));
        let kept_under = setup.target(&destination, &Wish::of(&controls, &caller));
        let identity = self.identity(&setup, &request, asked, scope, &kept_under, &plan);
        let source = Source {
            provider: route.name.clone(),
            model: target.model.clone(),
            price: target.price,
            attempts: 0,
            waited: Duration::ZERO,
            is_first_choice: true,
            task: route.task.clone(),
            trimmed: None,
        };
        let ticket = Ticket {
            identity,
            scope,
            own: caller.own,
            namespace: controls.namespace.or(caller.namespace),
            tags: controls.tags,
            semantic: plan.semantic.is_ok(),
            has_matter: asked.is_some_and(question::Asked::has_matter),
            prompt: record::beginning(asked.map_or("", |asked| asked.text)),
            embedding: None,
            near: None,
            ttl,
            purges: self.store.purges(),
            raw: None,
            request: Arc::new(request),
        };
        let entry = self.recorder.entry(&ticket, &response, &source, None);
        Ok(Incoming {
            entry: entry.map_err(Refused::word)?,
            yields: false,
            purges: ticket.purges,
        })
    }

    /// An exported entry, to be taken in.
    ///
    /// # Errors
    /// [`Refused`] if it could not have been kept here.
    pub fn restore(&self, mut entry: Entry) -> Result<Incoming, Refused> {
        let purges = self.store.purges();
        if !self.setup().settings.rules.enabled {
            return Err(Refused::word("the cache is off"));
        }
        let answer = entry.answer().ok_or(Refused::word("unreadable"))?;
        let keep = storable(&answer).map_err(|reason| Refused::word(reason.as_str()))?;
        let generation = self.store.generation();
        if entry.generation < generation {
            return Err(Refused(
                format!(
                    "it is of generation {}, this gateway is at {generation}: what was forgotten is not \
                     brought back",
                    entry.generation
                )
                .into(),
            ));
        }
        entry.generation = generation;
        if self.encoder.is_none() || keep == Keep::ExactOnly {
            (entry.question, entry.surface) = (None, None);
        }
        if !self.recorder.fits(&entry) {
            return Err(Refused::word("too_large"));
        }
        Ok(Incoming {
            entry,
            yields: true,
            purges,
        })
    }

    /// How many numbers a vector has here; 0 without encoder.
    #[must_use]
    pub fn dimension(&self) -> usize {
        (self.encoder.as_ref()).map_or(0, |encoder| encoder.dimension())
    }

    /// The vector of what is to be taken in; none if it needs none. Waits for as long as the encoder has
    /// no room.
    ///
    /// # Errors
    /// [`Refused`] if the encoder can't read the text.
    pub async fn embed(&self, incoming: &Incoming) -> Result<Option<Embedding>, Refused> {
        let (Some(encoder), Some(question)) = (&self.encoder, &incoming.entry.question) else {
            return Ok(None);
        };
        if self.is_late(incoming) {
            return Ok(None);
        }
        loop {
            match encoder.embed(&question.text).await {
                Ok(embedding) => return Ok(Some(embedding)),
                Err(error) if error.is_passing() => tokio::time::sleep(BUSY).await,
                Err(error) => return Err(Refused(error.to_string().into())),
            }
        }
    }

    /// What would become of it at present, if there is room.
    #[must_use]
    pub fn expect(&self, incoming: &Incoming) -> Taken {
        if self.is_late(incoming) {
            Taken::Skipped
        } else {
            Taken::Imported
        }
    }

    /// Keeps it, under its `embedding`.
    ///
    /// # Errors
    /// [`Refused`] if there is no place for it.
    pub fn take_in(
        &self,
        incoming: Incoming,
        embedding: Option<Embedding>,
    ) -> Result<Taken, Refused> {
        if self.is_late(&incoming) {
            return Ok(Taken::Skipped);
        }
        if self.store.purges() != incoming.purges {
            return Err(Refused::because(
                "the cache was purged meanwhile; import it again",
            ));
        }
        let entry = Arc::new(incoming.entry);
        if entry.question.is_some() != embedding.is_some() {
            // What made it late has just left.
            return Err(Refused::because(
                "the cache changed meanwhile; import it again",
            ));
        }
        if !self.store.insert(&entry) || !self.store.contains(&entry.fingerprint) {
            return Err(Refused::because(
                "there is no room for it in `cache.max_bytes`",
            ));
        }
        let wants = embedding.and_then(|embedding| self.store.index(&entry, &embedding));
        if let Some(vectors) = wants {
            self.build_aside(vectors);
        }
        Ok(Taken::Imported)
    }

    /// What there is before `incoming` is taken in.
    #[must_use]
    pub fn before(&self, incoming: &Incoming) -> Before {
        let (purges, request) = (self.store.purges(), incoming.fingerprint());
        let encoder = self.encoder.as_ref().map(|encoder| encoder.encoder());
        Before {
            request,
            kept: self.store.kept(&request, encoder.as_ref()),
            purges,
        }
    }

    /// Takes out what was taken in after `before`, and puts back what was there, unless something was purged
    /// since: that may have been meant.
    pub fn take_back(&self, before: Before) {
        let Before {
            request,
            kept,
            purges,
        } = before;
        self.store.remove(&request);
        let kept = kept.filter(|_| self.store.purges() == purges);
        let wants = kept.and_then(|kept| self.store.put_back(&kept));
        if let Some(vectors) = wants {
            self.build_aside(vectors);
        }
    }

    fn build_aside(&self, vectors: Arc<Vectors>) {
        let store = Arc::clone(&self.store);
        self.tasks.spawn_blocking(move || store.build(&vectors));
    }

    /// Whether an entry is of no use: what is here is pinned; or, of an exported one, what is here is as new, or
    /// its time is over.
    fn is_late(&self, incoming: &Incoming) -> bool {
        let entry = &incoming.entry;
        let now = Now {
            time: self.clock.unix(),
            generation: self.store.generation(),
        };
        let is_over = match entry.freshness(now, None) {
            Freshness::Stale(since) => since >= self.setup().settings.rules.stale.longest(),
            // Of another generation: what `take_in` says of that is more to the point.
            Freshness::Fresh | Freshness::Dead => false,
        };
        let kept = self.store.get(&entry.fingerprint);
        let kept = kept.filter(|kept| kept.generation == now.generation);
        (incoming.yields && is_over) || kept.is_some_and(|kept| incoming.gives_way_to(&kept))
    }
}
