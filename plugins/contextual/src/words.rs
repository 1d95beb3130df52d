//! Words as they are compared: without case, and with one space where there was any space.

/// "Late  Night " and "late night" are the same.
pub fn plain(text: &str) -> String {
    let words: Vec<&str> = text.split_whitespace().collect();
    words.join(" ").to_lowercase()
}

/// The words of a list; an empty separator means that the text is one.
pub fn list(text: &str, separator: &str) -> Vec<String> {
    let parts: Vec<&str> = if separator.is_empty() { vec![text] } else { text.split(separator).collect() };
    let mut words: Vec<String> = Vec::new();
    for word in parts.into_iter().map(plain) {
        if !word.is_empty() && !words.contains(&word) {
            words.push(word);
        }
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn case_and_space_do_not_matter() {
        assert_eq!(plain("  Late\t Night "), "late night");
        assert_eq!(plain("ÜBERRASCHUNG"), "überraschung");
    }

    #[test]
    fn lists_are_split_and_have_each_word_once() {
        assert_eq!(list("Sports, news,,NEWS , ", ","), ["sports", "news"]);
        assert_eq!(list("a|b, c", "|"), ["a", "b, c"]);
        assert_eq!(list(" a, b ", ""), ["a, b"]);
        assert_eq!(list(" ", ""), [""; 0]);
    }
}
