//! The variables of the runner and its jobs, as a file that a shell reads.

use super::GuestServices;

/// Hosts that are the guest itself; its name is added by the shell that reads the file.
const OWN: &str = "localhost,127.0.0.1,::1";
/// Sets a variable that the file forgets again.
const HOST: &str = "read -r larm_host < /proc/sys/kernel/hostname\n";

/// The variables that are the same in all guests, in order: what is later wins.
pub(super) fn variables(services: &GuestServices) -> Vec<(&str, &str)> {
    let mut all = Vec::new();
    if let Some(mirror) = &services.dockerhub_mirror {
        all.extend(
            ["DOCKERHUB_MIRROR", "CONTAINER_REGISTRY_URL"].map(|name| (name, mirror.as_str())),
        );
    }
    if let Some(proxy) = services.told_proxy() {
        for (names, url) in [
            (["http_proxy", "HTTP_PROXY"], &proxy.http),
            (["https_proxy", "HTTPS_PROXY"], &proxy.https),
        ] {
            let url = url.as_deref();
            all.extend(names.into_iter().filter_map(|name| Some((name, url?))));
        }
    }
    all.extend(services.environment.iter().map(|(name, value)| (name.as_str(), value.as_str())));
    all
}

/// The file: `export NAME='VALUE'` for each.
pub(super) fn shell(services: &GuestServices) -> String {
    let mut lines = Vec::new();
    if let Some(proxy) = services.told_proxy() {
        let hosts =
            proxy.no_proxy.as_deref().into_iter().chain([OWN]).collect::<Vec<_>>().join(",");
        lines.push(HOST.to_owned());
        for name in ["no_proxy", "NO_PROXY"] {
            lines.push(format!("export {name}={},\"$larm_host\",.svc\n", quoted(&hosts)));
        }
        lines.push("unset larm_host\n".to_owned());
    }
    for (name, value) in variables(services) {
        lines.push(format!("export {name}={}\n", quoted(value)));
    }
    lines.concat()
}

/// A word that the shell takes as it is.
fn quoted(value: &str) -> String {
    format!("'{}'", value.replace('\'', r"'\''"))
}
