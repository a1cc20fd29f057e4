//! Taking answers apart as they arrive, one object at a time: a list is never whole in memory, the buffer is as large as
//! its largest object.
//!
//! Protobuf lists are `k8s\0`, then `runtime.Unknown` whose field 2 (raw) is the List: metadata in field 1, each item in
//! field 2. Protobuf watches are frames of a four-byte length and a `WatchEvent { type = 1, object = 2 { raw = 1 } }`
//! whose raw is again `k8s\0` and an Unknown.

/// No object of Kubernetes is this large (etcd refuses them at 1.5 MiB); a length beyond it is a broken stream.
const LARGEST: usize = 16 << 20;
const MAGIC: &[u8] = b"k8s\0";

/// The stream is not what it says it is.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the answer cannot be read: {0}")]
pub(crate) struct Broken(pub(crate) &'static str);

/// A part of an answer.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Part<'a> {
    /// `ListMeta` in the answer's encoding.
    Meta(&'a [u8]),
    Item(&'a [u8]),
}

/// Something that eats whole records from the start of a slice.
trait Eater {
    /// How many bytes were eaten; `Need(n)`: nothing without `n` bytes in all.
    fn eat(&mut self, bytes: &[u8], each: &mut dyn FnMut(Part<'_>)) -> Result<Step, Broken>;
}

enum Step {
    Ate(usize),
    Need(usize),
}

/// Feeds an [`Eater`] from chunks cut anywhere; bytes are copied only where an object spans two chunks.
#[derive(Debug, Default)]
struct Feeder {
    held: Vec<u8>,
}

impl Feeder {
    fn push(&mut self, eater: &mut dyn Eater, mut chunk: &[u8], each: &mut dyn FnMut(Part<'_>)) -> Result<(), Broken> {
        let mut need = self.held.len() + 1;
        loop {
            if self.held.is_empty() {
                if chunk.is_empty() {
                    return Ok(());
                }
                match eater.eat(chunk, each)? {
                    Step::Ate(n) => chunk = &chunk[n..],
                    Step::Need(n) if n > LARGEST => return Err(Broken("an object is larger than 16 MiB")),
                    Step::Need(_) => {
                        self.held.extend_from_slice(chunk);
                        return Ok(());
                    }
                }
                continue;
            }
            let more = need.saturating_sub(self.held.len()).max(1).min(chunk.len());
            if more == 0 {
                return Ok(());
            }
            self.held.extend_from_slice(&chunk[..more]);
            chunk = &chunk[more..];
            match eater.eat(&self.held, each)? {
                Step::Ate(n) => {
                    self.held.drain(..n);
                    need = self.held.len() + 1;
                }
                Step::Need(n) if n > LARGEST => return Err(Broken("an object is larger than 16 MiB")),
                Step::Need(n) => need = n,
            }
        }
    }
}

/// The next varint of `bytes` and its length; `None` when it is cut.
fn varint(bytes: &[u8]) -> Result<Option<(u64, usize)>, Broken> {
    let mut value = 0_u64;
    for (i, byte) in bytes.iter().enumerate().take(10) {
        value |= u64::from(byte & 0x7f) << (7 * i);
        if byte & 0x80 == 0 {
            return Ok(Some((value, i + 1)));
        }
    }
    if bytes.len() >= 10 { Err(Broken("a number is longer than ten bytes")) } else { Ok(None) }
}

/// A field's number, its wire type, the head's length and the length of what follows.
struct Head {
    field: u64,
    wire: u64,
    length: usize,
    body: u64,
}

fn head(bytes: &[u8]) -> Result<Option<Head>, Broken> {
    let Some((key, at)) = varint(bytes)? else { return Ok(None) };
    let (field, wire) = (key >> 3, key & 7);
    let rest = &bytes[at..];
    Ok(match wire {
        0 => varint(rest)?.map(|(_, n)| Head { field, wire, length: at, body: n as u64 }),
        1 => Some(Head { field, wire, length: at, body: 8 }),
        2 => varint(rest)?.map(|(len, n)| Head { field, wire, length: at + n, body: len }),
        5 => Some(Head { field, wire, length: at, body: 4 }),
        _ => return Err(Broken("a field of unknown type")),
    })
}

#[derive(Debug, Default)]
enum Place {
    #[default]
    Magic,
    Envelope,
    List {
        left: u64,
    },
}

/// The state of a protobuf list.
#[derive(Debug, Default)]
struct ProtoEater(Place);

impl Eater for ProtoEater {
    fn eat(&mut self, bytes: &[u8], each: &mut dyn FnMut(Part<'_>)) -> Result<Step, Broken> {
        if let Place::Magic = self.0 {
            if bytes.len() < MAGIC.len() {
                return Ok(Step::Need(MAGIC.len()));
            }
            if !bytes.starts_with(MAGIC) {
                return Err(Broken("it does not begin as Kubernetes' protobuf does"));
            }
            self.0 = Place::Envelope;
            return Ok(Step::Ate(MAGIC.len()));
        }
        let Some(head) = head(bytes)? else { return Ok(Step::Need(bytes.len() + 1)) };
        let whole = (head.length as u64).saturating_add(head.body);
        match &mut self.0 {
            Place::Envelope if head.field == 2 && head.wire == 2 => {
                self.0 = Place::List { left: head.body };
                return Ok(Step::Ate(head.length));
            }
            Place::List { left } if *left == 0 => self.0 = Place::Envelope,
            Place::List { left } => {
                if whole > *left {
                    return Err(Broken("an object reaches beyond its list"));
                }
                let size = usize::try_from(whole).unwrap_or(usize::MAX);
                if bytes.len() < size {
                    return Ok(Step::Need(size));
                }
                *left -= whole;
                let body = &bytes[head.length..size];
                match (head.field, head.wire) {
                    (1, 2) => each(Part::Meta(body)),
                    (2, 2) => each(Part::Item(body)),
                    _ => {}
                }
                return Ok(Step::Ate(size));
            }
            _ => {}
        }
        // Another field of the envelope.
        let size = usize::try_from(whole).unwrap_or(usize::MAX);
        if bytes.len() < size { Ok(Step::Need(size)) } else { Ok(Step::Ate(size)) }
    }
}

/// Frames of a protobuf watch, each handed on without its length.
#[derive(Debug, Default)]
struct FrameEater;

impl Eater for FrameEater {
    fn eat(&mut self, bytes: &[u8], each: &mut dyn FnMut(Part<'_>)) -> Result<Step, Broken> {
        let Some((length, rest)) = bytes.split_first_chunk::<4>() else { return Ok(Step::Need(4)) };
        let length = u32::from_be_bytes(*length) as usize;
        let Some(frame) = rest.get(..length) else { return Ok(Step::Need(length.saturating_add(4))) };
        each(Part::Item(frame));
        Ok(Step::Ate(length + 4))
    }
}

/// Lines of a JSON watch.
#[derive(Debug, Default)]
struct LineEater {
    looked: usize,
}

impl Eater for LineEater {
    fn eat(&mut self, bytes: &[u8], each: &mut dyn FnMut(Part<'_>)) -> Result<Step, Broken> {
        let from = self.looked.min(bytes.len());
        let Some(end) = memchr::memchr(b'\n', &bytes[from..]) else {
            self.looked = bytes.len();
            // All of the next chunk: only it knows where the line ends.
            return Ok(Step::Need(bytes.len().saturating_add(1)));
        };
        self.looked = 0;
        let line = bytes[..from + end].trim_ascii();
        if !line.is_empty() {
            each(Part::Item(line));
        }
        Ok(Step::Ate(from + end + 1))
    }
}

/// A list or watch being read.
#[derive(Debug)]
pub(crate) struct Reading {
    feeder: Feeder,
    kind: Kind,
}

#[derive(Debug)]
enum Kind {
    ProtoList(ProtoEater),
    ProtoWatch(FrameEater),
    JsonList(super::json::Splitter),
    JsonWatch(LineEater, Vec<u8>),
}

/// How an answer is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Encoding {
    Protobuf,
    Json,
}

impl Encoding {
    pub(crate) fn of(content_type: &str) -> Self {
        if content_type.contains("protobuf") { Self::Protobuf } else { Self::Json }
    }
}

impl Reading {
    pub(crate) fn list(encoding: Encoding) -> Self {
        let kind = match encoding {
            Encoding::Protobuf => Kind::ProtoList(ProtoEater::default()),
            Encoding::Json => Kind::JsonList(super::json::Splitter::new("items")),
        };
        Self { feeder: Feeder::default(), kind }
    }

    pub(crate) fn watch(encoding: Encoding) -> Self {
        let kind = match encoding {
            Encoding::Protobuf => Kind::ProtoWatch(FrameEater),
            Encoding::Json => Kind::JsonWatch(LineEater::default(), Vec::new()),
        };
        Self { feeder: Feeder::default(), kind }
    }

    /// The rows of a Table.
    pub(crate) fn table() -> Self {
        Self { feeder: Feeder::default(), kind: Kind::JsonList(super::json::Splitter::new("rows")) }
    }

    pub(crate) fn push(&mut self, chunk: &[u8], mut each: impl FnMut(Part<'_>)) -> Result<(), Broken> {
        match &mut self.kind {
            Kind::ProtoList(eater) => self.feeder.push(eater, chunk, &mut each),
            Kind::ProtoWatch(eater) => self.feeder.push(eater, chunk, &mut each),
            Kind::JsonList(splitter) => splitter.push(chunk, &mut each),
            Kind::JsonWatch(eater, held) => push_lines(eater, held, chunk, &mut each),
        }
    }

    /// Call after the last chunk: a list that was cut off is an error, not a shorter list.
    pub(crate) fn end(&self) -> Result<(), Broken> {
        let whole = match &self.kind {
            Kind::ProtoList(eater) => matches!(eater.0, Place::Envelope | Place::List { left: 0 }) && self.feeder.held.is_empty(),
            Kind::JsonList(splitter) => splitter.is_done(),
            Kind::ProtoWatch(_) | Kind::JsonWatch(..) => true,
        };
        if whole { Ok(()) } else { Err(Broken("it was cut off")) }
    }
}

/// The bytes of one length-delimited field of a message.
pub(crate) fn field(mut bytes: &[u8], wanted: u64) -> Option<&[u8]> {
    while let Ok(Some(head)) = head(bytes) {
        let end = head.length.checked_add(usize::try_from(head.body).ok()?)?;
        let body = bytes.get(head.length..end)?;
        if head.field == wanted && head.wire == 2 {
            return Some(body);
        }
        bytes = &bytes[end..];
    }
    None
}

/// The message inside `k8s\0` and `runtime.Unknown`.
pub(crate) fn unwrap(bytes: &[u8]) -> Option<&[u8]> {
    // Go leaves an empty `raw` out.
    Some(field(bytes.strip_prefix(MAGIC)?, 2).unwrap_or_default())
}

/// Lines have no length in front, so the whole chunk is held when one is cut.
fn push_lines(eater: &mut LineEater, held: &mut Vec<u8>, chunk: &[u8], each: &mut dyn FnMut(Part<'_>)) -> Result<(), Broken> {
    held.extend_from_slice(chunk);
    let mut done = 0;
    while let Step::Ate(n) = eater.eat(&held[done..], each)? {
        done += n;
    }
    held.drain(..done);
    if held.len() > LARGEST { Err(Broken("an object is larger than 16 MiB")) } else { Ok(()) }
}
