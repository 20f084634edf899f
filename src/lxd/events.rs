//! What LXD tells by itself (LXD documentation, "Events"). How it is listened to is in `hub.rs`.

use jiff::Timestamp;
use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::Value;
use serde_json::value::RawValue;

use super::envelope::nullable;
use super::status::StatusCode;

/// One piece of news.
#[derive(Debug, Clone, PartialEq)]
pub enum Event {
    /// The stream is connected: whatever happened before may have been missed, so look.
    Connected,
    /// The stream is broken; a new connection is being tried.
    Disconnected {
        /// What the socket said.
        reason: String,
    },
    /// This reader was too slow: so many events were dropped for it, so look.
    Missed {
        /// How many.
        count: u64,
    },
    /// Something happened to an instance, an image, a profile.
    Lifecycle(LifecycleEvent),
    /// An operation began, went on or ended.
    Operation(OperationEvent),
}

/// Something happened. Its context is left out: an exec's has the whole command line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LifecycleEvent {
    /// Like `instance-shutdown`.
    pub action: String,
    /// The instance, if it happened to one.
    pub instance: Option<String>,
    /// The path of what it happened to.
    pub source: String,
    /// The project.
    pub project: String,
    /// When, by LXD's clock.
    pub at: Option<Timestamp>,
    /// Whether somebody asked for it over the API; a guest that stops by itself has no requestor.
    pub requested: bool,
}

/// The state of an operation. Events of one operation can come out of order: the first with a
/// final status counts.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct OperationEvent {
    /// Its UUID.
    pub id: String,
    /// `task`, `websocket` or `token`.
    #[serde(default)]
    pub class: String,
    /// LXD's words for what it does.
    #[serde(default)]
    pub description: String,
    /// How far it is.
    pub status_code: StatusCode,
    /// Why it failed.
    #[serde(default)]
    pub err: String,
    /// What it has to say, like an exec's `return`.
    #[serde(default)]
    pub metadata: Value,
    /// What it is about, as paths by kind.
    #[serde(default, deserialize_with = "nullable")]
    pub resources: std::collections::BTreeMap<String, Vec<String>>,
    /// The project.
    #[serde(skip)]
    pub project: String,
}

#[derive(Deserialize)]
struct Message<'a> {
    #[serde(rename = "type")]
    kind: String,
    #[serde(default)]
    timestamp: String,
    #[serde(default, deserialize_with = "nullable")]
    project: String,
    /// Read when the kind is known: most of it is thrown away.
    #[serde(default, borrow)]
    metadata: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct Lifecycle {
    action: String,
    #[serde(default)]
    source: String,
    #[serde(default)]
    requestor: Option<IgnoredAny>,
}

impl Event {
    /// Reads one message; `None` for a kind that was not asked for.
    pub(super) fn parse(text: &[u8]) -> Result<Option<Self>, serde_json::Error> {
        let message: Message<'_> = serde_json::from_slice(text)?;
        match message.kind.as_str() {
            "lifecycle" => lifecycle(message).map(Some),
            "operation" => {
                let event: OperationEvent = serde_json::from_str(metadata(&message))?;
                Ok(Some(Self::Operation(OperationEvent { project: message.project, ..event })))
            }
            _ => Ok(None),
        }
    }
}

fn metadata<'a>(message: &Message<'a>) -> &'a str {
    message.metadata.map_or("null", RawValue::get)
}

fn lifecycle(message: Message<'_>) -> Result<Event, serde_json::Error> {
    let Lifecycle { action, source, requestor } = serde_json::from_str(metadata(&message))?;
    Ok(Event::Lifecycle(LifecycleEvent {
        instance: instance_of(&source),
        action,
        source,
        project: message.project,
        at: message.timestamp.parse().ok(),
        requested: requestor.is_some(),
    }))
}

/// The name in `/1.0/instances/NAME`, with or without more path and query behind.
fn instance_of(source: &str) -> Option<String> {
    let rest = source.strip_prefix("/1.0/instances/")?;
    let name = rest.split(['/', '?']).next()?;
    (!name.is_empty()).then(|| name.to_owned())
}

#[cfg(test)]
mod tests {
    use super::{Event, instance_of};
    use crate::lxd::StatusCode;

    #[test]
    fn a_shutdown_without_requestor_is_the_guest_s_own() {
        let text = br#"{"type":"lifecycle","timestamp":"2026-11-23T23:19:43.1Z","project":"default","location":"none",
            "metadata":{"action":"instance-shutdown","source":"/1.0/instances/ev1?project=p","context":null,"requestor":null}}"#;
        let Some(Event::Lifecycle(event)) = Event::parse(text).unwrap() else { panic!() };
        assert_eq!(
            (event.action.as_str(), event.instance.as_deref()),
            ("instance-shutdown", Some("ev1"))
        );
        assert!(!event.requested && event.at.is_some());
    }

    #[test]
    fn an_operation_event_carries_status_and_metadata() {
        let text = br#"{"type":"operation","timestamp":"x","metadata":{"id":"u","class":"websocket","status":"Failure",
            "status_code":400,"resources":null,"metadata":{"return":127},"may_cancel":false,"err":"Command not found"}}"#;
        let Some(Event::Operation(event)) = Event::parse(text).unwrap() else { panic!() };
        assert_eq!(
            (event.status_code, event.err.as_str()),
            (StatusCode::FAILURE, "Command not found")
        );
        assert_eq!(event.metadata["return"], 127);
    }

    #[test]
    fn other_kinds_are_left_out_and_nonsense_is_an_error() {
        assert_eq!(Event::parse(br#"{"type":"logging","metadata":{"a":1}}"#).unwrap(), None);
        for text in [&b""[..], b"{}", b"[[[[", b"\xff\xfe", br#"{"type":"operation","metadata":7}"#]
        {
            assert!(Event::parse(text).is_err());
        }
        assert_eq!(instance_of("/1.0/images/x"), None);
        assert_eq!(instance_of("/1.0/instances/a/logs/b").as_deref(), Some("a"));
    }
}
