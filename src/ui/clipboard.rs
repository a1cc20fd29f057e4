//! Copying by OSC 52: the bytes go down the same line as the screen, so it works over SSH.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

/// What terminals take at least; beyond it many drop the whole sequence without a word.
const MOST: usize = 74_994;

/// Is a multiplexer between us and the terminal?
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Wrap {
    #[default]
    Plain,
    Tmux,
    Screen,
}

impl Wrap {
    /// From the values of `TMUX` and `STY`.
    pub fn detect(tmux: &str, sty: &str) -> Self {
        match (tmux.is_empty(), sty.is_empty()) {
            (false, _) => Self::Tmux,
            (true, false) => Self::Screen,
            _ => Self::Plain,
        }
    }
}

/// The sequence that puts `text` into the clipboard.
///
/// # Errors
/// The number of bytes it would take, when terminals would drop it.
pub fn copy(text: &str, wrap: Wrap) -> Result<String, usize> {
    let coded = STANDARD.encode(text);
    if coded.len() > MOST {
        return Err(text.len());
    }
    let plain = format!("\x1b]52;c;{coded}\x07");
    Ok(match wrap {
        Wrap::Plain => plain,
        // tmux takes the plain one with `set-clipboard on` and the wrapped one with `allow-passthrough on`; it gets both.
        Wrap::Tmux => format!("{plain}\x1bPtmux;{}\x1b\\", plain.replace('\x1b', "\x1b\x1b")),
        // screen passes at most 768 bytes a string on.
        Wrap::Screen => plain.as_bytes().chunks(700).fold(String::new(), |mut out, c| {
            out.push_str("\x1bP");
            out.push_str(&String::from_utf8_lossy(c));
            out.push_str("\x1b\\");
            out
        }),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn copies_are_coded_wrapped_and_limited() {
        assert_eq!(copy("pod", Wrap::Plain).unwrap(), "\x1b]52;c;cG9k\x07");
        assert_eq!(copy("订单", Wrap::Plain).unwrap(), "\x1b]52;c;6K6i5Y2V\x07");
        assert!(copy("pod", Wrap::Tmux).unwrap().contains("\x1bPtmux;\x1b\x1b]52"));
        assert!(copy(&"x".repeat(2000), Wrap::Screen).unwrap().matches("\x1bP").count() > 3);
        assert_eq!(copy(&"x".repeat(80_000), Wrap::Plain), Err(80_000));
    }
}
