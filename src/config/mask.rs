//! Keeps secrets that stand in a configuration file by mistake out of what is said about it.

/// How tokens of GitHub begin ("About authentication to GitHub", token formats).
const TOKENS: [&str; 6] = ["ghp_", "gho_", "ghu_", "ghs_", "ghr_", "github_pat_"];
const MASK: &str = "***";

/// Whether a text is or holds a token of GitHub.
pub(super) fn holds_token(text: &str) -> bool {
    TOKENS.iter().any(|prefix| text.contains(prefix))
}

/// The text with each token of GitHub masked, and who logs in by a URL.
pub(super) fn tokens(text: &str) -> String {
    let mut masked = logins(text);
    for prefix in TOKENS {
        let mut pieces = masked.split(prefix);
        let mut whole = pieces.next().unwrap_or_default().to_owned();
        for piece in pieces {
            let is_part = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.');
            whole.extend([prefix, MASK, piece.trim_start_matches(is_part)]);
        }
        masked = whole;
    }
    masked
}

/// `https://***@host` for `https://name:password@host`.
fn logins(text: &str) -> String {
    let mut pieces = text.split("://");
    let mut whole = pieces.next().unwrap_or_default().to_owned();
    for piece in pieces {
        let ends = |c: char| c == '/' || c == '"' || c == '\'' || c.is_whitespace();
        let authority = piece.split(ends).next().unwrap_or_default();
        whole.push_str("://");
        match authority.rsplit_once('@').and_then(|(login, _)| piece.strip_prefix(login)) {
            Some(rest) => whole.extend([MASK, rest]),
            None => whole.push_str(piece),
        }
    }
    whole
}

/// The TOML reader's description with the value behind a key masked: of a key that larm does not
/// know nobody knows whether it is a secret.
pub(super) fn value(shown: &str) -> String {
    let line = |line: &str| match line.split_once(" | ").and_then(|(_, rest)| rest.split_once('='))
    {
        Some((_, value)) => {
            let key = line.strip_suffix(value).unwrap_or_default();
            format!("{key} {MASK}")
        }
        None => line.to_owned(),
    };
    shown.lines().map(line).collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_are_masked_wherever_they_are() {
        let text = "a = \"ghp_abc\" # github_pat_11A_b.c, ghs_1_eyJ-x";
        assert_eq!(tokens(text), "a = \"ghp_***\" # github_pat_***, ghs_***");
        assert_eq!(tokens("nothing here"), "nothing here");
        assert!(holds_token("x ghu_1") && !holds_token("ghost"));
    }

    #[test]
    fn who_logs_in_by_a_url_is_masked() {
        let text = "http = 'http://me:p@ss@proxy:1/a@b' # https://x, ftp://u@h";
        assert_eq!(tokens(text), "http = 'http://***@proxy:1/a@b' # https://x, ftp://***@h");
    }

    #[test]
    fn the_value_of_an_unknown_key_is_masked() {
        let shown = "at line 2\n  |\n2 | token = \"a=b\"\n  | ^^^^^\nunknown field `token`";
        let masked = "at line 2\n  |\n2 | token = ***\n  | ^^^^^\nunknown field `token`";
        assert_eq!(value(shown), masked);
    }
}
