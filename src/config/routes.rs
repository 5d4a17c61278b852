//! How requests find their targets.
//!
//! Invariant: lists of fallbacks are written out in full: a name of `[[models]]` in the file stands here
//! as the targets that it leads to, and none of them is there twice.

use super::models::Target;
use crate::{
    ident::TaskName,
    policy::{hedge, routing::strategy::Strategy, truncate::Overflow},
    units::{Similarity, Tokens},
};

/// `[routing]`: what goes for every route that says nothing else.
#[derive(Clone, Debug, PartialEq)]
pub struct Routing {
    /// The kind of work of a request for `auto` that resembles no example enough; one with a route.
    /// `None` if no task has a route.
    pub default_task: Option<TaskName>,
    /// By how much the nearest task has to be nearer than the next one, 0 to 1.
    pub margin: Similarity,
    /// Whether a conversation stays with the target that answered it.
    pub pin_conversations: bool,
    /// What is done with prompts that are too long.
    pub on_overflow: Overflow,
}

/// What a model or a task says about its route.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RouteRules {
    /// Which target is asked first.
    pub strategy: Strategy,
    /// One for each target, not all zero; empty if the file gives none.
    pub weights: Vec<u32>,
    /// Who is asked after the targets, in this order.
    pub fallbacks: Vec<Target>,
    /// Who is asked instead where a prompt is too long for the targets.
    pub context_window_fallbacks: Vec<Target>,
    /// Who is asked where the content was refused by a filter.
    pub content_policy_fallbacks: Vec<Target>,
    /// The longest prompt.
    pub max_input_tokens: Option<Tokens>,
    /// What is done with a longer one, or with one that is too long for the model.
    pub on_overflow: Option<Overflow>,
    /// Whether a second target is asked where the first is slow.
    pub hedge: Option<hedge::Rules>,
}

impl Default for Routing {
    fn default() -> Self {
        Self {
            default_task: None,
            margin: Similarity::new(0.03).unwrap_or(Similarity::ONE),
            pin_conversations: true,
            on_overflow: Overflow::default(),
        }
    }
}
