//! LXD's envelope around every answer: `sync`, `async` or `error`
//! (LXD documentation, "Main API specification").

use jiff::Timestamp;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

use super::classify::Origin;
use super::error::{Error, ErrorKind};
use super::operations::Operation;
use super::transport::Reply;

/// The three forms in one: what a form does not have is empty.
#[derive(Deserialize)]
struct Envelope<'a> {
    #[serde(rename = "type", default)]
    kind: String,
    #[serde(default)]
    operation: String,
    #[serde(default)]
    error: String,
    #[serde(default)]
    error_code: i64,
    /// Not looked at until it is known what it is: that of a list is large.
    #[serde(default, borrow)]
    metadata: Option<&'a RawValue>,
}

/// Reads the answer of a request that LXD answers at once.
pub(super) fn sync<T: DeserializeOwned>(subject: &str, reply: &Reply) -> Result<T, Error> {
    let envelope = open(subject, reply)?;
    envelope.metadata(subject)
}

/// Reads the answer of a request that LXD carries out in the background.
pub(super) fn operation(subject: &str, reply: &Reply) -> Result<Operation, Error> {
    let envelope = open(subject, reply)?;
    let mut operation: Operation = envelope.metadata(subject)?;
    envelope.operation.clone_into(&mut operation.url);
    subject.clone_into(&mut operation.subject);
    Ok(operation)
}

/// Reads the answer of a request that some servers answer at once and others carry out in the
/// background.
pub(super) fn sync_or_operation(subject: &str, reply: &Reply) -> Result<Option<Operation>, Error> {
    if open(subject, reply)?.kind == "async" {
        operation(subject, reply).map(Some)
    } else {
        Ok(None)
    }
}

/// The error of a reply whose status says that it is one.
pub(super) fn refusal(subject: &str, reply: &Reply) -> Error {
    open(subject, reply).err().unwrap_or_else(|| {
        let (code, message) = (i64::from(reply.status.as_u16()), reply.status.to_string());
        Error::new(subject, ErrorKind::Api { code, message })
    })
}

impl Envelope<'_> {
    fn metadata<T: DeserializeOwned>(&self, subject: &str) -> Result<T, Error> {
        let text = self.metadata.map_or("null", RawValue::get);
        serde_json::from_str(text).map_err(|error| undecodable(subject, &error))
    }
}

fn open<'a>(subject: &str, reply: &'a Reply) -> Result<Envelope<'a>, Error> {
    let code = i64::from(reply.status.as_u16());
    let failed = |code, words: &str| {
        Err(Error::new(subject, ErrorKind::from_answer(Origin::Request, code, words)))
    };
    match serde_json::from_slice::<Envelope<'_>>(&reply.body) {
        Ok(envelope) if envelope.kind == "error" => {
            let code = if envelope.error_code == 0 { code } else { envelope.error_code };
            failed(code, &envelope.error)
        }
        Ok(_) | Err(_) if !reply.status.is_success() => failed(code, reply.status.as_str()),
        Ok(envelope) => Ok(envelope),
        Err(error) => Err(undecodable(subject, &error)),
    }
}

pub(super) fn undecodable(subject: &str, error: &serde_json::Error) -> Error {
    Error::new(subject, ErrorKind::Decode { reason: error.to_string() })
}

/// For fields that Go writes as `null` when they are empty.
pub(super) fn nullable<'de, D, T>(deserializer: D) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    T: Default + Deserialize<'de>,
{
    Option::<T>::deserialize(deserializer).map(Option::unwrap_or_default)
}

/// A time, or nothing: one that cannot be read must not hide the rest.
pub(super) fn lenient_time<'de, D>(deserializer: D) -> Result<Option<Timestamp>, D::Error>
where
    D: Deserializer<'de>,
{
    let text = Option::<String>::deserialize(deserializer)?;
    Ok(text.and_then(|text| text.parse().ok()))
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use http::{HeaderMap, StatusCode};

    use super::{operation, refusal, sync};
    use crate::lxd::ErrorKind;
    use crate::lxd::transport::Reply;

    fn reply(status: u16, body: &str) -> Reply {
        Reply {
            status: StatusCode::from_u16(status).unwrap(),
            headers: HeaderMap::new(),
            body: Bytes::copy_from_slice(body.as_bytes()),
            truncated: false,
        }
    }

    #[test]
    fn an_error_inside_a_200_is_an_error() {
        let reply =
            reply(200, r#"{"type":"error","error_code":400,"error":"Boom","metadata":null}"#);
        assert!(sync::<serde_json::Value>("x", &reply).is_err());
        assert!(refusal("x", &reply).to_string().contains("Boom"));
    }

    #[test]
    fn an_operation_keeps_its_url_with_the_query() {
        let text = r#"{"type":"async","status_code":100,"operation":"/1.0/operations/u?project=p",
            "metadata":{"id":"u","class":"task","status":"Running","status_code":103,"metadata":null,"resources":null}}"#;
        let operation = operation("x", &reply(202, text)).unwrap();
        assert_eq!(
            (operation.id.as_str(), operation.url.as_str()),
            ("u", "/1.0/operations/u?project=p")
        );
    }

    #[test]
    fn nonsense_is_an_error_and_never_a_panic() {
        let deep = "[".repeat(100_000);
        for body in ["", "null", "[]", "{}", "{\"metadata\":7}", "\u{0}", deep.as_str()] {
            let result = operation("x", &reply(202, body));
            assert!(matches!(result.unwrap_err().kind(), ErrorKind::Decode { .. }), "{body:.20}");
        }
        let plain = operation("x", &reply(503, "<html>")).unwrap_err();
        assert!(plain.is_transient(), "{plain}");
    }
}
