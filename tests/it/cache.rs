//! What is answered without asking a provider, and what must not be.

mod admission;
mod controls;
mod delivery;
mod exact;
mod semantic;
mod tenants;
