//! Console and log files of an instance (LXD documentation, "Instances", `console` and `logs`).
//!
//! Logs are read from their end: what went wrong stands there.

use http::Method;

use super::client::Client;
use super::envelope;
use super::error::Error;
use super::route::Route;
use super::transport::{Call, Overflow, Reply};

impl Client {
    /// The last `cap` bytes that the guest wrote to its console, or `None` if there is no such
    /// instance or nothing was kept. LXD keeps none of a virtual machine.
    ///
    /// While a container runs, LXD 5.0 hands out each line once: a second call has only what came
    /// since the first. What was not read before the container stopped can be read then.
    pub async fn console_log(&self, name: &str, cap: usize) -> Result<Option<Vec<u8>>, Error> {
        let what = format!("read the console log of instance {name}");
        let (subject, reply) =
            self.tail(&what, Route::new(&["instances", name, "console"]), cap).await?;
        let words = String::from_utf8_lossy(&reply.body);
        if !reply.status.is_success() && words.contains("not container type") {
            return Ok(None);
        }
        take(&subject, &reply)
    }

    /// The last `cap` bytes of one of the instance's log files on the host, like `qemu.log` or
    /// `lxc.log`, or `None`.
    pub async fn instance_log(
        &self,
        name: &str,
        file: &str,
        cap: usize,
    ) -> Result<Option<Vec<u8>>, Error> {
        let what = format!("read {file} of instance {name}");
        let route = Route::new(&["instances", name, "logs", file]);
        let (subject, reply) = self.tail(&what, route, cap).await?;
        take(&subject, &reply)
    }

    async fn tail(&self, what: &str, route: Route, cap: usize) -> Result<(String, Reply), Error> {
        let call = self.call(what, Method::GET, route);
        let subject = call.subject.clone();
        let reply = self.send(Call { cap, overflow: Overflow::KeepTail, ..call }).await?;
        Ok((subject, reply))
    }
}

/// What is not there is none: 5.0 says 404 of an instance and 500 of a file.
fn take(subject: &str, reply: &Reply) -> Result<Option<Vec<u8>>, Error> {
    if reply.status.is_success() {
        return Ok(Some(reply.body.to_vec()));
    }
    let error = envelope::refusal(subject, reply);
    if error.is_not_found() { Ok(None) } else { Err(error) }
}
