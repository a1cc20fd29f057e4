//! "Did you mean": the nearest known word to one that is not known.

/// The known word that `wrong` most likely stands for, if any is near enough to be worth offering.
pub fn nearest<'a>(wrong: &str, known: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let wrong = wrong.to_lowercase();
    known
        .map(|word| (strsim::damerau_levenshtein(&wrong, &word.to_lowercase()), strsim::jaro_winkler(&wrong, word), word))
        .filter(|(distance, likeness, word)| *distance <= 1 + word.chars().count() / 4 || *likeness > 0.9)
        .min_by(|a, b| a.0.cmp(&b.0).then(b.1.total_cmp(&a.1)))
        .map(|(_, _, word)| word)
}

/// A way out: the nearest word, or all of them introduced by `all`.
pub fn help<'a>(wrong: &str, known: impl Iterator<Item = &'a str>, all: &str) -> String {
    let known: Vec<&str> = known.collect();
    match nearest(wrong, known.iter().copied()) {
        Some(word) => format!("did you mean `{word}`?"),
        None if known.is_empty() => format!("{all}: none so far"),
        None => format!("{all} {}", list(&known)),
    }
}

/// `a, b and c`.
pub fn list(words: &[&str]) -> String {
    match words {
        [] => String::new(),
        [one] => format!("`{one}`"),
        [most @ .., last] => format!("{} and `{last}`", most.iter().map(|w| format!("`{w}`")).collect::<Vec<_>>().join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn near_words_are_offered_and_far_ones_listed() {
        assert_eq!(help("adress", ["address", "name"].into_iter(), "known keys are"), "did you mean `address`?");
        assert_eq!(help("Jump", ["jump", "name"].into_iter(), "known keys are"), "did you mean `jump`?");
        assert_eq!(help("zzz", ["address", "name"].into_iter(), "known keys are"), "known keys are `address` and `name`");
        assert_eq!(help("kvm-1", std::iter::empty(), "hosts of this file"), "hosts of this file: none so far");
    }
}
