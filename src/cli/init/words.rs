//! Words as a shell parts them: by blanks, held together by quotes. Nothing is expanded.

/// The words of a line; a word that begins with `#` ends it.
pub(super) fn words(line: &str) -> Vec<String> {
    let (mut out, mut word, mut quote) = (Vec::new(), None::<String>, None);
    for c in line.chars() {
        match (quote, c) {
            (None, '#') if word.is_none() => break,
            (None, '"' | '\'') => {
                quote = Some(c);
                word.get_or_insert_default();
            }
            (Some(q), c) if q == c => quote = None,
            (None, c) if c.is_whitespace() => out.extend(word.take()),
            (_, c) => word.get_or_insert_default().push(c),
        }
    }
    out.extend(word);
    out
}

/// The text inside one pair of quotes around all of it.
pub(super) fn unquoted(text: &str) -> &str {
    let inside = |quote| text.strip_prefix(quote).and_then(|t| t.strip_suffix(quote));
    inside('"').or_else(|| inside('\'')).unwrap_or(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quotes_hold_words_together() {
        assert_eq!(words("a  b='c d' \"e\"f '' # g"), ["a", "b=c d", "ef", ""]);
        assert_eq!(words("x='-o ProxyCommand=\"ssh -W %h:%p gate\"'"), ["x=-o ProxyCommand=\"ssh -W %h:%p gate\""]);
        assert_eq!((unquoted("'a \"b\"'"), unquoted("a'b'"), unquoted("\"")), ("a \"b\"", "a'b'", "\""));
    }
}
