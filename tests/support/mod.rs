//! What several test binaries share. Include it with
//! `#[path = "../support/mod.rs"] pub mod support;`: as a public module it may offer more than
//! one binary uses.

pub mod promtool;
pub mod standin;
