//! Why a request failed, as an HTTP answer.

use axum::Json;
use axum::http::{Method, StatusCode, Uri};
use axum::response::{IntoResponse, Response};

use super::types::{ErrorBody, ErrorInfo, ErrorKind};
use crate::manager::ManagerError;

/// A failed request, on its way to the caller.
#[derive(Debug)]
pub(super) struct ApiError(ErrorInfo);

impl ApiError {
    pub(super) fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self(ErrorInfo { kind, message: message.into(), hint: None })
    }

    pub(super) fn bad_request(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::BadRequest, message)
    }

    #[must_use]
    pub(super) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.0.hint = Some(hint.into());
        self
    }

    /// Whether there is no such thing.
    pub(super) fn is_missing(&self) -> bool {
        self.0.kind == ErrorKind::NotFound
    }

    #[cfg(test)]
    pub(super) fn info(&self) -> &ErrorInfo {
        &self.0
    }

    pub(super) fn into_info(self) -> ErrorInfo {
        self.0
    }
}

/// The HTTP status that fits a kind of failure.
fn status(kind: ErrorKind) -> StatusCode {
    match kind {
        ErrorKind::BadRequest => StatusCode::BAD_REQUEST,
        ErrorKind::Forbidden => StatusCode::FORBIDDEN,
        ErrorKind::NotFound => StatusCode::NOT_FOUND,
        ErrorKind::Busy
        | ErrorKind::BusyUnknown
        | ErrorKind::Held
        | ErrorKind::Refused
        | ErrorKind::Failed => StatusCode::CONFLICT,
        ErrorKind::TimedOut => StatusCode::GATEWAY_TIMEOUT,
        ErrorKind::Lxd => StatusCode::BAD_GATEWAY,
        ErrorKind::Stopping => StatusCode::SERVICE_UNAVAILABLE,
        ErrorKind::Store | ErrorKind::Internal => StatusCode::INTERNAL_SERVER_ERROR,
    }
}

fn kind(error: &ManagerError) -> ErrorKind {
    match error {
        ManagerError::NotFound(_) => ErrorKind::NotFound,
        ManagerError::Busy(_) => ErrorKind::Busy,
        ManagerError::BusyUnknown { .. } => ErrorKind::BusyUnknown,
        ManagerError::Held { .. } => ErrorKind::Held,
        ManagerError::Refused { .. } | ManagerError::Full(_) => ErrorKind::Refused,
        ManagerError::Failed { .. } => ErrorKind::Failed,
        ManagerError::TimedOut { .. } => ErrorKind::TimedOut,
        ManagerError::Lxd { .. } => ErrorKind::Lxd,
        ManagerError::Store(_) => ErrorKind::Store,
        ManagerError::Stopping => ErrorKind::Stopping,
    }
}

impl From<ManagerError> for ApiError {
    fn from(error: ManagerError) -> Self {
        Self(ErrorInfo { kind: kind(&error), message: error.to_string(), hint: error.hint() })
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        (status(self.0.kind), Json(ErrorBody { error: self.0 })).into_response()
    }
}

pub(super) async fn no_route(uri: Uri) -> ApiError {
    ApiError::new(ErrorKind::NotFound, format!("there is no route {}", uri.path()))
        .hint("this daemon speaks version 1.0 of the control API: `larm --version` on both sides")
}

pub(super) async fn no_method(method: Method, uri: Uri) -> ApiError {
    ApiError::bad_request(format!("{} does not take {method}", uri.path()))
}
