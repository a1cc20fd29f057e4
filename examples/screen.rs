//! Draws the screen over a made-up cluster: `cargo run --example screen -- 160 45 harbor en unicode [keys ...]`, as ANSI on stdout.
#![allow(unreachable_pub, missing_docs, clippy::unwrap_used, clippy::print_stdout, clippy::pedantic)]

use std::io::Write as _;

use quarterdeck::config::keys::parse_sequence;
use quarterdeck::config::lang::Lang;
use quarterdeck::config::theme::Themes;
use quarterdeck::model::effect::Effect;
use quarterdeck::ui::glyph::{ASCII, UNICODE};
use quarterdeck::ui::{Badge, Input, Setup, Ui};
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::{Color, Modifier};

#[allow(dead_code)]
mod sample {
    use quarterdeck as qd;
    include!("sample/store.rs");
}
#[allow(dead_code, clippy::pedantic)]
mod spoken {
    use quarterdeck as qd;
    include!("sample/log.rs");
}

fn main() {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let arg = |i: usize, or: &str| args.get(i).cloned().unwrap_or_else(|| or.to_owned());
    let mut store = sample::store(&[]);
    let setup = Setup {
        theme: Themes::default().get(&arg(2, "harbor")).unwrap(),
        lang: Lang::load(&arg(3, "en")),
        glyphs: if arg(4, "unicode") == "ascii" { &ASCII } else { &UNICODE },
        environment: Some(Badge { name: "pro".into(), color: "#d33a4a/red".into() }),
        ..Setup::default()
    };
    let mut ui = Ui::new(setup);
    let area = Rect::new(0, 0, arg(0, "160").parse().unwrap(), arg(1, "45").parse().unwrap());
    let mut frame = Buffer::empty(area);
    ui.draw(&store, area, &mut frame);
    for key in args.iter().skip(5).flat_map(|k| parse_sequence(k).unwrap()) {
        for effect in ui.update(&store, Input::Key(key)) {
            if let Effect::OpenLog { log, .. } = effect {
                let now = store.now();
                spoken::speak(&mut store, log, now);
            }
        }
        ui.draw(&store, area, &mut frame);
    }
    let mut out = String::new();
    for y in 0..area.height {
        let mut skip = 0;
        for x in 0..area.width {
            if skip > 0 {
                skip -= 1;
                continue;
            }
            let cell = &frame[(x, y)];
            out.push_str("\x1b[0");
            for (on, code) in [(Modifier::BOLD, 1), (Modifier::UNDERLINED, 4), (Modifier::REVERSED, 7)] {
                if cell.modifier.contains(on) {
                    out.push_str(&format!(";{code}"));
                }
            }
            for (c, base) in [(cell.fg, 38), (cell.bg, 48)] {
                if let Color::Rgb(r, g, b) = c {
                    out.push_str(&format!(";{base};2;{r};{g};{b}"));
                }
            }
            out.push('m');
            out.push_str(cell.symbol());
            skip = quarterdeck::base::text::width(cell.symbol()).saturating_sub(1);
        }
        out.push('\n');
    }
    std::io::stdout().write_all(out.as_bytes()).unwrap();
}
