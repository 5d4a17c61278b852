//! What the configuration says, as requests see it: replaced as a whole when the file is read again.
//!
//! Invariant: a request sees one [`Setup`] from its start to its end.

use std::{collections::HashMap, sync::Arc};

use arc_swap::ArcSwap;
use tokio::sync::SetOnce;

use super::{
    Caller, Wanted,
    catalogue::{Catalogue, Destination, Route},
    journey::Budget,
};
use crate::{
    config::{CacheMode, CacheOverrides, Endpoints},
    error::Error,
    ident::TaskName,
    policy::{
        cacheable::Rules,
        identity::Scope,
        routing::conversation::{self, Keys},
        task::{Examples, Rule},
        truncate::Overflow,
    },
    telemetry::journal::Journal,
    units::{Admission, Tokens},
    wire::{chat::ChatRequest, controls::Controls},
};

/// The present [`Setup`].
pub type Current = ArcSwap<Setup>;

/// What the gateway is set to.
#[derive(Debug, Clone)]
pub struct Settings {
    /// What may be cached, and for how long.
    pub rules: Rules,
    /// Whether every entry belongs to the end user whom a request names.
    pub by_user: bool,
    /// Whether hits are served or only counted.
    pub mode: CacheMode,
    /// What it takes for a semantic hit.
    pub admission: Admission,
    /// What is configured for kinds of work, by their names.
    pub tasks: HashMap<TaskName, CacheOverrides>,
    /// Whether a conversation stays with the target that answered it.
    pub pins: bool,
    /// What is done with prompts that are too long, where nothing more special says it.
    pub on_overflow: Overflow,
    /// Who takes what is handed on as it is.
    pub endpoints: Endpoints,
}

/// Settings, models and providers that belong together.
#[derive(Debug)]
pub struct Setup {
    /// Which one this is; counts up.
    pub generation: u64,
    /// The settings.
    pub settings: Settings,
    /// The models, and who serves them.
    pub catalogue: Arc<Catalogue>,
    /// How kinds of work are recognised; `None` if none has a route.
    pub tasks: Option<Tasks>,
}

/// How kinds of work are recognised.
#[derive(Debug)]
pub struct Tasks {
    /// The kinds alone.
    unlearned: Examples,
    /// Prompts whose kind is known, with their vectors.
    learned: SetOnce<Examples>,
    /// What it takes to be of a kind.
    pub(super) rule: Rule,
    learns: bool,
}

impl Tasks {
    /// Kinds of work without vectors yet; they are to come if it `learns`.
    #[must_use]
    pub fn new(unlearned: Examples, rule: Rule, learns: bool) -> Self {
        Self {
            unlearned,
            learned: SetOnce::new(),
            rule,
            learns,
        }
    }

    /// Takes in the examples with their vectors; the first time counts.
    pub fn learn(&self, examples: Examples) {
        let known = self.learned.set(examples);
        debug_assert!(known.is_ok(), "examples are learned once");
    }

    /// Waits for the vectors.
    pub async fn learned(&self) {
        if self.learns {
            self.learned.wait().await;
        }
    }

    /// Whether all is known that is to be.
    #[must_use]
    pub fn is_learned(&self) -> bool {
        !self.learns || self.learned.get().is_some()
    }

    /// What is known by now.
    pub(super) fn examples(&self) -> &Examples {
        self.learned.get().unwrap_or(&self.unlearned)
    }
}

impl Setup {
    /// What a request asks for, and where it may go. What model that is, is noted in `journal` also if there is none.
    ///
    /// # Errors
    /// What is wrong with it, or what this caller may not ask for.
    pub(super) fn understand(
        &self,
        caller: &Caller,
        wanted: Wanted,
        controls: &mut Controls,
        journal: &Journal,
    ) -> Result<(Arc<ChatRequest>, Destination), Error> {
        let request = match wanted {
            Wanted::Chat(body) => ChatRequest::parse(body, controls),
            Wanted::Translated(translated) => ChatRequest::translated(*translated, controls),
        };
        let request =
            request.map_err(|invalid| Error::bad_request(invalid.param, invalid.message))?;
        journal.asked_for(request.model());
        if !caller.allowed.allows(request.model()) {
            return Err(Error::ModelNotAllowed(request.model().to_owned()));
        }
        let destination = self.catalogue.destination(request.model(), controls)?;
        Ok((Arc::new(request), destination))
    }

    /// What is configured for the kind of work, the client and the model, the former going first. `task` is the kind that
    /// the request declares, `client` what is configured for who asks.
    pub(super) fn overrides(
        &self,
        task: Option<&TaskName>,
        client: CacheOverrides,
        destination: &Destination,
    ) -> CacheOverrides {
        let (route, routed) = match destination {
            Destination::Route(route) => (route.cache, route.task.as_ref()),
            Destination::Auto { .. } => (CacheOverrides::default(), None),
        };
        task.or(routed)
            .map(|task| self.of_task(task))
            .unwrap_or_default()
            .or(client)
            .or(route)
    }

    /// What is configured for the cache of this kind of work.
    pub(super) fn of_task(&self, task: &TaskName) -> CacheOverrides {
        self.settings.tasks.get(task).copied().unwrap_or_default()
    }

    /// What the answers of a request are kept under. `wish` is what it, or its client, says about prompts
    /// that are too long: whoever wants them cut does not share calls with those who do not.
    pub(super) fn target(&self, destination: &Destination, wish: &Wish) -> String {
        let mut target = match destination {
            Destination::Route(route) => route.identity(),
            // Where no target of a task is active, somebody else answers, who may change.
            Destination::Auto { fast, otherwise } => {
                let tasks = self.catalogue.auto_identity(*fast);
                format!("{tasks} {}", otherwise.identity())
            }
        };
        if let Some(cut) = wish.cuts() {
            target.push_str(" cut ");
            target.push_str(&cut);
        }
        target
    }

    /// Under what the conversation of a request is found, if there is more than one way for it to go.
    pub(super) fn keys(
        &self,
        destination: &Destination,
        scope: Scope,
        request: &ChatRequest,
    ) -> Option<Keys> {
        // What is asked for in another way is another conversation: quickly, or with another task.
        let (is_open, asked) = match destination {
            Destination::Route(route) => (route.has_choice(), route.identity()),
            Destination::Auto { fast, .. } => (true, format!("fast={fast}")),
        };
        let asked = format!("{} {asked}", request.model());
        (is_open && self.settings.pins)
            .then(|| conversation::keys(scope, &asked, request.messages()))
    }

    /// What a request may send along `route`.
    pub(super) fn budget(&self, wish: &Wish, route: &Route) -> Budget {
        let configured = (wish.client)
            .or(route.on_overflow)
            .unwrap_or(self.settings.on_overflow);
        let on_overflow = match (wish.trim, configured) {
            (Some(true), _) => Overflow::Trim,
            (Some(false), Overflow::Trim) => Overflow::LargerModel,
            (None | Some(false), configured) => configured,
        };
        Budget {
            max_input: wish.max_input,
            on_overflow,
        }
    }
}

/// What a request, or its client, says about prompts that are too long.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub(super) struct Wish {
    /// Of the request: whether to cut.
    pub(super) trim: Option<bool>,
    /// Of the client: what to do.
    pub(super) client: Option<Overflow>,
    /// Of the client: the longest prompt.
    pub(super) max_input: Option<Tokens>,
}

impl Wish {
    pub(super) fn of(controls: &Controls, caller: &Caller) -> Self {
        Self {
            trim: controls.trim_messages,
            client: caller.on_overflow,
            max_input: caller.max_input,
        }
    }

    /// How it wants prompts cut, in words.
    fn cuts(&self) -> Option<String> {
        let cuts = (self.trim).unwrap_or(self.client == Some(Overflow::Trim));
        cuts.then(|| {
            self.max_input
                .map_or_else(String::new, |most| most.0.to_string())
        })
    }
}
