//! GitHub's and its users' words made safe to keep and show.

/// One line of at most `most` characters, without control characters.
pub(super) fn line(text: &str, most: usize) -> String {
    let plain = text.chars().map(|c| if c.is_control() { ' ' } else { c });
    let words: String = plain.take(most.saturating_mul(4)).collect();
    let joined = words.split_whitespace().collect::<Vec<_>>().join(" ");
    if joined.chars().count() <= most {
        return joined;
    }
    joined.chars().take(most.saturating_sub(1)).chain(['…']).collect()
}

/// A text as a part of an address: all but letters, digits and `-._~` percent-encoded.
pub(super) fn encoded(text: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
    let part = |byte: u8| match byte {
        byte if plain(byte) => char::from(byte).to_string(),
        byte => format!("%{byte:02X}"),
    };
    text.bytes().map(part).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_one_line_and_short() {
        assert_eq!(line(" a\n\tb\u{1b}[0m  c ", 300), "a b [0m c");
        assert_eq!(line(&"x ".repeat(10_000), 300).chars().count(), 300);
        assert_eq!(line("éé", 2), "éé");
    }

    #[test]
    fn what_has_a_meaning_in_an_address_is_encoded() {
        assert_eq!(encoded("a-1.b_c~ /?&é"), "a-1.b_c~%20%2F%3F%26%C3%A9");
    }
}
