//! "Did you mean": the nearest known name.

/// Edits beyond a third of the word make it another word.
fn tolerance(word: &str) -> usize {
    (word.chars().count() / 3).max(1)
}

/// The known name nearest to `word`, if one is near enough to be what was meant.
pub fn closest<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let lower = word.to_lowercase().replace(['-', ' '], "_");
    let scored = known.into_iter().map(|name| (distance(&lower, &name.to_lowercase().replace('-', "_")), name));
    scored.filter(|(edits, _)| *edits <= tolerance(word)).min_by_key(|(edits, _)| *edits).map(|(_, name)| name)
}

/// ` (did you mean …?)` or nothing: the end of a message.
pub(super) fn did_you_mean<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> String {
    closest(word, known).map_or_else(String::new, |name| format!(" (did you mean `{name}`?)"))
}

/// Insertions, deletions, replacements and swaps of neighbours between two words (optimal string alignment).
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut before: Vec<usize> = Vec::new();
    let mut last: Vec<usize> = (0..=b.len()).collect();
    let mut previous_char = None;
    for (row, char_a) in a.chars().enumerate() {
        let mut current = vec![row + 1];
        for (column, &char_b) in b.iter().enumerate() {
            let at = |line: &[usize], index: usize| line.get(index).copied().unwrap_or(usize::MAX / 2);
            let replaced = at(&last, column) + usize::from(char_a != char_b);
            let mut best = replaced.min(at(&last, column + 1) + 1).min(at(&current, column) + 1);
            let swapped = column > 0 && previous_char == Some(char_b) && b.get(column - 1) == Some(&char_a);
            if swapped {
                best = best.min(at(&before, column - 1) + 1);
            }
            current.push(best);
        }
        before = std::mem::replace(&mut last, current);
        previous_char = Some(char_a);
    }
    last.last().copied().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_typo_finds_its_name_and_another_word_does_not() {
        let known = ["slug", "name", "status", "fill_strategy", "ad_break_strategy"];
        for (typed, meant) in [
            ("slgu", Some("slug")),
            ("Name", Some("name")),
            ("fill-strategy", Some("fill_strategy")),
            ("ad_brake_strategy", Some("ad_break_strategy")),
            ("budget", None),
        ] {
            assert_eq!(closest(typed, known), meant, "{typed}");
        }
    }
}
