//! What happened between the lines, in words.

use crate::base::text;
use crate::config::lang::Lang;
use crate::model::log::{GapCause, Note};

/// The words, and the scope of how they look.
pub(super) fn words(lang: &Lang, who: &str, note: &Note) -> (String, &'static str) {
    let who = if who.is_empty() { lang.word("log.whole") } else { who };
    let say = |key: &str, args: &[(&str, &str)]| {
        let mut all = vec![("who", who)];
        all.extend_from_slice(args);
        lang.fill(&format!("log.note.{key}"), &all)
    };
    match note {
        Note::Joined => (say("joined", &[]), "text.dim"),
        Note::Gap { lines, bytes, cause } => {
            let cause = lang.word(match cause {
                GapCause::Overflow => "log.gap.overflow",
                GapCause::Rotation => "log.gap.rotation",
                GapCause::Lost => "log.gap.lost",
            });
            let size = text::bytes(*bytes);
            let words = match (lines, bytes) {
                (Some(n), _) => say("gap", &[("lines", &grouped(*n)), ("cause", cause)]),
                (None, 0) => say("gap-unknown", &[("cause", cause)]),
                (None, _) => say("gap-bytes", &[("bytes", &size), ("cause", cause)]),
            };
            (words, "log.gap")
        }
        Note::Denied { text } => (say("denied", &[("text", text)]), "verdict.unknown"),
        Note::Failed { text } => (say("failed", &[("text", text)]), "verdict.warn"),
        Note::Cut { text } => (say("cut", &[("text", text)]), "verdict.warn"),
        Note::Resumed => (say("resumed", &[]), "text.good"),
        Note::Restarted { count } => (say("restarted", &[("count", &count.to_string())]), "verdict.warn"),
        Note::Rotated => (say("rotated", &[]), "text.dim"),
        Note::Truncated => (say("truncated", &[]), "verdict.warn"),
        Note::Ended { text } => (say("ended", &[("text", text)]), "text.dim"),
    }
}

/// `12,408`.
pub(super) fn grouped(n: u64) -> String {
    let digits = n.to_string();
    let mut out = String::new();
    for (i, d) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i) % 3 == 0 {
            out.push(',');
        }
        out.push(d);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_note_has_words_in_every_language() {
        let gap = |lines, bytes| Note::Gap { lines, bytes, cause: GapCause::Overflow };
        let notes = [
            Note::Joined,
            gap(Some(12_408), 1),
            gap(None, 2048),
            gap(None, 0),
            Note::Gap { lines: None, bytes: 1, cause: GapCause::Rotation },
            Note::Gap { lines: None, bytes: 1, cause: GapCause::Lost },
            Note::Denied { text: "t".into() },
            Note::Failed { text: "t".into() },
            Note::Cut { text: "t".into() },
            Note::Resumed,
            Note::Restarted { count: 3 },
            Note::Rotated,
            Note::Truncated,
            Note::Ended { text: "t".into() },
        ];
        for lang in Lang::names().map(Lang::load) {
            for note in &notes {
                let (words, _) = super::words(&lang, "pay-0", note);
                assert!(!words.contains("log.") && !words.contains('{'), "{}: {words}", lang.name);
            }
            assert!(super::words(&lang, "pay-0", &notes[1]).0.contains("12,408"));
        }
    }
}
