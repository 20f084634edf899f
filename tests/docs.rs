//! What the documentation says of the configuration is what the program does.
#![expect(clippy::unwrap_used, clippy::panic, reason = "the helpers of a test may panic")]

use larm::config::{self, ConfigError, Overrides, Settings};

const PAGE: &str = include_str!("../docs/configuration.md");

/// The page's `number`th block of TOML, counted from 0.
fn block(number: usize) -> &'static str {
    let block = PAGE.split("```toml\n").nth(number + 1).unwrap();
    block.split("```").next().unwrap()
}

fn load(text: &str) -> Result<Settings, ConfigError> {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("larm.toml");
    std::fs::write(&file, text).unwrap();
    config::load(Some(&file), Overrides::default())
}

fn value(settings: &Settings) -> serde_json::Value {
    serde_json::to_value(settings).unwrap()
}

/// The keys of a table, as the error about an unknown one lists them.
fn keys_of(table: &str) -> Vec<String> {
    let error = load(&format!("{table}\nno-such-key = 1\n")).unwrap_err().to_string();
    let (_, list) = error.split_once("expected one of ").unwrap_or_else(|| panic!("{error}"));
    list.split('`').skip(1).step_by(2).map(str::to_owned).collect()
}

#[test]
fn the_documented_defaults_are_the_defaults() {
    let documented = load(block(0)).unwrap();
    assert_eq!(value(&documented), value(&Settings::default()));
}

#[test]
fn the_documented_defaults_of_a_pool_are_its_defaults() {
    let token = "[github]\ntoken_file = \"/t\"\n";
    let documented = load(&format!("{token}{}", block(1))).unwrap();
    let shortest = format!("{token}[[pool]]\nname = \"small\"\ngithub = \"acme/web\"\n");
    assert_eq!(value(&documented), value(&load(&shortest).unwrap()));
}

#[test]
fn every_key_is_documented() {
    for (table, prefix) in [
        ("", ""),
        ("[lxd]", "lxd."),
        ("[runner]", "runner."),
        ("[deadlines]", "deadlines."),
        ("[limits]", "limits."),
        ("[logs]", "logs."),
        ("[github]", "github."),
        ("[webhook]", "webhook."),
        ("[host]", "host."),
        ("[services]", "services."),
        ("[services.proxy]", "services.proxy."),
        ("[services.pre_job]", "services.pre_job."),
        ("[services.post_job]", "services.post_job."),
        ("[isolation]", "isolation."),
        ("[[pool]]\nname = \"a\"", "pool."),
    ] {
        let keys = keys_of(table);
        assert!(keys.len() > 2, "{table} has {keys:?}");
        for key in keys {
            // In a block of TOML, as a table of its own, or in one of the lists.
            let forms = [format!("\n{key} = "), format!("[{key}"), format!("`{prefix}{key}")];
            let told = forms.iter().any(|form| PAGE.contains(form.as_str()));
            assert!(told, "`{prefix}{key}` is not in docs/configuration.md");
        }
    }
}
