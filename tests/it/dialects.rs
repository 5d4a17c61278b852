//! Providers that speak another dialect than OpenAI's, each a fake as strict as the real one.

mod anthropic;
mod gemini;
mod ollama;
