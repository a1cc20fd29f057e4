//! One line as it is printed.

use std::collections::HashMap;

use serde_json::{Map, Value};

use super::Output;
use crate::base::chunk::Mark;
use crate::base::text::clean;
use crate::model::log::{Note, Speaker, StreamId};

/// Writes lines one after the other into a buffer.
#[derive(Debug)]
pub(super) struct Writer {
    output: Output,
    speakers: HashMap<StreamId, (Speaker, String)>,
    pub(super) buffer: Vec<u8>,
}

impl Writer {
    pub(super) fn new(output: Output) -> Self {
        Self { output, speakers: HashMap::new(), buffer: Vec::with_capacity(128 << 10) }
    }

    pub(super) fn speaker(&mut self, stream: StreamId, speaker: Speaker) {
        let name = clean(&speaker.to_string()).into_owned();
        self.speakers.insert(stream, (speaker, name));
    }

    pub(super) fn name(&self, stream: StreamId) -> &str {
        self.speakers.get(&stream).map_or("", |(_, name)| name)
    }

    pub(super) fn line(&mut self, stream: StreamId, mark: Mark, bytes: &[u8]) {
        match self.output {
            Output::Raw => self.buffer.extend_from_slice(bytes),
            Output::Pretty => {
                let name = self.speakers.get(&stream).map_or("", |(_, name)| name);
                let text = String::from_utf8_lossy(bytes);
                let head = format!("{} {name} ", mark.stamp.moment());
                self.buffer.extend_from_slice(head.as_bytes());
                self.buffer.extend_from_slice(clean(&text).as_bytes());
            }
            Output::Json => {
                let object = self.object(stream, mark, bytes);
                self.buffer.extend_from_slice(object.to_string().as_bytes());
            }
        }
        self.buffer.push(b'\n');
    }

    fn object(&self, stream: StreamId, mark: Mark, bytes: &[u8]) -> Value {
        let mut object = Map::new();
        object.insert("time".into(), mark.stamp.to_string().into());
        let mut put = |key: &str, value: &str| object.insert(key.into(), value.into());
        match self.speakers.get(&stream).map(|(speaker, _)| speaker) {
            Some(Speaker::Pod { cluster, namespace, pod, container }) => {
                put("cluster", cluster);
                put("namespace", namespace);
                put("pod", pod);
                put("container", container);
            }
            Some(Speaker::Container { host, name }) => {
                put("host", host);
                put("container", name);
            }
            Some(Speaker::File { host, path }) => {
                put("host", host);
                put("file", path);
            }
            Some(Speaker::Unit { host, unit }) => {
                put("host", host);
                put("unit", unit);
            }
            Some(Speaker::Kernel { host }) => {
                put("host", host);
                put("unit", "kernel");
            }
            None => {}
        }
        put("line", &String::from_utf8_lossy(bytes));
        if mark.cut > 0 {
            object.insert("cut_bytes".into(), mark.cut.into());
        }
        Value::Object(object)
    }
}

/// What is said on stderr of a stream; `None` for what goes without saying in a pipe.
pub(super) fn told(note: &Note) -> Option<String> {
    Some(match note {
        Note::Joined => return None,
        Note::Gap { lines: Some(lines), .. } => format!("{lines} lines are missing here"),
        Note::Gap { lines: None, .. } => "lines may be missing here: the remote no longer has the last one that was read".to_owned(),
        Note::Denied { text } => format!("refused: {text}"),
        Note::Failed { text } => text.clone(),
        Note::Cut { text } => format!("cut: {text}"),
        Note::Resumed => "goes on where it was cut".to_owned(),
        Note::Restarted { count } => format!("the container was started anew, restart {count}"),
        Note::Rotated => "the file was rotated; the new one follows".to_owned(),
        Note::Truncated => "the file was emptied and begins again".to_owned(),
        Note::Ended { text } if text.is_empty() => return None,
        Note::Ended { text } => format!("ended: {text}"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::stamp::Stamp;

    fn written(output: Output) -> String {
        let mut w = Writer::new(output);
        w.speaker(StreamId(0), Speaker::Pod { cluster: "c".into(), namespace: "n".into(), pod: "p".into(), container: "x".into() });
        w.line(StreamId(0), Mark { start: 0, end: 9, stamp: Stamp(1_500_000_000), cut: 3 }, b"a\x1b[31m\xffb");
        String::from_utf8_lossy(&w.buffer).into_owned()
    }

    #[test]
    fn raw_is_raw_and_the_rest_is_harmless() {
        assert_eq!(written(Output::Raw), "a\x1b[31m\u{fffd}b\n");
        assert_eq!(written(Output::Pretty), "1970-01-01T00:00:01.500Z p/x a^[[31m\u{fffd}b\n");
        let json: Value = serde_json::from_str(&written(Output::Json)).unwrap();
        assert_eq!((&json["time"], &json["pod"], &json["cut_bytes"]), (&"1970-01-01T00:00:01.5Z".into(), &"p".into(), &3.into()));
    }
}
