//! The GitHub REST API: one [`Connection`] per account and host, one file per matter.
//!
//! ```text
//! runners  groups  application  jobs  repositories  deliveries  check        webhook
//!     \______\__________\_________|_______/____________/_________/
//!                             request       one call: gate, credential, retries, errors
//!              ________________/ | \_______________
//!       credentials         budget   etags         answer -> error
//!              \_______________ | ________________/
//!                             wire          octocrab: one exchange, one time limit
//! ```
//!
//! It does not decide anything about runners or jobs, and keeps nothing but what saves requests:
//! installation tokens, numbers of runner groups, `ETag`s and the budget of requests.
//!
//! octocrab's own credentials, paging and retries are not used: its tokens know only numbers of
//! Apps and no client ids, its paging loses the credential on other hosts than github.com, and
//! its retries repeat requests that must not be repeated.

mod address;
mod answer;
mod application;
mod budget;
mod check;
mod connection;
mod credentials;
mod deliveries;
mod error;
mod etags;
mod groups;
mod jobs;
mod jwt;
mod observer;
mod pages;
mod repositories;
mod request;
mod runners;
mod text;
mod webhook;
mod wire;

#[cfg(test)]
mod tests;

pub use budget::Budget;
pub use check::{CredentialKind, Finding, Outcome, Report};
pub use connection::{Auth, Connection, ConnectionOptions};
pub use deliveries::FailedDelivery;
pub use error::{GitHubError, GitHubErrorKind};
pub use jobs::JobLookup;
pub use observer::{Observed, Observer};
pub use repositories::RepositoryRef;
pub use runners::{Deletion, Registered};
pub use webhook::{Delivery, WebhookError, parse, verify};
