//! What is measured: the table, what a busy gateway shows, what is documented, and what is drawn from it.

mod busy;
mod charts;
mod document;
mod exposition;
mod planted;
mod shown;
