//! Images made from files.

use std::path::{Path, PathBuf};

use larm::lxd::{Client, Config, ErrorKind, ImageFiles, ImageSource, NewInstance};
use tempfile::TempDir;

use super::{Environment, Kind, LIMIT};

pub(crate) async fn are_made_from_one_archive(environment: Environment) {
    if environment.kind == Kind::VirtualMachine {
        return;
    }
    let dir = TempDir::new().unwrap();
    let path =
        archive(dir.path(), "unified.tar", &[metadata(&environment), rootfs("rootfs/etc/x")]);
    imports(&environment, &ImageFiles::Unified { path }).await;
}

pub(crate) async fn are_made_from_two_files(environment: Environment) {
    if environment.kind == Kind::VirtualMachine {
        return;
    }
    let dir = TempDir::new().unwrap();
    let metadata = archive(dir.path(), "metadata.tar", &[metadata(&environment)]);
    let rootfs = archive(dir.path(), "rootfs.tar", &[rootfs("etc/x")]);
    imports(&environment, &ImageFiles::Container { metadata, rootfs }).await;
}

pub(crate) async fn need_files_that_are_there(environment: Environment) {
    let files = ImageFiles::Unified { path: PathBuf::from("/no/such/image.tar") };
    let error = environment.client.import_image(&files).await.unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::Local { .. }), "{error}");
    assert!(error.to_string().contains("/no/such/image.tar"), "{error}");
}

/// As `larm image build` does: published, marked, named, renamed, and made instances from.
pub(crate) async fn are_made_from_an_instance(environment: Environment) {
    if environment.kind == Kind::VirtualMachine {
        return;
    }
    let guest = environment.created().await;
    let client = &environment.client;
    let properties = config(&[("os", "x"), ("user.larm.image", "a"), ("user.larm.verified", "no")]);
    let operation = client.publish_instance(&guest.name, &properties).await.unwrap();
    let finished = client.wait(&operation, LIMIT).await.unwrap();
    let fingerprint = finished.metadata.get("fingerprint").and_then(|text| text.as_str());
    let fingerprint = fingerprint.unwrap().to_owned();
    let seen = std::panic::AssertUnwindSafe(is_used(&environment, &fingerprint));
    let seen = futures_util::FutureExt::catch_unwind(seen).await;
    let operation = client.delete_image(&fingerprint).await.unwrap();
    client.wait(&operation, LIMIT).await.unwrap();
    seen.unwrap();
}

async fn is_used(environment: &Environment, fingerprint: &str) {
    let (client, alias) = (&environment.client, environment.stem.as_str());
    let marks = config(&[("user.larm.verified", "yes")]);
    client.change_image_properties(fingerprint, &marks).await.unwrap();
    let missing = client.move_alias(alias, fingerprint, "none").await.unwrap_err();
    assert!(matches!(missing.kind(), ErrorKind::ImageMissing { .. }), "{missing}");
    assert_eq!(client.alias_target(alias).await.unwrap(), None);
    let base = client.image_by_alias(&environment.image).await.unwrap().unwrap().fingerprint;
    client.create_alias(alias, &base).await.unwrap();
    client.move_alias(alias, fingerprint, "moved").await.unwrap();
    assert_eq!(client.alias_target(alias).await.unwrap().as_deref(), Some(fingerprint));

    let all = client.images().await.unwrap();
    let image = all.iter().find(|image| image.fingerprint == fingerprint).unwrap();
    assert_eq!(image.aliases.iter().map(|one| one.name.as_str()).collect::<Vec<_>>(), [alias]);
    let property = |key: &str| image.properties.get(key).map(String::as_str);
    assert_eq!((property("os"), property("user.larm.image")), (Some("x"), Some("a")));
    assert_eq!(property("user.larm.verified"), Some("yes"));

    let name = format!("{}-b", environment.stem);
    let image = ImageSource::Fingerprint(fingerprint.to_owned());
    let made = environment.create(&NewInstance { name, image, ..environment.new_instance() }).await;
    let made = client.instance(&made.name).await.unwrap().unwrap();
    let key = |key: &str| made.config.get(key).map(String::as_str);
    assert_eq!(key("volatile.base_image"), Some(fingerprint));
    assert_eq!((key("image.os"), key("image.user.larm.image")), (Some("x"), Some("a")));
}

pub(crate) async fn of_a_server_that_is_away_fail_in_the_operation(environment: Environment) {
    let server = "https://127.0.0.1:9".to_owned();
    let image = ImageSource::Remote { server, alias: "24.04".to_owned() };
    let new = NewInstance { image, ..environment.new_instance() };
    let _guest = environment.guard(&new.name);
    let operation = environment.client.create_instance(&new).await.unwrap();
    let error = environment.client.wait(&operation, LIMIT).await.unwrap_err();
    assert!(error.to_string().contains("https://127.0.0.1:9/streams"), "{error}");
    assert_eq!(environment.client.instance(&new.name).await.unwrap(), None);
}

fn config(pairs: &[(&str, &str)]) -> Config {
    pairs.iter().map(|(key, is)| ((*key).to_owned(), (*is).to_owned())).collect()
}

async fn imports(environment: &Environment, files: &ImageFiles) {
    let (client, alias) = (&environment.client, environment.stem.as_str());
    let operation = client.import_image(files).await.unwrap();
    let finished = client.wait(&operation, LIMIT).await.unwrap();
    let fingerprint = finished.metadata.get("fingerprint").and_then(|text| text.as_str());
    let fingerprint = fingerprint.expect("the operation tells the fingerprint").to_owned();
    let result = named(client, alias, &fingerprint).await;
    let operation = client.delete_image(&fingerprint).await.unwrap();
    client.wait(&operation, LIMIT).await.unwrap();
    result.unwrap();
    assert_eq!(client.image(&fingerprint).await.unwrap(), None);
    assert_eq!(client.image_by_alias(alias).await.unwrap(), None, "its name goes with it");
}

async fn named(client: &Client, alias: &str, fingerprint: &str) -> Result<(), String> {
    let words = |error: larm::lxd::Error| error.to_string();
    client.create_alias(alias, fingerprint).await.map_err(words)?;
    let again = client.create_alias(alias, fingerprint).await;
    if !again.is_err_and(|error| matches!(error.kind(), ErrorKind::AlreadyExists { .. })) {
        return Err("an alias was given twice".to_owned());
    }
    let found = client.image_by_alias(alias).await.map_err(words)?.ok_or("no image")?;
    if found.fingerprint != fingerprint || found.size <= 0 {
        return Err(format!("{found:?}"));
    }
    Ok(())
}

/// The case's name makes the image, and so its fingerprint, its own.
fn metadata(environment: &Environment) -> (String, String) {
    let text = format!(
        "architecture: x86_64\ncreation_date: 1700000000\nproperties:\n  description: {}\n",
        environment.stem
    );
    ("metadata.yaml".to_owned(), text)
}

fn rootfs(path: &str) -> (String, String) {
    (path.to_owned(), "x".repeat(300_000))
}

fn archive(dir: &Path, name: &str, files: &[(String, String)]) -> PathBuf {
    let path = dir.join(name);
    let mut builder = tar::Builder::new(std::fs::File::create(&path).unwrap());
    for (name, text) in files {
        let mut header = tar::Header::new_gnu();
        header.set_mode(0o644);
        header.set_size(u64::try_from(text.len()).unwrap());
        builder.append_data(&mut header, name, text.as_bytes()).unwrap();
    }
    builder.finish().unwrap();
    path
}
