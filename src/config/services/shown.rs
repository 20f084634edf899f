//! `[services]` as a configuration file that means the same.

use toml::{Table, Value};

use super::{ScriptSettings, ServiceSettings};
use crate::model::{ExternalContributors, OnFailure, ProxyConfig, SshDebugConnection};

impl ServiceSettings {
    /// The table that means these settings.
    pub(in crate::config) fn shown(&self) -> Table {
        let mut table = Table::new();
        let mut put = |key: &str, value: Option<Value>| {
            table.extend(value.map(|value| (key.to_owned(), value)));
        };
        put("dockerhub_mirror", self.dockerhub_mirror.clone().map(Value::from));
        put("external_contributors", Some(contributors(self.external_contributors).into()));
        put("proxy", self.proxy.as_ref().map(of_proxy));
        let tmate: Vec<Value> = self.ssh_debug.iter().map(of_tmate).collect();
        put("ssh_debug", Some(tmate).filter(|all| !all.is_empty()).map(Value::Array));
        let policy = self.repo_policy.as_ref().map(|policy| {
            let file = policy.token_file.path().display().to_string();
            table_of([("url", policy.url.clone().into()), ("token_file", file.into())])
        });
        put("repo_policy", policy);
        let variables = self.environment.iter();
        let variables: Table =
            variables.map(|(name, value)| (name.clone(), value.clone().into())).collect();
        put("environment", Some(variables).filter(|all| !all.is_empty()).map(Value::Table));
        put("pre_job", self.pre_job.as_ref().map(of_script));
        put("post_job", self.post_job.as_ref().map(of_script));
        table
    }
}

fn table_of<const N: usize>(keys: [(&str, Value); N]) -> Value {
    Value::Table(keys.into_iter().map(|(key, value)| (key.to_owned(), value)).collect())
}

fn contributors(choice: ExternalContributors) -> &'static str {
    match choice {
        ExternalContributors::Allow => "allow",
        ExternalContributors::Refuse => "refuse",
    }
}

fn of_proxy(proxy: &ProxyConfig) -> Value {
    let urls = [("http", &proxy.http), ("https", &proxy.https), ("no_proxy", &proxy.no_proxy)];
    let urls = urls.into_iter().filter_map(|(key, url)| Some((key, url.clone()?.into())));
    let rest = [
        ("use_aproxy", proxy.use_aproxy.into()),
        ("aproxy_exclude", proxy.aproxy_exclude.clone().into()),
        ("aproxy_ports", proxy.aproxy_ports.clone().into()),
    ];
    Value::Table(urls.chain(rest).map(|(key, value)| (key.to_owned(), value)).collect())
}

fn of_tmate(server: &SshDebugConnection) -> Value {
    table_of([
        ("host", server.host.to_string().into()),
        ("port", i64::from(server.port).into()),
        ("rsa_fingerprint", server.rsa_fingerprint.clone().into()),
        ("ed25519_fingerprint", server.ed25519_fingerprint.clone().into()),
    ])
}

fn of_script(script: &ScriptSettings) -> Value {
    let on_failure = match script.script.on_failure {
        OnFailure::Fail => "fail",
        OnFailure::Ignore => "ignore",
    };
    table_of([
        ("script", script.path.display().to_string().into()),
        ("on_failure", on_failure.into()),
        ("timeout", format!("{:#}", script.script.timeout).into()),
    ])
}
