//! From the looks of a theme to what this terminal can show: the one place where colours are degraded.

use ratatui::style::{Color, Modifier, Style};

use crate::base::sgr::Ink;
use crate::config::theme::{Colour, Look, Shade, Theme};

/// How many colours there are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Depth {
    #[default]
    True,
    Indexed,
    Sixteen,
    None,
}

impl Depth {
    /// From `COLORTERM`, `TERM` and `NO_COLOR`; the last counts when it is set to anything but the empty string.
    pub fn detect(colorterm: &str, term: &str, no_color: &str) -> Self {
        if !no_color.is_empty() || term == "dumb" || term.is_empty() {
            return Self::None;
        }
        if matches!(colorterm, "truecolor" | "24bit") || term.ends_with("-direct") {
            return Self::True;
        }
        if term.contains("256") { Self::Indexed } else { Self::Sixteen }
    }
}

#[derive(Clone, Debug)]
pub struct Paint {
    theme: Theme,
    depth: Depth,
}

impl Paint {
    pub fn new(theme: Theme, depth: Depth) -> Self {
        Self { theme, depth }
    }

    pub fn depth(&self) -> Depth {
        self.depth
    }

    pub fn theme(&self) -> &str {
        &self.theme.name
    }

    pub fn style(&self, scope: &str) -> Style {
        self.look(self.theme.look(scope))
    }

    pub fn look(&self, look: Look) -> Style {
        let mut style = Style { fg: look.fg.and_then(|c| self.colour(c)), bg: look.bg.and_then(|c| self.colour(c)), ..Style::default() };
        let traits = [
            (look.traits.bold, Modifier::BOLD),
            (look.traits.dim, Modifier::DIM),
            (look.traits.italic, Modifier::ITALIC),
            (look.traits.underline, Modifier::UNDERLINED),
            (look.traits.reverse, Modifier::REVERSED),
        ];
        for (_, modifier) in traits.into_iter().filter(|(on, _)| *on) {
            style = style.add_modifier(modifier);
        }
        style
    }

    /// A colour that a line of a log asked for.
    pub fn ink(&self, ink: Ink) -> Option<Color> {
        let colour = match ink {
            Ink::Named(n) => Colour { full: Shade::Ansi(n), plain: None },
            Ink::Indexed(n) if self.depth != Depth::Sixteen && self.depth != Depth::None => return Some(Color::Indexed(n)),
            Ink::Indexed(n) => {
                let (r, g, b) = cube(n.max(16));
                Colour { full: Shade::Rgb(r, g, b), plain: None }
            }
            Ink::Rgb(r, g, b) => Colour { full: Shade::Rgb(r, g, b), plain: None },
        };
        self.colour(colour)
    }

    /// The colour as this terminal has it; `None` where it has none.
    pub fn colour(&self, colour: Colour) -> Option<Color> {
        match self.depth {
            Depth::None => None,
            Depth::True => Some(shade(colour.full)),
            Depth::Indexed => Some(match colour.full {
                Shade::Rgb(r, g, b) => Color::Indexed(nearest_256(r, g, b)),
                other => shade(other),
            }),
            Depth::Sixteen => Some(match colour.plain.unwrap_or(colour.full) {
                Shade::Rgb(r, g, b) => ansi(nearest_16(r, g, b)),
                other => shade(other),
            }),
        }
    }
}

fn shade(shade: Shade) -> Color {
    match shade {
        Shade::Default => Color::Reset,
        Shade::Rgb(r, g, b) => Color::Rgb(r, g, b),
        Shade::Ansi(n) => ansi(n),
    }
}

fn ansi(n: u8) -> Color {
    const NAMES: [Color; 16] = [
        Color::Black,
        Color::Red,
        Color::Green,
        Color::Yellow,
        Color::Blue,
        Color::Magenta,
        Color::Cyan,
        Color::Gray,
        Color::DarkGray,
        Color::LightRed,
        Color::LightGreen,
        Color::LightYellow,
        Color::LightBlue,
        Color::LightMagenta,
        Color::LightCyan,
        Color::White,
    ];
    NAMES[usize::from(n & 15)]
}

fn distance(a: (u8, u8, u8), b: (u8, u8, u8)) -> u32 {
    let d = |x: u8, y: u8| u32::from(x.abs_diff(y)).pow(2);
    2 * d(a.0, b.0) + 4 * d(a.1, b.1) + 3 * d(a.2, b.2)
}

/// One of the colour cube or the grey ramp of the 256, from 16 on.
fn cube(n: u8) -> (u8, u8, u8) {
    const LEVELS: [u8; 6] = [0, 95, 135, 175, 215, 255];
    if n >= 232 {
        let v = 8 + 10 * (n - 232);
        return (v, v, v);
    }
    let n = n.saturating_sub(16);
    (LEVELS[usize::from(n / 36)], LEVELS[usize::from(n / 6 % 6)], LEVELS[usize::from(n % 6)])
}

/// The nearest of the colour cube and the grey ramp of the 256; the first sixteen differ between terminals and are left out.
fn nearest_256(r: u8, g: u8, b: u8) -> u8 {
    (16..=255).min_by_key(|n| distance(cube(*n), (r, g, b))).unwrap_or(15)
}

fn nearest_16(r: u8, g: u8, b: u8) -> u8 {
    const VALUES: [(u8, u8, u8); 16] = [
        (0, 0, 0),
        (205, 0, 0),
        (0, 205, 0),
        (205, 205, 0),
        (0, 0, 238),
        (205, 0, 205),
        (0, 205, 205),
        (229, 229, 229),
        (127, 127, 127),
        (255, 0, 0),
        (0, 255, 0),
        (255, 255, 0),
        (92, 92, 255),
        (255, 0, 255),
        (0, 255, 255),
        (255, 255, 255),
    ];
    (0..16u8).min_by_key(|n| distance(VALUES[usize::from(*n)], (r, g, b))).unwrap_or(7)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn depth_follows_the_environment() {
        assert_eq!(Depth::detect("truecolor", "xterm-256color", ""), Depth::True);
        assert_eq!(Depth::detect("", "screen-256color", ""), Depth::Indexed);
        assert_eq!(Depth::detect("", "screen", ""), Depth::Sixteen);
        assert_eq!(Depth::detect("truecolor", "xterm", "1"), Depth::None);
        assert_eq!(Depth::detect("", "dumb", ""), Depth::None);
    }

    #[test]
    fn fewer_colours_take_the_nearest() {
        assert_eq!((nearest_256(255, 0, 0), nearest_256(0, 0, 0), nearest_256(8, 8, 8)), (196, 16, 232));
        let plain = Colour { full: Shade::Rgb(250, 10, 10), plain: Some(Shade::Ansi(3)) };
        let at = |depth| Paint::new(Theme::default(), depth).colour(plain);
        assert_eq!((at(Depth::True), at(Depth::Sixteen), at(Depth::None)), (Some(Color::Rgb(250, 10, 10)), Some(Color::Yellow), None));
    }
}
