//! What is typed after `/`: words that must all be there. `!word` must not; `column:word` looks in one column; `~word` takes
//! letters in order with gaps between.

/// One word of a filter, in lower case.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Term {
    pub column: Option<String>,
    pub text: String,
    pub sense: Sense,
    pub matching: Matching,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sense {
    Has,
    Lacks,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Matching {
    Part,
    Fuzzy,
}

/// Parses what was typed. `columns` are the names that may stand before a colon; any other colon is part of the word.
pub fn parse(typed: &str, columns: &[&str]) -> Vec<Term> {
    typed
        .to_lowercase()
        .split_whitespace()
        .filter_map(|word| {
            let (sense, word) = word.strip_prefix('!').map_or((Sense::Has, word), |w| (Sense::Lacks, w));
            let (column, word) = match word.split_once(':') {
                Some((c, w)) if columns.contains(&c) => (Some(c.to_owned()), w),
                _ => (None, word),
            };
            let (matching, text) = word.strip_prefix('~').map_or((Matching::Part, word), |w| (Matching::Fuzzy, w));
            (!text.is_empty()).then(|| Term { column, text: text.to_owned(), sense, matching })
        })
        .collect()
}

impl Term {
    /// `hay` is in lower case.
    pub fn holds(&self, hay: &str) -> bool {
        let found = match self.matching {
            Matching::Part => hay.contains(&self.text),
            Matching::Fuzzy => {
                let mut rest = hay.chars();
                self.text.chars().all(|c| rest.any(|h| h == c))
            }
        };
        found == (self.sense == Sense::Has)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_columns_and_their_opposites() {
        let t = parse("Order !canary status:crash ~mlod http://x", &["status"]);
        assert_eq!(t.len(), 5);
        assert!(t[0].holds("mall-order-1") && !t[0].holds("mall-cart"));
        assert!(t[1].holds("order") && !t[1].holds("order-canary"));
        assert_eq!((t[2].column.as_deref(), t[2].text.as_str()), (Some("status"), "crash"));
        assert!(t[3].holds("mall-order") && !t[3].holds("domain-llm"));
        assert_eq!(t[4].text, "http://x");
        assert!(parse("! status: ~", &["status"]).is_empty());
    }
}
