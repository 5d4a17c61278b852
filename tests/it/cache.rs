//! What is answered without asking a provider, and what must not be.

mod admission;
mod controls;
mod conversation;
mod delivery;
mod exact;
mod feedback;
mod invalidation;
mod isolation;
mod learning;
mod poisoning;
mod semantic;
mod stale;
mod tenants;
