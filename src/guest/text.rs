//! Hostile text made safe to keep and show.

/// The longest text that is kept of what a guest says about itself, in characters.
const LINE: usize = 300;

/// One line of at most 300 characters, without control characters.
pub(super) fn line(text: &str) -> String {
    let plain = text.chars().map(|c| if c.is_control() { ' ' } else { c });
    let words: String = plain.take(LINE * 4).collect();
    let joined = words.split_whitespace().collect::<Vec<_>>().join(" ");
    if joined.chars().count() <= LINE {
        return joined;
    }
    joined.chars().take(LINE - 1).chain(['…']).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_one_line_and_short() {
        assert_eq!(line(" a\n\tb\u{1b}[0m  c "), "a b [0m c");
        assert_eq!(line(&"x ".repeat(10_000)).chars().count(), LINE);
        assert_eq!(line(&"é".repeat(LINE)), "é".repeat(LINE));
    }
}
