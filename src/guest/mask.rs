//! Secrets in what guests print, masked before anybody sees or keeps it.
//!
//! Masked are secrets that larm knows, and whatever has the form of one: GitHub's tokens, just-in-time
//! configurations, JSON web tokens, `Authorization` headers, passwords in URLs, signatures of signed
//! URLs, private keys. A secret in a form of its own is not recognised: jobs mask theirs themselves.

use std::borrow::Cow;
use std::sync::LazyLock;

use regex::bytes::{Captures, Regex};
use secrecy::{ExposeSecret, SecretString};

/// What stands in a secret's place.
pub const MASK: &str = "***";

/// Shorter than that, nothing is a secret, and masking it would only make holes.
const SHORTEST: usize = 8;

/// Forms of secrets. What is in `keep` says what it was; all else is replaced.
const FORMS: [&str; 8] = [
    // GitHub's tokens (GitHub documentation, "About authentication to GitHub").
    r"(?P<keep>\b(?:gh[pousr]_|github_pat_))[A-Za-z0-9_.-]+",
    // A just-in-time configuration, or any other JSON that was encoded: base64 of `{"` and a letter,
    // or of `{".`, which GitHub's begin with.
    r"(?P<keep>ey[A-Za-z0-9])[A-Za-z0-9+/_=-]{97,}",
    // JSON web tokens.
    r"(?P<keep>eyJ)[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]*",
    // Registration and remove tokens.
    r"(?P<keep>\bA)[A-Z0-9]{28}\b",
    r#"(?i)(?P<keep>authorization["']?\s*[:=]\s*["']?(?:[a-z]+\s+)?)[^\s"'*,;]+"#,
    r"(?i)(?P<keep>\b[a-z][a-z0-9+.-]{1,30}://)[^\s/@]*:[^\s/@]*@",
    r#"(?i)(?P<keep>[?&](?:sig|signature|token|access_token|x-amz-[a-z-]+)=)[^\s&"']+"#,
    r#"(?P<keep>\bACTIONS_[A-Z_]*(?:TOKEN|JITCONFIG)["']?[=:]\s*["']?)[^\s"'*]+"#,
];

/// All forms as one, so that each place is looked at once.
static SECRET: LazyLock<Regex> = LazyLock::new(|| {
    // A group's name may be used once.
    let numbered = FORMS.iter().enumerate();
    let all: Vec<String> =
        numbered.map(|(n, form)| form.replace("?P<keep>", &format!("?P<keep{n}>"))).collect();
    // The literal is a pattern; a test builds it.
    #[expect(clippy::expect_used, reason = "a literal that a test builds")]
    Regex::new(&all.join("|")).expect("the forms of secrets")
});

const KEY_BEGINS: &str = "-----BEGIN ";
const KEY: &str = "PRIVATE KEY-----";
const KEY_ENDS: &str = "-----END ";
/// The longest line of a key, with whatever stands before it in a journal.
const KEY_LINE: usize = 400;

/// Masks secrets line by line: a private key has many lines.
#[derive(Debug, Default)]
pub struct Masker {
    known: Vec<SecretString>,
    in_key: bool,
}

/// Masks secrets in a whole text; `known` are some that have no form of their own. The number of
/// lines stays the same.
pub fn mask(text: &[u8], known: &[SecretString]) -> Vec<u8> {
    let mut masker = Masker::new(known.to_vec());
    let mut lines: Vec<Vec<u8>> = Vec::new();
    for line in text.split(|byte| *byte == b'\n') {
        if !masker.in_key && ends_key(line) {
            mask_key_backwards(&mut lines);
        }
        lines.push(masker.line(line));
    }
    lines.join(&b'\n')
}

impl Masker {
    /// A masker that also masks these.
    pub fn new(known: Vec<SecretString>) -> Self {
        Self { known, in_key: false }
    }

    /// The next line, without what ends it.
    pub fn line(&mut self, line: &[u8]) -> Vec<u8> {
        let line = self.without_known(line);
        if let Some(at) = find(&line, KEY_BEGINS).filter(|_| find(&line, KEY).is_some()) {
            let (before, key) = line.split_at(at);
            self.in_key = !ends_key(key);
            return [&*without_forms(before), MASK.as_bytes()].concat();
        }
        if self.in_key {
            self.in_key = !ends_key(&line) && may_be_of_key(&line);
            return without_last_word(&line);
        }
        without_forms(&line).into_owned()
    }

    fn without_known(&self, line: &[u8]) -> Vec<u8> {
        let mut line = line.to_vec();
        for secret in &self.known {
            let secret = secret.expose_secret().trim().as_bytes();
            while secret.len() >= SHORTEST
                && let Some(at) = find(&line, secret)
            {
                line.splice(at..at.saturating_add(secret.len()), MASK.bytes());
            }
        }
        line
    }
}

fn without_forms(line: &[u8]) -> Cow<'_, [u8]> {
    SECRET.replace_all(line, |found: &Captures<'_>| {
        let kept = found.iter().skip(1).flatten().next();
        let kept = kept.map(|kept| kept.as_bytes()).unwrap_or_default();
        [kept, MASK.as_bytes()].concat()
    })
}

/// The beginning of a text may have been cut off, and with it the line in which a key begins.
fn mask_key_backwards(lines: &mut [Vec<u8>]) {
    let of_key = lines.iter_mut().rev().take_while(|line| !line.is_empty() && may_be_of_key(line));
    for line in of_key {
        *line = without_last_word(line);
    }
}

fn ends_key(line: &[u8]) -> bool {
    find(line, KEY_ENDS).is_some_and(|at| find(line.split_at(at).1, KEY).is_some())
}

/// Whether a line's last word may be a part of a key.
fn may_be_of_key(line: &[u8]) -> bool {
    let of_base64 = |byte: &u8| byte.is_ascii_alphanumeric() || b"+/=*".contains(byte);
    let header = [&b"Proc-Type:"[..], b"DEK-Info:"].iter().any(|name| find(line, name).is_some());
    line.len() <= KEY_LINE && (header || last_word(line).iter().all(of_base64))
}

fn last_word(line: &[u8]) -> &[u8] {
    line.trim_ascii_end().rsplit(u8::is_ascii_whitespace).next().unwrap_or_default()
}

fn without_last_word(line: &[u8]) -> Vec<u8> {
    let word = last_word(line).len();
    let rest = line.trim_ascii_end().len().saturating_sub(word);
    let mark = if word == 0 { "" } else { MASK };
    [&*without_forms(line.split_at(rest).0), mark.as_bytes()].concat()
}

fn find(text: &[u8], what: impl AsRef<[u8]>) -> Option<usize> {
    let what = what.as_ref();
    text.windows(what.len().max(1)).position(|part| part == what)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn masked(text: &str) -> String {
        String::from_utf8(mask(text.as_bytes(), &[])).unwrap()
    }

    #[test]
    fn secrets_are_known_by_their_form() {
        let jit = format!("eyJ{}==", "Qm9i".repeat(40));
        // Base64 of `{".runner":"...`.
        let real = format!("eyIucnVubmVyIjoi{}==", "Qm9i".repeat(40));
        let token = format!("A{}", "B2".repeat(14));
        for (text, expected) in [
            ("token ghp_abcDEF123 here".to_owned(), "token ghp_*** here"),
            ("a=github_pat_11AB_cd,b=ghs_1.x-y".to_owned(), "a=github_pat_***,b=ghs_***"),
            (format!("jit: {jit} end"), "jit: eyJ*** end"),
            (format!("jit: {real} end"), "jit: eyI*** end"),
            ("x eyJhbGciOiJ9.eyJzdWIiOiJ9.c2ln y".to_owned(), "x eyJ*** y"),
            (format!("--token {token}"), "--token A***"),
            ("Authorization: Bearer abc.def-1".to_owned(), "Authorization: Bearer ***"),
            ("'authorization': 'Basic dXNlcjo='".to_owned(), "'authorization': 'Basic ***'"),
            ("authorization: RemoteAuth x9/y+z==".to_owned(), "authorization: RemoteAuth ***"),
            ("get https://bob:pw@host:8080/a".to_owned(), "get https://***host:8080/a"),
            ("https://x/y?a=1&sig=Zm9v%3D&b=2".to_owned(), "https://x/y?a=1&sig=***&b=2"),
            (
                "ACTIONS_RUNNER_INPUT_TOKEN=xyz and ACTIONS_RUNTIME_URL=http://x".to_owned(),
                "ACTIONS_RUNNER_INPUT_TOKEN=*** and ACTIONS_RUNTIME_URL=http://x",
            ),
        ] {
            assert_eq!(masked(&text), expected);
        }
    }

    #[test]
    fn what_is_no_secret_stays() {
        for text in [
            "2026-11-27T22:15:00Z runner[12]: Listening for Jobs",
            "sha256 9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
            "eyJ short",
            "ssh git@github.com:acme/web.git and http://10.0.0.1:8080/path",
            "Authorization failed",
            "ghost_writer, ABCDEFGHIJ",
        ] {
            assert_eq!(masked(text), text);
        }
    }

    #[test]
    fn private_keys_are_masked_with_whatever_stands_before_their_lines() {
        let body = "MIIEvQIBADANBgkqhkiG9w0BAQEFAASC";
        let key = |head: &str| {
            ["-----BEGIN RSA PRIVATE KEY-----", body, "ab==", "-----END RSA PRIVATE KEY-----"]
                .map(|line| format!("{head}{line}\n"))
                .concat()
        };
        for head in ["", "Nov 27 22:15:00 guest larm[7]: "] {
            let text = format!("{head}before it:\n{}{head}after it.\n", key(head));
            let shown = masked(&text);
            assert!(!shown.contains(body) && !shown.contains("ab=="), "{shown}");
            assert!(shown.contains("before it:") && shown.contains("after it."), "{shown}");
            // As when the beginning was cut off.
            let (_, cut) = text.split_once("BEGIN").unwrap();
            assert!(!masked(cut).contains(body), "{}", masked(cut));
        }
        let one_line =
            format!("key: -----BEGIN PRIVATE KEY-----\\n{body}\\n-----END PRIVATE KEY-----");
        assert_eq!(masked(&one_line), "key: ***");
        let unfinished = "-----BEGIN PRIVATE KEY-----\nno key: at all.\nghosts and more.";
        assert!(masked(unfinished).ends_with("ghosts and more."));
    }

    /// A secret of any known form.
    fn secret() -> impl Strategy<Value = (String, String)> {
        prop_oneof![
            ("(ghp|gho|ghu|ghs|ghr)_", "[A-Za-z0-9]{20,40}"),
            ("github_pat_", "[A-Za-z0-9_]{30,80}"),
            ("ey[IJ]", "[A-Za-z0-9+/]{120,400}={0,2}"),
            ("Authorization: (Bearer|Basic|token) ", "[A-Za-z0-9]{12,60}"),
            ("https://", "[a-z]{3,8}:[A-Za-z0-9]{10,20}@"),
            ("ACTIONS_RUNNER_INPUT_JITCONFIG=", "[A-Za-z0-9+/]{30,90}"),
        ]
    }

    proptest! {
        #[test]
        fn no_secret_of_a_known_form_is_left(
            before in "[a-z:. \n]{0,40}",
            (head, secret) in secret(),
            after in "[a-z:. \n]{0,40}",
        ) {
            let text = format!("{before} {head}{secret} {after}");
            let shown = masked(&text);
            prop_assert!(!shown.contains(&secret), "{}", shown);
            prop_assert!(shown.contains(MASK));
            prop_assert_eq!(shown.matches('\n').count(), text.matches('\n').count());
        }

        #[test]
        fn a_known_secret_is_nowhere_left(
            before in any::<Vec<u8>>(),
            known in "[!-~]{8,60}",
            after in any::<Vec<u8>>(),
        ) {
            // A secret that the mask itself may complete is none that anybody gives out.
            prop_assume!(!known.contains('*'));
            let text = [&before, known.as_bytes(), &after].concat();
            let shown = mask(&text, &[SecretString::from(known.clone())]);
            prop_assert!(find(&shown, &known).is_none());
            prop_assert_eq!(shown.split(|b| *b == b'\n').count(), text.split(|b| *b == b'\n').count());
        }

        #[test]
        fn any_bytes_are_masked_without_harm_and_once(text in any::<Vec<u8>>()) {
            let once = mask(&text, &[]);
            prop_assert_eq!(mask(&once, &[]), once);
        }
    }
}
