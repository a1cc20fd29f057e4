//! Packets of the MySQL client protocol: three bytes of length, a sequence number, a payload. Pure but for [`read`].

use std::io;

use tokio::io::{AsyncRead, AsyncReadExt};

/// No statement that the lab is asked is longer.
const MOST_BYTES: usize = 1 << 20;

/// The next payload and its sequence number.
///
/// # Errors
/// The client went, or sends more than any statement is.
pub async fn read(stream: &mut (impl AsyncRead + Unpin)) -> io::Result<(u8, Vec<u8>)> {
    let mut head = [0_u8; 4];
    stream.read_exact(&mut head).await?;
    let length = usize::from(head[0]) | usize::from(head[1]) << 8 | usize::from(head[2]) << 16;
    if length > MOST_BYTES {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "a packet larger than the lab takes"));
    }
    let mut payload = vec![0; length];
    stream.read_exact(&mut payload).await?;
    Ok((head[3], payload))
}

/// Packets of one answer, numbered on from the question.
#[derive(Debug)]
pub struct Writer {
    next: u8,
    pub bytes: Vec<u8>,
}

impl Writer {
    /// Packets that answer nothing: the greeting.
    pub fn first() -> Self {
        Self { next: 0, bytes: Vec::new() }
    }

    pub fn after(sequence: u8) -> Self {
        Self { next: sequence.wrapping_add(1), bytes: Vec::new() }
    }

    pub fn packet(&mut self, payload: &[u8]) {
        let length = u32::try_from(payload.len()).unwrap_or(0).to_le_bytes();
        self.bytes.extend_from_slice(&[length[0], length[1], length[2], self.next]);
        self.bytes.extend_from_slice(payload);
        self.next = self.next.wrapping_add(1);
    }
}

/// A length-encoded number.
pub fn put_number(out: &mut Vec<u8>, n: u64) {
    let b = n.to_le_bytes();
    match n {
        0..=250 => out.push(b[0]),
        251..=0xffff => {
            out.push(0xfc);
            out.extend_from_slice(&b[..2]);
        }
        0x1_0000..=0xff_ffff => {
            out.push(0xfd);
            out.extend_from_slice(&b[..3]);
        }
        _ => {
            out.push(0xfe);
            out.extend_from_slice(&b);
        }
    }
}

/// A length-encoded text.
pub fn put_text(out: &mut Vec<u8>, text: &[u8]) {
    put_number(out, text.len() as u64);
    out.extend_from_slice(text);
}

/// Reads a payload from its start; what is cut reads as empty.
#[derive(Debug)]
pub struct Reader<'a>(pub &'a [u8]);

impl<'a> Reader<'a> {
    pub fn take(&mut self, n: usize) -> &'a [u8] {
        let (head, rest) = self.0.split_at(n.min(self.0.len()));
        self.0 = rest;
        head
    }

    pub fn byte(&mut self) -> u8 {
        self.take(1).first().copied().unwrap_or(0)
    }

    pub fn number(&mut self, bytes: usize) -> u64 {
        self.take(bytes).iter().rev().fold(0, |n, b| n << 8 | u64::from(*b))
    }

    pub fn until_nul(&mut self) -> &'a [u8] {
        let end = self.0.iter().position(|b| *b == 0).unwrap_or(self.0.len());
        let text = self.take(end);
        self.take(1);
        text
    }

    pub fn length_encoded(&mut self) -> &'a [u8] {
        let length = match self.byte() {
            0xfc => self.number(2),
            0xfd => self.number(3),
            0xfe => self.number(8),
            n => u64::from(n),
        };
        self.take(usize::try_from(length).unwrap_or(usize::MAX))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_of_every_size_come_back() {
        for n in [0_usize, 250, 251, 0xffff, 0x1_0000] {
            let mut out = Vec::new();
            put_text(&mut out, &vec![7; n]);
            out.push(9);
            let mut reader = Reader(&out);
            assert_eq!(reader.length_encoded().len(), n);
            assert_eq!(reader.byte(), 9);
        }
        assert_eq!(Reader(&[3, 1]).length_encoded(), [1], "a cut text is what there is of it");
    }

    #[tokio::test]
    async fn packets_are_numbered_on() {
        let mut writer = Writer::after(4);
        writer.packet(b"ab");
        writer.packet(b"");
        let mut bytes = writer.bytes.as_slice();
        assert_eq!(read(&mut bytes).await.unwrap(), (5, b"ab".to_vec()));
        assert_eq!(read(&mut bytes).await.unwrap(), (6, Vec::new()));
        assert!(read(&mut &[0xff, 0xff, 0xff, 0][..]).await.is_err());
    }
}
