//! Reads the configuration again: the daemon does, this only asks it.

use axum::Json;
use axum::extract::State;
use tokio::sync::{mpsc, oneshot};

use super::ControlApi;
use super::error::ApiError;
use super::runners::stopping;
use super::types::ErrorKind;
use super::types::farm::Reloaded;

/// A request to read the configuration again, with where the answer goes: what has changed, or
/// what is wrong with it and that nothing has changed.
pub type ReloadRequest = oneshot::Sender<Result<Reloaded, String>>;

pub(super) async fn reload(State(api): State<ControlApi>) -> Result<Json<Reloaded>, ApiError> {
    let (reply, answer) = oneshot::channel();
    api.reloads.send(reply).await.map_err(|_| stopping())?;
    match answer.await.map_err(|_| stopping())? {
        Ok(reloaded) => Ok(Json(reloaded)),
        Err(wrong) => Err(ApiError::new(ErrorKind::Refused, wrong)
            .hint("nothing was changed: the daemon goes on with what it had")),
    }
}

/// Where requests for a reload go.
pub type Reloads = mpsc::Sender<ReloadRequest>;
