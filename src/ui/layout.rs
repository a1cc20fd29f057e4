//! Where everything is. Pure geometry.

use ratatui::layout::Rect;

/// The parts of the screen at one size. Every height may be zero.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Plan {
    pub header: Rect,
    /// The line that names all floors, where they do not stand side by side.
    pub ribbon: Rect,
    /// Slot and the room inside its borders.
    pub panes: Vec<(usize, Rect)>,
    /// The block of the panes with its borders: titles stand in its first row.
    pub block: Rect,
    /// The title row, then the lines.
    pub problems: Rect,
    pub dock: Rect,
    pub footer: Rect,
    pub shape: Shape,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Shape {
    /// Five panes side by side.
    Wide,
    /// One pane, the others in the ribbon.
    #[default]
    Narrow,
}

/// What a person has changed about it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Wish {
    pub focus: usize,
    pub zoom: Zoom,
    pub dock: Dock,
    pub problems: usize,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Zoom {
    #[default]
    All,
    One,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Dock {
    Open,
    /// The whole screen but for its first and last row.
    Whole,
    #[default]
    Closed,
}

pub fn shape(area: Rect) -> Shape {
    if area.width >= 120 && area.height >= 30 { Shape::Wide } else { Shape::Narrow }
}

/// `needs`: of each slot the width it would like and the least it can do with, and what the person added to it.
pub fn plan(area: Rect, wish: Wish, needs: &[(u16, u16, i16); 5]) -> Plan {
    let shape = shape(area);
    let mut top = area.y;
    let mut left = area.height;
    let mut take = |rows: u16| {
        let rows = rows.min(left);
        left -= rows;
        let r = Rect { x: area.x, y: top, width: area.width, height: rows };
        top += rows;
        r
    };
    let header = take(1);
    let footer_rows = u16::from(area.height > 1);
    let ribbon = take(u16::from(shape == Shape::Narrow && area.height >= 6));
    let body = area.height.saturating_sub(header.height + footer_rows + ribbon.height);
    let wanted = u16::try_from(wish.problems.max(1)).unwrap_or(u16::MAX) + 1;
    let problems = match (shape, body) {
        _ if wish.dock == Dock::Whole => 0,
        (_, 0..=9) => 0,
        (Shape::Wide, _) => (area.height * 6 / 45).clamp(4, 10).min(wanted.max(3)),
        (Shape::Narrow, _) => 4.min(wanted.max(2)).min(body / 3),
    };
    let rest = body.saturating_sub(problems);
    let dock = match (wish.dock, shape) {
        (Dock::Closed, _) => 0,
        (Dock::Whole, _) => rest,
        (Dock::Open, Shape::Wide) => (area.height * 11 / 45).clamp(8, 30),
        (Dock::Open, Shape::Narrow) => rest * 3 / 5,
    };
    let block = take(rest.saturating_sub(dock));
    let problems = take(problems);
    let dock = take(dock);
    let footer = take(footer_rows);
    let inner_height = block.height.saturating_sub(1);
    let panes = if shape == Shape::Narrow || wish.zoom == Zoom::One {
        let edge = u16::from(shape == Shape::Wide);
        vec![(wish.focus.min(4), Rect { x: block.x + edge, y: block.y + 1, width: block.width.saturating_sub(2 * edge), height: inner_height })]
    } else {
        let mut x = block.x + 1;
        let widths = shares(block.width.saturating_sub(6), needs);
        let rects = widths.iter().enumerate().map(|(slot, w)| {
            let r = Rect { x, y: block.y + 1, width: *w, height: inner_height };
            x += w + 1;
            (slot, r)
        });
        rects.collect()
    };
    let panes = panes.into_iter().map(|(slot, r): (usize, Rect)| (slot, r.intersection(block))).filter(|(_, r)| !r.is_empty()).collect();
    Plan { header, ribbon, panes, block, problems, dock, footer, shape }
}

/// Shares `room` by need: everyone the least first, then what each would like, the rest to the pods, whose names are longest.
fn shares(room: u16, needs: &[(u16, u16, i16); 5]) -> [u16; 5] {
    const WEIGHT: [u32; 5] = [5, 3, 3, 5, 2];
    let wish = |i: usize| needs[i].0.saturating_add_signed(needs[i].2).max(needs[i].1);
    let least: u16 = needs.iter().map(|n| n.1).sum();
    let mut out = [0u16; 5];
    if least > room {
        for (i, w) in out.iter_mut().enumerate() {
            *w = u16::try_from(u32::from(needs[i].1) * u32::from(room) / u32::from(least.max(1))).unwrap_or(0);
        }
    } else {
        for (i, w) in out.iter_mut().enumerate() {
            *w = needs[i].1;
        }
        // Column by column to whoever has the least for its weight, as long as somebody wishes for more; then to all alike.
        for _ in least..room {
            let given = |i: &usize| u32::from(out[*i] - needs[*i].1) * 60 / WEIGHT[*i];
            let next = (0..5).filter(|i| out[*i] < wish(*i)).min_by_key(given).or_else(|| (0..5).min_by_key(given));
            if let Some(i) = next {
                out[i] += 1;
            }
        }
    }
    let used: u16 = out.iter().sum();
    out[3] += room.saturating_sub(used);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    const NEEDS: [(u16, u16, i16); 5] = [(40, 14, 0), (40, 14, 0), (40, 18, 0), (60, 26, 0), (14, 14, 0)];

    #[test]
    fn the_parts_fill_the_screen_and_do_not_overlap() {
        for (w, h) in [(160, 45), (120, 30), (80, 24), (60, 20), (20, 5), (10, 2), (1, 1), (0, 0), (300, 100)] {
            for dock in [Dock::Open, Dock::Closed, Dock::Whole] {
                let p = plan(Rect::new(0, 0, w, h), Wish { problems: 9, dock, ..Wish::default() }, &NEEDS);
                let rows = p.header.height + p.ribbon.height + p.block.height + p.problems.height + p.dock.height + p.footer.height;
                assert_eq!(rows, h, "{w}x{h}");
                assert!(p.panes.iter().all(|(_, r)| r.right() <= w && r.bottom() <= h), "{w}x{h}");
            }
        }
    }

    #[test]
    fn the_drawing_of_the_design_holds() {
        let p = plan(Rect::new(0, 0, 160, 45), Wish { problems: 9, dock: Dock::Open, ..Wish::default() }, &NEEDS);
        assert_eq!((p.block.y, p.problems.y, p.problems.height, p.dock.y, p.dock.height, p.footer.y), (1, 27, 6, 33, 11, 44));
        assert_eq!(p.panes.iter().map(|(_, r)| r.width).sum::<u16>() + 6, 160);
        let p = plan(Rect::new(0, 0, 80, 24), Wish { problems: 9, ..Wish::default() }, &NEEDS);
        assert_eq!((p.ribbon.y, p.block.y, p.problems.y, p.footer.y), (1, 2, 19, 23));
    }
}
