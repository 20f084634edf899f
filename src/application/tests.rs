//! Fetches from a server that breaks off, lies, changes its mind and knows no ranges.

use std::collections::{BTreeSet, VecDeque};
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use sha2::{Digest, Sha256};
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio_util::task::TaskTracker;

use super::*;

/// How the server answers one request; after the last, as a good one does.
#[derive(Debug, Clone)]
enum Answer {
    Good,
    /// Says the whole length, and sends only so much of what was asked for.
    BreaksAfter(usize),
    /// Knows no ranges.
    Whole,
    Status(u16),
    /// Sends its head, and nothing more.
    Silent,
}

/// The `Range` and `If-Range` headers of a request.
type Asked = (Option<String>, Option<String>);

/// A server of one file.
struct Server {
    url: String,
    content: Arc<Mutex<(Vec<u8>, &'static str)>>,
    answers: Arc<Mutex<VecDeque<Answer>>>,
    asked: Arc<Mutex<Vec<Asked>>>,
    _serving: tokio_util::sync::DropGuard,
}

impl Server {
    async fn start(content: &[u8], answers: impl IntoIterator<Item = Answer>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/r-2.330.0.tar.gz", listener.local_addr().unwrap());
        let content = Arc::new(Mutex::new((content.to_vec(), "\"one\"")));
        let answers = Arc::new(Mutex::new(answers.into_iter().collect()));
        let asked = Arc::default();
        let stop = tokio_util::sync::CancellationToken::new();
        let serve = serve(listener, Arc::clone(&content), Arc::clone(&answers), Arc::clone(&asked));
        TaskTracker::new().spawn(stop.clone().run_until_cancelled_owned(serve));
        Self { url, content, answers, asked, _serving: stop.drop_guard() }
    }

    fn change(&self, content: &[u8], etag: &'static str) {
        *self.content.lock().unwrap() = (content.to_vec(), etag);
    }

    fn will(&self, answer: Answer) {
        self.answers.lock().unwrap().push_back(answer);
    }

    fn asked(&self) -> Vec<Asked> {
        self.asked.lock().unwrap().clone()
    }
}

async fn serve(
    listener: TcpListener,
    content: Arc<Mutex<(Vec<u8>, &'static str)>>,
    answers: Arc<Mutex<VecDeque<Answer>>>,
    asked: Arc<Mutex<Vec<Asked>>>,
) {
    let mut open = Vec::new();
    loop {
        let (stream, _) = listener.accept().await.unwrap();
        let mut stream = BufReader::new(stream);
        let (mut range, mut if_range) = (None, None);
        loop {
            let mut line = String::new();
            stream.read_line(&mut line).await.unwrap();
            let Some((key, value)) = line.trim().split_once(": ") else {
                if line.trim().is_empty() {
                    break;
                }
                continue;
            };
            match key.to_ascii_lowercase().as_str() {
                "range" => range = Some(value.to_owned()),
                "if-range" => if_range = Some(value.to_owned()),
                _ => {}
            }
        }
        asked.lock().unwrap().push((range.clone(), if_range.clone()));
        let (content, etag) = content.lock().unwrap().clone();
        let answer = answers.lock().unwrap().pop_front().unwrap_or(Answer::Good);
        let start = range
            .filter(|_| !matches!(answer, Answer::Whole))
            .filter(|_| if_range.is_none_or(|tag| tag == etag))
            .and_then(|range| range.strip_prefix("bytes=")?.strip_suffix('-')?.parse().ok());
        let mut stream = stream.into_inner();
        send(&mut stream, &content, etag, &answer, start).await;
        if matches!(answer, Answer::Silent) {
            open.push(stream);
        }
    }
}

async fn send(
    stream: &mut TcpStream,
    content: &[u8],
    etag: &str,
    answer: &Answer,
    start: Option<usize>,
) {
    let whole = content.len();
    let part = content.get(start.unwrap_or(0)..).filter(|part| start.is_none() || !part.is_empty());
    let (status, range, part) = match (answer, start, part) {
        (Answer::Status(code), ..) => (*code, String::new(), &b""[..]),
        (_, Some(_), None) => (416, String::new(), &b""[..]),
        (_, Some(at), Some(part)) => {
            (206, format!("Content-Range: bytes {at}-{}/{whole}\r\n", whole - 1), part)
        }
        (_, None, part) => (200, String::new(), part.unwrap()),
    };
    let head = format!(
        "HTTP/1.1 {status} X\r\nContent-Length: {}\r\nETag: {etag}\r\n{range}\
         Connection: close\r\n\r\n",
        part.len()
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    let sent = match answer {
        Answer::BreaksAfter(count) => &part[..(*count).min(part.len())],
        Answer::Silent => &[],
        Answer::Good | Answer::Whole | Answer::Status(_) => part,
    };
    // A client that has seen enough may be gone.
    drop(stream.write_all(sent).await);
}

/// Large enough that it comes in parts, and no part is like another.
fn content(seed: u8) -> Vec<u8> {
    (0..300_000_u32).map(|n| n.wrapping_mul(2_654_435_761).to_be_bytes()[1] ^ seed).collect()
}

fn sha256(bytes: &[u8]) -> String {
    format!("{:x}", Sha256::digest(bytes))
}

fn options() -> CacheOptions {
    CacheOptions { pauses: [Duration::ZERO; 3], ..CacheOptions::default() }
}

fn cache() -> (TempDir, Cache) {
    let dir = tempfile::tempdir().unwrap();
    let cache = Cache::new(dir.path().join("application"), options());
    (dir, cache)
}

fn names(dir: &TempDir) -> Vec<String> {
    let entries = std::fs::read_dir(dir.path().join("application")).unwrap();
    let mut names: Vec<_> =
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

fn expect_content(path: &Path, content: &[u8]) {
    assert!(std::fs::read(path).unwrap() == content, "{} has another content", path.display());
}

#[tokio::test]
async fn an_archive_is_fetched_once_with_its_progress() {
    let content = content(0);
    let server = Server::start(&content, []).await;
    let (dir, cache) = cache();
    let wanted = Wanted::at(&server.url, &sha256(&content));
    let mut seen = Vec::new();
    let cached = cache.fetch(&wanted, |progress| seen.push(progress)).await.unwrap();
    expect_content(&cached.path, &content);
    assert_eq!((&*cached.version, &cached.sha256), ("2.330.0", &wanted.sha256));
    assert!(seen.is_sorted_by_key(|one| one.done), "{seen:?}");
    assert_eq!(seen.first(), Some(&Progress { done: 0, total: Some(300_000) }));
    assert_eq!(seen.last(), Some(&Progress { done: 300_000, total: Some(300_000) }));
    // Another process, and the same.
    for cache in [Cache::new(dir.path().join("application"), options()), cache] {
        assert_eq!(cache.fetch(&wanted, |_| {}).await.unwrap(), cached);
        assert_eq!(cache.list().await.unwrap(), std::slice::from_ref(&cached));
    }
    assert_eq!(server.asked().len(), 1);
    assert_eq!(names(&dir), [cached.path.file_name().unwrap().to_str().unwrap(), "lock"]);
}

#[tokio::test]
async fn what_broke_off_goes_on_where_it_was() {
    let content = content(0);
    let breaks = [Answer::BreaksAfter(100_000), Answer::Status(503), Answer::BreaksAfter(50_000)];
    let server = Server::start(&content, breaks).await;
    let (dir, cache) = cache();
    let wanted = Wanted::at(&server.url, &sha256(&content));
    let cached = cache.fetch(&wanted, |_| {}).await.unwrap();
    expect_content(&cached.path, &content);
    let at = |count: u32| (Some(format!("bytes={count}-")), Some("\"one\"".to_owned()));
    assert_eq!(server.asked(), [(None, None), at(100_000), at(100_000), at(150_000)]);
    assert_eq!(names(&dir).len(), 2, "{:?}", names(&dir));
}

#[tokio::test]
async fn another_process_goes_on_too() {
    let content = content(0);
    let server = Server::start(&content, vec![Answer::BreaksAfter(10_000); 4]).await;
    let (dir, cache) = cache();
    let wanted = Wanted::at(&server.url, &sha256(&content));
    let error = cache.fetch(&wanted, |_| {}).await.unwrap_err();
    assert!(matches!(error.kind, FetchErrorKind::Broken { done: 40_000, .. }), "{error:?}");
    assert!(error.is_transient() && error.hint().is_some());
    assert!(cache.list().await.unwrap().is_empty());
    let other = Cache::new(dir.path().join("application"), options());
    let mut first = None;
    let note = |progress| first = first.or(Some(progress));
    let cached = other.fetch(&wanted, note).await;
    expect_content(&cached.unwrap().path, &content);
    assert_eq!(first, Some(Progress { done: 40_000, total: Some(300_000) }));
}

#[tokio::test]
async fn all_that_came_before_a_process_ended_is_not_asked_for_again() {
    let content = content(0);
    let server = Server::start(&content, []).await;
    let (dir, cache) = cache();
    let wanted = Wanted::at(&server.url, &sha256(&content));
    std::fs::create_dir(dir.path().join("application")).unwrap();
    std::fs::write(wanted.partial(&dir.path().join("application")), &content).unwrap();
    expect_content(&cache.fetch(&wanted, |_| {}).await.unwrap().path, &content);
    assert!(server.asked().is_empty());
}

#[tokio::test]
async fn a_server_without_ranges_sends_it_all_again() {
    let content = content(0);
    let server = Server::start(&content, [Answer::BreaksAfter(70_000), Answer::Whole]).await;
    let (_dir, cache) = cache();
    let wanted = Wanted::at(&server.url, &sha256(&content));
    expect_content(&cache.fetch(&wanted, |_| {}).await.unwrap().path, &content);
    assert_eq!(server.asked().len(), 2);
}

/// The file under the URL is replaced while a part of the old one is here.
#[tokio::test]
async fn a_file_that_changed_meanwhile_is_not_mixed() {
    let (old, new) = (content(0), content(7));
    let server = Server::start(&old, vec![Answer::BreaksAfter(20_000); 4]).await;
    let (_dir, cache) = cache();
    let wanted = Wanted::at(&server.url, &sha256(&new));
    cache.fetch(&wanted, |_| {}).await.unwrap_err();
    server.change(&new, "\"two\"");
    expect_content(&cache.fetch(&wanted, |_| {}).await.unwrap().path, &new);
    assert_eq!(server.asked().last().unwrap().1.as_deref(), Some("\"one\""));
    assert_eq!(server.asked().len(), 5);
}

/// The same, at a server that calls both by the same name: all of it is fetched anew, once.
#[tokio::test]
async fn a_part_that_does_not_fit_is_dropped_and_fetched_anew() {
    let (old, new) = (content(0), content(7));
    let server = Server::start(&old, vec![Answer::BreaksAfter(20_000); 4]).await;
    let (_dir, cache) = cache();
    let wanted = Wanted::at(&server.url, &sha256(&new));
    cache.fetch(&wanted, |_| {}).await.unwrap_err();
    server.change(&new, "\"one\"");
    expect_content(&cache.fetch(&wanted, |_| {}).await.unwrap().path, &new);
    assert_eq!(server.asked()[4].0.as_deref(), Some("bytes=80000-"));
    assert_eq!(server.asked()[5].0, None);
    // A part that is longer than what the server has.
    let longer = [new.clone(), vec![1]].concat();
    let (dir, cache) = self::cache();
    std::fs::create_dir(dir.path().join("application")).unwrap();
    std::fs::write(wanted.partial(&dir.path().join("application")), longer).unwrap();
    expect_content(&cache.fetch(&wanted, |_| {}).await.unwrap().path, &new);
}

#[tokio::test]
async fn another_checksum_is_refused_and_nothing_of_it_stays() {
    let server = Server::start(&content(0), []).await;
    let (dir, cache) = cache();
    let wanted = Wanted::at(&server.url, &sha256(b"another"));
    let error = cache.fetch(&wanted, |_| {}).await.unwrap_err();
    let FetchErrorKind::Checksum { found, .. } = &error.kind else { panic!("{error:?}") };
    assert_eq!(*found, sha256(&content(0)));
    assert!(!error.is_transient());
    assert_eq!((names(&dir), server.asked().len()), (vec!["lock".to_owned()], 1));
}

#[tokio::test]
async fn a_damaged_archive_is_fetched_again_by_the_next_process() {
    let content = content(0);
    let server = Server::start(&content, []).await;
    let (dir, cache) = cache();
    let wanted = Wanted::at(&server.url, &sha256(&content));
    let cached = cache.fetch(&wanted, |_| {}).await.unwrap();
    std::fs::write(&cached.path, b"damaged").unwrap();
    let next = Cache::new(dir.path().join("application"), options());
    expect_content(&next.fetch(&wanted, |_| {}).await.unwrap().path, &content);
    assert_eq!(server.asked().len(), 2);
}

#[tokio::test]
async fn many_who_want_the_same_fetch_it_once() {
    let content = content(0);
    let server = Server::start(&content, []).await;
    let (dir, cache) = cache();
    let wanted = Wanted::at(&server.url, &sha256(&content));
    let other = Cache::new(dir.path().join("application"), options());
    let fetches = [&cache, &cache, &other, &other].map(|cache| cache.fetch(&wanted, |_| {}));
    for cached in futures_util::future::join_all(fetches).await {
        expect_content(&cached.unwrap().path, &content);
    }
    assert_eq!(server.asked().len(), 1);
}

#[tokio::test]
async fn what_is_too_large_or_silent_or_not_there_is_told() {
    let content = content(0);
    let server = Server::start(&content, []).await;
    let dir = tempfile::tempdir().unwrap();
    let cache = |options| Cache::new(dir.path().join("application"), options);
    let wanted = Wanted::at(&server.url, &sha256(&content));
    let small = cache(CacheOptions { most_bytes: 299_999, ..options() });
    let error = small.fetch(&wanted, |_| {}).await.unwrap_err();
    assert!(matches!(error.kind, FetchErrorKind::TooLarge(299_999)), "{error:?}");
    assert_eq!(names(&dir), ["lock"]);
    server.will(Answer::Status(404));
    let error = cache(options()).fetch(&wanted, |_| {}).await.unwrap_err();
    assert_eq!(
        std::error::Error::source(&error).unwrap().to_string(),
        "the server answered with HTTP status 404"
    );
    assert!(!error.is_transient() && error.hint().is_some());
    let impatient = CacheOptions { stall: Duration::from_millis(50), ..options() };
    (0..4).for_each(|_| server.will(Answer::Silent));
    let error = cache(impatient).fetch(&wanted, |_| {}).await.unwrap_err();
    assert!(matches!(error.kind, FetchErrorKind::Stalled(_)), "{error:?}");
    let nowhere = Wanted { url: "http://127.0.0.1:9/r.tar".into(), ..wanted.clone() };
    let error = cache(options()).fetch(&nowhere, |_| {}).await.unwrap_err();
    let FetchErrorKind::Unreachable { reason } = &error.kind else { panic!("{error:?}") };
    assert!(reason.contains("refused"), "{reason}");
    let outside = Wanted { version: "../up".into(), ..wanted };
    let error = cache(options()).fetch(&outside, |_| {}).await.unwrap_err();
    assert!(matches!(error.kind, FetchErrorKind::Wanted(_)), "{error:?}");
}

#[tokio::test]
async fn versions_live_side_by_side_until_they_are_pruned() {
    let content = content(0);
    let server = Server::start(&content, []).await;
    let (dir, cache) = cache();
    let none = BTreeSet::new();
    assert_eq!(cache.prune(&none).await.unwrap(), []);
    assert_eq!(cache.list().await.unwrap(), []);
    let sum = sha256(&content);
    for version in ["2.330.0", "2.99.1", "2.331.0"] {
        let wanted = Wanted { version: version.into(), ..Wanted::at(&server.url, &sum) };
        cache.fetch(&wanted, |_| {}).await.unwrap();
    }
    let versions =
        |list: Vec<Cached>| -> Vec<String> { list.into_iter().map(|one| one.version).collect() };
    assert_eq!(versions(cache.list().await.unwrap()), ["2.99.1", "2.330.0", "2.331.0"]);
    let partial = dir.path().join(format!("application/2.1.0-{sum}.partial"));
    std::fs::write(&partial, b"x").unwrap();
    std::fs::write(dir.path().join("application/notes.txt"), b"x").unwrap();
    let keep: BTreeSet<_> = ["2.330.0".to_owned(), "9.9".to_owned()].into();
    let mut removed = versions(cache.prune(&keep).await.unwrap());
    removed.sort();
    assert_eq!(removed, ["2.331.0", "2.99.1"]);
    assert_eq!(versions(cache.list().await.unwrap()), ["2.330.0"]);
    assert!(!partial.exists() && dir.path().join("application/notes.txt").exists());
}
