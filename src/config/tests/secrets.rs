//! Secrets and keys from files.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use secrecy::ExposeSecret;

use super::{read, written};
use crate::config::{read_key, read_secret};

#[test]
fn a_secret_is_one_line_of_a_file_that_is_not_open_to_everybody() {
    let (_dir, file) = written("");
    let with = |content: &[u8], mode: u32| {
        fs::write(&file, content).unwrap();
        fs::set_permissions(&file, fs::Permissions::from_mode(mode)).unwrap();
        read_secret(&file)
    };
    assert_eq!(with(b"s3cret\n", 0o600).unwrap().expose_secret(), "s3cret");
    assert_eq!(with(b"s3cret\r\n", 0o440).unwrap().expose_secret(), "s3cret");
    assert_eq!(with(b"s3cret", 0o600).unwrap().expose_secret(), "s3cret");
    for (content, mode) in [
        (b"s3cret".to_vec(), 0o644),
        (b"s3cret".to_vec(), 0o602),
        (b"".to_vec(), 0o600),
        (b"\n".to_vec(), 0o600),
        (b"s3cret\n\n".to_vec(), 0o600),
        (b"s3cret\xff".to_vec(), 0o600),
        (b"s3cret".repeat(20_000), 0o600),
    ] {
        let error = with(&content, mode).unwrap_err();
        assert!(!format!("{error} {error:?} {:?}", error.hint()).contains("s3cret"), "{error:?}");
        assert_eq!(error.hint().is_some(), mode & 0o007 != 0);
    }
}

#[test]
fn a_key_is_a_whole_pem_block() {
    let (_dir, file) = written("");
    let with = |content: &str, mode: u32| {
        fs::write(&file, content).unwrap();
        fs::set_permissions(&file, fs::Permissions::from_mode(mode)).unwrap();
        read_key(&file)
    };
    for kind in ["RSA PRIVATE KEY", "PRIVATE KEY"] {
        let key = format!("-----BEGIN {kind}-----\nS3CRET\n-----END {kind}-----");
        assert_eq!(with(&format!("{key}\n"), 0o600).unwrap().expose_secret(), key);
    }
    let key = "-----BEGIN PRIVATE KEY-----\nS3CRET\n-----END PRIVATE KEY-----\n";
    for (content, mode, words) in [
        (key, 0o644, "is open to everybody"),
        ("", 0o600, "is empty"),
        ("ghp_S3CRET\n", 0o600, "does not begin with a private key"),
        (&key.replace("PRIVATE", "PUBLIC"), 0o600, "does not begin with a private key"),
        (&key.replace("PRIVATE", "ENCRYPTED PRIVATE"), 0o600, "a passphrase protects"),
        ("-----BEGIN PRIVATE KEY-----\nS3CRET\n", 0o600, "ends before its private key does"),
        (&"S3CRET".repeat(20_000), 0o600, "is too large"),
    ] {
        let error = with(content, mode).unwrap_err();
        assert!(error.to_string().contains(words), "{error}");
        assert!(!format!("{error:?} {:?}", error.hint()).contains("S3CRET"), "{error:?}");
    }
}

/// Whoever writes the token where its file belongs must not find it in the log.
#[test]
fn a_secret_in_the_configuration_is_not_repeated() {
    for text in [
        "[github]\ntoken = \"s3cret\"\n",
        "[github]\ntoken_file = \"ghp_s3cret\"\n",
        "[github]\napp_key = \"\"\"-----BEGIN s3cret\n\"\"\"\n",
        "[webhook]\nsecret = \"s3cret\"\n",
        "name_prefix = \"github_pat_s3cret\"\n",
    ] {
        let error = read(text).unwrap_err();
        let all = format!("{error} {error:?} {:?}", error.problems());
        assert!(!all.contains("s3cret"), "{all}");
    }
}
