//! One-time tokens of the policy service: `GET /one-time-token`, shown larm's own token.

use std::time::Duration;

use futures_util::StreamExt;
use reqwest::header::CONTENT_LENGTH;
use reqwest::redirect::Policy;
use reqwest::{Client, Response, StatusCode};
use secrecy::{ExposeSecret, SecretString};

use crate::model::RepoPolicyComplianceConfig;

/// How long one request may take.
const LIMIT: Duration = Duration::from_secs(10);
/// The pauses before the second try and those after it.
const PAUSES: [Duration; 3] =
    [Duration::from_millis(300), Duration::from_millis(600), Duration::from_millis(1200)];
/// The longest answer that is read, in bytes: no token is longer.
const MAX_TOKEN: usize = 4096;

/// Why there is no one-time token. Never holds any token.
#[derive(Debug, thiserror::Error)]
pub enum PolicyError {
    /// The client could not be built.
    #[error("no client for the policy service can be built: {0}")]
    Client(String),
    /// The service cannot be reached, or broke off.
    #[error("the policy service cannot be reached: {0}")]
    Unreachable(String),
    /// It answered with an error.
    #[error("the policy service gives no one-time token: it answers {0}")]
    Status(u16),
    /// What it answered is no token.
    #[error("the policy service gives no one-time token: its answer {0}")]
    Answer(&'static str),
}

impl PolicyError {
    /// What to do about it, where that is known.
    pub fn hint(&self) -> Option<&'static str> {
        match self {
            Self::Status(401 | 403) => Some("look at `services.repo_policy.token_file`"),
            Self::Status(404) | Self::Unreachable(_) => Some("look at `services.repo_policy.url`"),
            Self::Status(_) | Self::Answer(_) | Self::Client(_) => None,
        }
    }

    /// Whether the same request may be answered soon.
    fn may_pass(&self) -> bool {
        matches!(self, Self::Unreachable(_) | Self::Status(500 | 502 | 503 | 504))
    }
}

/// Asks policy services; cheap to clone.
#[derive(Debug, Clone)]
pub struct PolicyClient(Client);

impl PolicyClient {
    /// Proxies of the daemon's environment are not for it.
    pub fn new() -> Result<Self, PolicyError> {
        // A redirect would carry the token elsewhere.
        let client = Client::builder().no_proxy().timeout(LIMIT).redirect(Policy::none()).build();
        client.map(Self).map_err(|error| PolicyError::Client(deepest(&error)))
    }

    /// A token for one check.
    pub async fn one_time_token(
        &self,
        service: &RepoPolicyComplianceConfig,
    ) -> Result<SecretString, PolicyError> {
        let mut pauses = PAUSES.into_iter();
        loop {
            match self.try_once(service).await {
                Err(error) if error.may_pass() => match pauses.next() {
                    Some(pause) => {
                        tracing::debug!(%error, "it is asked again");
                        tokio::time::sleep(pause).await;
                    }
                    None => return Err(error),
                },
                other => return other,
            }
        }
    }

    async fn try_once(
        &self,
        service: &RepoPolicyComplianceConfig,
    ) -> Result<SecretString, PolicyError> {
        let url = format!("{}/one-time-token", service.url);
        let request = self.0.get(url).bearer_auth(service.token.expose_secret());
        let answer = request.send().await.map_err(unreachable)?;
        if answer.status() != StatusCode::OK {
            return Err(PolicyError::Status(answer.status().as_u16()));
        }
        token_of(&read(answer).await?)
    }
}

async fn read(answer: Response) -> Result<Vec<u8>, PolicyError> {
    let told =
        answer.headers().get(CONTENT_LENGTH).and_then(|told| told.to_str().ok()?.parse().ok());
    if told.is_some_and(|length: usize| length > MAX_TOKEN) {
        return Err(PolicyError::Answer("is too long"));
    }
    let mut bytes = Vec::with_capacity(MAX_TOKEN);
    let mut chunks = answer.bytes_stream();
    while let Some(chunk) = chunks.next().await {
        let chunk = chunk.map_err(unreachable)?;
        if bytes.len() + chunk.len() > MAX_TOKEN {
            return Err(PolicyError::Answer("is too long"));
        }
        bytes.extend_from_slice(&chunk);
    }
    Ok(bytes)
}

fn token_of(bytes: &[u8]) -> Result<SecretString, PolicyError> {
    let text = std::str::from_utf8(bytes).unwrap_or_default().trim();
    if text.is_empty() || !text.chars().all(|c| c.is_ascii_graphic()) {
        return Err(PolicyError::Answer("is no token"));
    }
    Ok(SecretString::from(text))
}

fn unreachable(error: reqwest::Error) -> PolicyError {
    PolicyError::Unreachable(deepest(&error.without_url()))
}

fn deepest(error: &reqwest::Error) -> String {
    let mut deepest: &dyn std::error::Error = error;
    while let Some(source) = deepest.source() {
        deepest = source;
    }
    deepest.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use wiremock::matchers::{header, method, path};
    use wiremock::{Mock, MockServer, ResponseTemplate};

    async fn ask(server: &MockServer) -> Result<String, PolicyError> {
        let service = RepoPolicyComplianceConfig {
            token: "the-farms-own".to_owned().into(),
            url: format!("{}/base", server.uri()),
        };
        let token = PolicyClient::new().unwrap().one_time_token(&service).await?;
        Ok(token.expose_secret().to_owned())
    }

    fn when_asked() -> wiremock::MockBuilder {
        Mock::given(method("GET"))
            .and(path("/base/one-time-token"))
            .and(header("authorization", "Bearer the-farms-own"))
    }

    #[tokio::test]
    async fn a_token_comes_after_failures_that_pass() {
        let server = MockServer::start().await;
        let failure = when_asked().respond_with(ResponseTemplate::new(503)).up_to_n_times(2);
        failure.expect(2).mount(&server).await;
        let answer = ResponseTemplate::new(200).set_body_string("once-only\n");
        when_asked().respond_with(answer).expect(1).mount(&server).await;
        assert_eq!(ask(&server).await.unwrap(), "once-only");
    }

    #[tokio::test]
    async fn a_service_that_stays_faulty_is_asked_four_times() {
        let server = MockServer::start().await;
        when_asked().respond_with(ResponseTemplate::new(500)).expect(4).mount(&server).await;
        let error = ask(&server).await.unwrap_err();
        assert_eq!(error.to_string(), "the policy service gives no one-time token: it answers 500");
    }

    #[tokio::test]
    async fn a_refusal_is_final_and_names_the_key() {
        let server = MockServer::start().await;
        when_asked().respond_with(ResponseTemplate::new(403)).expect(1).mount(&server).await;
        let error = ask(&server).await.unwrap_err();
        assert_eq!(error.hint(), Some("look at `services.repo_policy.token_file`"));
    }

    #[tokio::test]
    async fn what_is_no_token_is_refused() {
        for body in
            [String::new(), "two words".to_owned(), "é".to_owned(), "a".repeat(MAX_TOKEN + 1)]
        {
            let server = MockServer::start().await;
            let answer = ResponseTemplate::new(200).set_body_string(body);
            when_asked().respond_with(answer).expect(1).mount(&server).await;
            assert!(matches!(ask(&server).await, Err(PolicyError::Answer(_))));
        }
    }

    #[tokio::test]
    async fn a_redirect_takes_no_token_elsewhere() {
        let server = MockServer::start().await;
        let elsewhere = ResponseTemplate::new(302).insert_header("location", "/elsewhere");
        when_asked().respond_with(elsewhere).expect(1).mount(&server).await;
        Mock::given(path("/elsewhere"))
            .respond_with(ResponseTemplate::new(200))
            .expect(0)
            .mount(&server)
            .await;
        assert!(matches!(ask(&server).await, Err(PolicyError::Status(302))));
    }
}
