//! The part of a stream that was asked for. Remotes know whole seconds at best; the rest is cut off here.

use crate::base::chunk::Chunk;
use crate::base::stamp::Stamp;
use crate::model::log::Window;

/// Does more of the stream belong to the window?
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum More {
    Yes,
    /// A line was written after its end.
    No,
}

/// Takes the lines off that lie outside.
pub fn cut(window: &Window, chunk: &mut Chunk) -> More {
    if let Some(since) = window.since {
        let since = Stamp::from(since);
        let early = chunk.marks.iter().take_while(|m| m.stamp < since).count();
        chunk.marks.drain(..early);
    }
    if let Some(until) = window.until {
        let until = Stamp::from(until);
        if let Some(end) = chunk.marks.iter().position(|m| m.stamp > until) {
            chunk.marks.truncate(end);
            return More::No;
        }
    }
    More::Yes
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::chunk::Mark;
    use crate::base::clock::Moment;

    #[test]
    fn what_lies_outside_is_taken_off() {
        let marks = (0..10).map(|s| Mark { start: 0, end: 0, stamp: Stamp(s * 1_000_000), cut: 0 }).collect::<Vec<_>>();
        let chunk = Chunk { bytes: bytes::Bytes::new(), marks };
        let cut_to = |since, until| {
            let mut c = chunk.clone();
            let more = cut(&Window { since, until, tail: None }, &mut c);
            (c.marks.iter().map(|m| m.stamp.moment().0).collect::<Vec<_>>(), more)
        };
        assert_eq!(cut_to(None, None).0.len(), 10);
        assert_eq!(cut_to(Some(Moment(8)), None), (vec![8, 9], More::Yes));
        assert_eq!(cut_to(Some(Moment(2)), Some(Moment(4))), (vec![2, 3, 4], More::No));
        assert_eq!(cut_to(None, Some(Moment(20))).1, More::Yes);
    }
}
