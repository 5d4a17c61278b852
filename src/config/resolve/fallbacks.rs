//! Lists of fallbacks, written out in full.
//!
//! In the file, an entry is a target or the name of a model, which stands for the model's targets and
//! then for its own list of the same kind, and so on. Invariant: it comes to an end whatever the
//! file says, in a time that grows with the length of the file; models that lead back to themselves
//! were noted.

use std::collections::{HashMap, HashSet};

use super::{
    models::asked,
    targets::{Asked, Known, target},
};
use crate::config::{
    file::{ModelEntry, RouteEntry},
    models::Target,
    pattern::ModelPattern,
    problem::{At, Findings, quoted, shown},
    suggest,
};

/// Which of the lists of a route.
#[derive(Clone, Copy, Debug)]
pub(super) enum Kind {
    Any,
    ContextWindow,
    ContentPolicy,
}

impl Kind {
    fn key(self) -> &'static str {
        match self {
            Self::Any => "fallbacks",
            Self::ContextWindow => "context_window_fallbacks",
            Self::ContentPolicy => "content_policy_fallbacks",
        }
    }

    fn of<'e, 't>(self, entry: &'e RouteEntry<'t>) -> &'e [At<'t, &'t str>] {
        match self {
            Self::Any => &entry.fallbacks,
            Self::ContextWindow => &entry.context_window_fallbacks,
            Self::ContentPolicy => &entry.content_policy_fallbacks,
        }
    }
}

/// What an entry of a list may name.
#[derive(Debug)]
pub(super) struct Places<'e> {
    pub(super) known: &'e Known<'e>,
    /// The whole names and aliases of models, with the positions of their entries.
    models: HashMap<&'e str, usize>,
}

impl<'e> Places<'e> {
    pub(super) fn new(entries: &'e [ModelEntry<'_>], known: &'e Known<'e>) -> Self {
        let mut models = HashMap::new();
        for (position, entry) in entries.iter().enumerate() {
            let name = entry.name.as_ref().and_then(|name| match &name.value {
                ModelPattern::Exact(name) => Some(name),
                ModelPattern::Prefix(_) => None,
            });
            let aliases = entry.aliases.iter().map(|alias| &alias.value);
            for name in name.into_iter().chain(aliases) {
                models.entry(name.as_str()).or_insert(position);
            }
        }
        Self { known, models }
    }

    /// Where an entry leads; `Ok(None)` if its provider was already noted as wrong.
    fn step(&self, text: &str, asked: Asked) -> Result<Option<Step>, String> {
        let provider = text.split_once('/').map(|(provider, _)| provider);
        let names_provider = provider.is_some_and(|provider| self.known.contains_key(provider));
        if !names_provider && let Some(position) = self.models.get(text) {
            return Ok(Some(Step::Model(*position)));
        }
        if provider.is_some() {
            return Ok(target(text, asked, self.known)?.map(Step::Target));
        }
        if text.contains('*') {
            return Err(format!(
                "{}: `*` stands for many names; write one of them, or \"provider/model\"",
                quoted(text)
            ));
        }
        let mut names: Vec<&str> = self.models.keys().copied().collect();
        names.sort_unstable();
        Err(format!(
            "no `[[models]]` has the name {}{}",
            quoted(text),
            suggest::hint(text, &names)
        ))
    }

    fn steps<'t>(
        &self,
        written: &[At<'t, &'t str>],
        key: &str,
        asked: Asked,
        findings: &mut Findings<'_>,
    ) -> Steps<'t> {
        let mut steps = Vec::new();
        for At { value, origin } in written {
            match self.step(value, asked) {
                Ok(step) => steps.extend(step.map(|value| At {
                    value,
                    origin: *origin,
                })),
                Err(message) => findings.problem(*origin, key, message),
            }
        }
        steps
    }
}

/// One entry of a list.
#[derive(Debug)]
enum Step {
    Target(Target),
    /// The position of the entry in `[[models]]`.
    Model(usize),
}

type Steps<'t> = Vec<At<'t, Step>>;

/// The lists of one kind of all models.
#[derive(Debug)]
pub(super) struct Chains<'e, 't> {
    kind: Kind,
    targets: &'e [Vec<Target>],
    steps: Vec<Steps<'t>>,
}

impl<'e, 't> Chains<'e, 't> {
    /// Reads the lists of the entries, which have these targets.
    pub(super) fn new(
        kind: Kind,
        entries: &'e [ModelEntry<'t>],
        targets: &'e [Vec<Target>],
        places: &Places<'_>,
        findings: &mut Findings<'_>,
    ) -> Self {
        let key = format!("models.{}", kind.key());
        let read = |entry: &ModelEntry<'t>| {
            places.steps(kind.of(&entry.rules), &key, asked(entry), findings)
        };
        let chains = Self {
            kind,
            targets,
            steps: entries.iter().map(read).collect(),
        };
        chains.note_circles(entries, &key, findings);
        chains
    }

    /// Where the list of the model at this position leads, without the targets of its `own`.
    pub(super) fn of_model(
        &self,
        position: usize,
        own: &[Target],
        findings: &mut Findings<'_>,
    ) -> Vec<Target> {
        self.flat("models", self.steps_of(position), own, findings)
    }

    /// Where the list of a task leads, without the targets of its `own`.
    pub(super) fn of_task(
        &self,
        entry: &RouteEntry<'t>,
        own: &[Target],
        places: &Places<'_>,
        findings: &mut Findings<'_>,
    ) -> Vec<Target> {
        let key = format!("tasks.{}", self.kind.key());
        let steps = places.steps(self.kind.of(entry), &key, Asked::OneName, findings);
        self.flat("tasks", &steps, own, findings)
    }

    fn steps_of(&self, position: usize) -> &[At<'t, Step>] {
        self.steps.get(position).map_or(&[], Vec::as_slice)
    }

    /// The targets that these entries lead to, each where it comes first.
    fn flat(
        &self,
        section: &str,
        steps: &[At<'t, Step>],
        own: &[Target],
        findings: &mut Findings<'_>,
    ) -> Vec<Target> {
        // More than any request could try, and a bound for lists that lead into each other.
        const MOST: usize = 100;
        let mut flat = Vec::new();
        let mut seen: HashSet<&Target> = own.iter().collect();
        let mut models = HashSet::new();
        let mut stack = vec![steps.iter()];
        while let Some(rest) = stack.last_mut() {
            let found = match rest.next().map(|step| &step.value) {
                None => {
                    stack.pop();
                    continue;
                }
                Some(Step::Target(target)) => std::slice::from_ref(target),
                // What a model leads to is all there after the first time.
                Some(Step::Model(position)) if !models.insert(*position) => continue,
                Some(Step::Model(position)) => {
                    stack.push(self.steps_of(*position).iter());
                    self.targets.get(*position).map_or(&[][..], Vec::as_slice)
                }
            };
            flat.extend(found.iter().filter(|target| seen.insert(*target)).cloned());
            if flat.len() > MOST || models.len() > MOST {
                if let Some(first) = steps.first() {
                    let key = format!("{section}.{}", self.kind.key());
                    let message = format!("leads to more than {MOST} targets or models");
                    findings.problem(first.origin, key, message);
                }
                break;
            }
        }
        flat
    }

    /// Notes each entry that leads back to a model from which it was reached.
    fn note_circles(&self, entries: &[ModelEntry<'_>], key: &str, findings: &mut Findings<'_>) {
        let mut seen = HashSet::new();
        for start in 0..self.steps.len() {
            if !seen.insert(start) {
                continue;
            }
            // The models that lead from `start` to here, and what is left of their lists.
            let mut path = vec![(start, self.steps_of(start).iter())];
            let mut on_path = HashSet::from([start]);
            while let Some((position, rest)) = path.last_mut() {
                let Some(step) = rest.next() else {
                    on_path.remove(position);
                    path.pop();
                    continue;
                };
                let Step::Model(next) = step.value else {
                    continue;
                };
                if on_path.contains(&next) {
                    let models = path.iter().map(|(position, _)| *position);
                    let circle = models.skip_while(|model| *model != next).chain([next]);
                    let names = circle.filter_map(|model| entries.get(model)?.name.as_ref());
                    let names: Vec<String> =
                        names.map(|name| shown(&name.value.to_string())).collect();
                    findings.problem(step.origin, key, circle_of(&names));
                } else if seen.insert(next) {
                    on_path.insert(next);
                    path.push((next, self.steps_of(next).iter()));
                }
            }
        }
    }
}

/// What is said about models that lead back to the first of them.
fn circle_of(names: &[String]) -> String {
    const FEW: usize = 12;
    let chain = match (names, names.last()) {
        ([first @ .., _], Some(last)) if names.len() > FEW => {
            let first: Vec<&str> = first.iter().take(FEW - 2).map(String::as_str).collect();
            format!("{} -> … -> {last}", first.join(" -> "))
        }
        (names, _) => names.join(" -> "),
    };
    format!("leads back to where it comes from: {chain}")
}
