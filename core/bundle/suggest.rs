//! "Did you mean": the nearest known name.

/// Characters of a word that is compared with others. Names are shorter, and what is longer is no slip of the pen.
const MAX_COMPARED: usize = 64;

/// Edits that make a slip of the pen, however long the word is. With [`MAX_COMPARED`] it bounds what a comparison costs:
/// whoever makes a mistake can make many at once.
pub const MAX_EDITS: usize = 4;

/// Edits beyond a third of the word make it another word.
fn tolerance(word: &str) -> usize {
    (word.chars().count() / 3).clamp(1, MAX_EDITS)
}

/// The known name nearest to `word`, if one is near enough to be what was meant.
pub fn closest<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    if is_long(word) {
        return None;
    }
    let (most, lower) = (tolerance(word), word.to_lowercase().replace(['-', ' '], "_"));
    let spelt = |name: &str| name.to_lowercase().replace('-', "_");
    let short = known.into_iter().filter(|name| !is_long(name));
    let scored = short.filter_map(|name| Some((edits(&lower, &spelt(name), most)?, name)));
    scored.min_by_key(|(edits, _)| *edits).map(|(_, name)| name)
}

/// ` (did you mean …?)` or nothing: the end of a message.
pub(super) fn did_you_mean<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> String {
    closest(word, known).map_or_else(String::new, |name| format!(" (did you mean `{name}`?)"))
}

fn is_long(word: &str) -> bool {
    word.chars().nth(MAX_COMPARED).is_some()
}

/// Insertions, deletions, replacements and swaps of neighbours between two words (optimal string alignment), if there are no
/// more than `most`, and neither word is too long to be compared.
pub fn edits(a: &str, b: &str, most: usize) -> Option<usize> {
    /// More than there are edits.
    const FAR: usize = usize::MAX / 2;
    if is_long(a) || is_long(b) {
        return None;
    }
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
    if a.len().abs_diff(b.len()) > most {
        return None;
    }
    let at = |line: &[usize], index: usize| line.get(index).copied().unwrap_or(FAR);
    let mut before: Vec<usize> = Vec::new();
    let mut last: Vec<usize> = (0..=b.len()).collect();
    let mut previous_char = None;
    for (row, &char_a) in a.iter().enumerate() {
        // Farther off the diagonal the difference in length alone is too much.
        let from = row.saturating_sub(most);
        let mut current = vec![FAR; from];
        current.push(if from == 0 { row + 1 } else { FAR });
        let mut nearest = at(&current, from);
        for (column, &char_b) in b.iter().enumerate().take(row + most + 1).skip(from) {
            let replaced = at(&last, column) + usize::from(char_a != char_b);
            let mut best = replaced.min(at(&last, column + 1) + 1).min(at(&current, column) + 1);
            let swapped = column > 0 && previous_char == Some(char_b) && b.get(column - 1) == Some(&char_a);
            if swapped {
                best = best.min(at(&before, column - 1) + 1);
            }
            nearest = nearest.min(best);
            current.push(best);
        }
        // Two more edits than there may be: no swap makes up for that.
        if nearest > most + 1 {
            return None;
        }
        before = std::mem::replace(&mut last, current);
        previous_char = Some(char_a);
    }
    last.get(b.len()).copied().filter(|edits| *edits <= most)
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

    #[test]
    fn words_are_as_far_apart_as_the_edits_that_make_one_of_the_other() {
        for (a, b, most, expect) in [
            ("", "", 0, Some(0)),
            ("same", "same", 0, Some(0)),
            ("kitten", "sitting", 3, Some(3)),
            ("kitten", "sitting", 2, None),
            ("ab", "ba", 1, Some(1)),
            ("abcdef", "badcfe", 3, Some(3)),
            ("abc", "", 3, Some(3)),
            ("abcdefgh", "bcdefgh", 1, Some(1)),
            ("äöü", "aöü", 1, Some(1)),
        ] {
            assert_eq!((edits(a, b, most), edits(b, a, most)), (expect, expect), "{a} {b}");
        }
        let (longest, longer) = ("x".repeat(MAX_COMPARED), "x".repeat(MAX_COMPARED + 1));
        assert_eq!((edits(&longest, &longest, 0), edits(&longer, &longer, 0)), (Some(0), None));
    }

    #[test]
    fn long_words_are_compared_with_nothing() {
        let (long, other) = ("x".repeat(30_000), "x".repeat(29_999));
        let started = std::time::Instant::now();
        assert_eq!(closest(&long, [other.as_str(), "slug"]), None);
        assert_eq!(closest("slgu", [long.as_str(), "slug"]), Some("slug"));
        // Comparing them takes a billion steps.
        assert!(started.elapsed() < std::time::Duration::from_secs(5), "{:?}", started.elapsed());
    }
}
