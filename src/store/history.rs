//! The last samples of a row's pulse, for its sparkline.

/// A ring of samples; a missing one is `NAN` and drawn as a gap.
#[derive(Clone, Debug, Default)]
pub struct History {
    samples: Vec<f32>,
    next: usize,
}

impl History {
    pub const LENGTH: usize = 60;

    pub fn push(&mut self, sample: Option<f32>) {
        let sample = sample.unwrap_or(f32::NAN);
        if self.samples.len() < Self::LENGTH {
            self.samples.push(sample);
        } else {
            self.samples[self.next] = sample;
            self.next = (self.next + 1) % Self::LENGTH;
        }
    }

    /// Oldest first.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = f32> + '_ {
        self.samples[self.next..].iter().chain(&self.samples[..self.next]).copied()
    }

    pub fn len(&self) -> usize {
        self.samples.len()
    }

    pub fn is_empty(&self) -> bool {
        self.samples.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[allow(clippy::cast_precision_loss)]
    fn keeps_the_newest_in_order() {
        let mut h = History::default();
        (0..70).for_each(|n| h.push(Some(n as f32)));
        let all: Vec<f32> = h.iter().collect();
        assert_eq!((all.len(), all[0], all[59]), (60, 10.0, 69.0));
    }
}
