//! What the documentation says of the configuration is what the program does.

use larm::config::{self, Overrides, Settings};

#[test]
fn the_documented_defaults_are_the_defaults() {
    let page = include_str!("../docs/configuration.md");
    let block = page.split("```toml\n").nth(1).unwrap().split("```").next().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("larm.toml");
    std::fs::write(&file, block).unwrap();
    let documented = config::load(Some(&file), Overrides::default()).unwrap();
    let left = serde_json::to_value(documented).unwrap();
    assert_eq!(left, serde_json::to_value(Settings::default()).unwrap());
}
