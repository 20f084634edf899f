//! Files inside an instance.

use larm::lxd::{ErrorKind, FileKind, FileOptions};

use super::{Environment, Kind};

pub(crate) async fn writes_and_reads_with_owner_and_mode(environment: Environment) {
    let guest = environment.started().await;
    let (client, name) = (&guest.client, guest.name.as_str());
    let bytes = vec![0, 1, 2, 0xff, b'\n'];
    let options = FileOptions { uid: 1, gid: 2, mode: 0o640 };
    client.push_file(name, "/run/a file", bytes.clone(), options).await.unwrap();
    let file = client.read_file(name, "/run/a file", 100).await.unwrap().unwrap();
    assert_eq!((file.kind, file.bytes), (FileKind::File, bytes));
    assert_eq!((file.uid, file.gid, file.mode), (1, 2, 0o640));
    assert_eq!(guest.sh("stat -c '%u %g %a' '/run/a file'").await.text(), "1 2 640\n");

    client.push_file(name, "/run/a file", b"short".to_vec(), options).await.unwrap();
    let file = client.read_file(name, "/run/a file", 100).await.unwrap().unwrap();
    assert_eq!(file.bytes, b"short", "what was there is replaced");
    client.push_file(name, "/run/private", Vec::new(), FileOptions::PRIVATE).await.unwrap();
    let file = client.read_file(name, "/run/private", 0).await.unwrap().unwrap();
    assert_eq!((file.uid, file.mode, file.bytes.len()), (0, 0o600, 0));
    client.delete_file(name, "/run/private").await.unwrap();
    assert_eq!(client.read_file(name, "/run/private", 0).await.unwrap(), None);
    let again = client.delete_file(name, "/run/private").await.unwrap_err();
    assert!(again.is_not_found(), "{again}");
}

pub(crate) async fn stops_reading_at_the_cap(environment: Environment) {
    let guest = environment.started().await;
    let (client, name) = (&guest.client, guest.name.as_str());
    let big = vec![b'x'; 1 << 20];
    client.push_file(name, "/run/big", big.clone(), FileOptions::PRIVATE).await.unwrap();
    let error = client.read_file(name, "/run/big", (1 << 20) - 1).await.unwrap_err();
    assert_eq!(*error.kind(), ErrorKind::TooLarge { cap: (1 << 20) - 1 });
    assert!(!error.is_transient());
    let file = client.read_file(name, "/run/big", 1 << 20).await.unwrap().unwrap();
    assert!(file.bytes == big, "exactly the cap is allowed");
}

pub(crate) async fn shows_directories_and_symlinks(environment: Environment) {
    let guest = environment.started().await;
    let (client, name) = (&guest.client, guest.name.as_str());
    let options = FileOptions { uid: 0, gid: 0, mode: 0o750 };
    client.push_directory(name, "/run/dir", options).await.unwrap();
    client.push_file(name, "/run/dir/one", b"1".to_vec(), FileOptions::PRIVATE).await.unwrap();
    assert_eq!(guest.sh("ln -s /etc/shadow /run/dir/link").await.code, 0);
    let directory = client.read_file(name, "/run/dir", 1000).await.unwrap().unwrap();
    assert_eq!((directory.kind, directory.mode), (FileKind::Directory, 0o750));
    let mut entries = directory.entries;
    entries.sort();
    assert_eq!(entries, ["link", "one"]);
    let link = client.read_file(name, "/run/dir/link", 1000).await.unwrap().unwrap();
    assert_eq!(link.kind, FileKind::Symlink, "a link is shown, never followed");
    assert_eq!(link.bytes, b"/etc/shadow");
}

pub(crate) async fn answers_none_for_what_is_missing(environment: Environment) {
    let guest = environment.started().await;
    for path in ["/run/no-such", "/run/no-such/dir/file", "/etc/hostname/x"] {
        let found = guest.client.read_file(&guest.name, path, 100).await;
        assert!(matches!(found, Ok(None) | Err(_)), "{path}: {found:?}");
    }
    assert_eq!(guest.client.read_file(&guest.name, "/run/no-such", 9).await.unwrap(), None);
    let nobody = format!("{}-nobody", guest.name);
    assert_eq!(guest.client.read_file(&nobody, "/etc/hostname", 9).await.unwrap(), None);
}

pub(crate) async fn refuses_to_write_into_a_missing_directory(environment: Environment) {
    let guest = environment.started().await;
    let pushed =
        guest.client.push_file(&guest.name, "/run/no/such", vec![1], FileOptions::PRIVATE).await;
    let error = pushed.unwrap_err();
    assert!(error.is_not_found() && error.to_string().contains("/run/no/such"), "{error}");
}

pub(crate) async fn works_before_the_first_start(environment: Environment) {
    let guest = environment.created().await;
    let pushed = guest.client.push_file(&guest.name, "/root/x", vec![7], FileOptions::PRIVATE);
    match environment.kind {
        Kind::Container => {
            pushed.await.unwrap();
            let file = guest.client.read_file(&guest.name, "/root/x", 9).await.unwrap().unwrap();
            assert_eq!(file.bytes, [7]);
        }
        Kind::VirtualMachine => {
            let error = pushed.await.unwrap_err();
            assert!(matches!(error.kind(), ErrorKind::NotRunning { .. }), "{error}");
        }
    }
}
