//! The room against a stand-in for GitHub's REST API that answers in the documented shapes.

mod app;
mod errors;
mod jobs;
mod limits;
mod looking;
mod runners;
mod support;
mod webhooks;
