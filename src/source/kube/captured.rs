//! What a real API server (v1.20.2) wrote, in both encodings: the same objects must come out of both. So the reader of protobuf is
//! not proved by writers of our own. The bytes are in `tests/data/kubernetes-v1.20.2`, as `curl` got them.

use std::collections::BTreeMap;

use serde_json::Value;

use super::object::{self, Object};
use super::wire::{Encoding, Part, Reading, field, unwrap};

macro_rules! captured {
    ($name:literal) => {
        (
            include_bytes!(concat!("../../../tests/data/kubernetes-v1.20.2/", $name, ".pb")).as_slice(),
            include_bytes!(concat!("../../../tests/data/kubernetes-v1.20.2/", $name, ".json")).as_slice(),
        )
    };
}

fn items(encoding: Encoding, mut reading: Reading, bytes: &[u8], step: usize) -> Vec<Vec<u8>> {
    let mut all = Vec::new();
    for chunk in bytes.chunks(step) {
        reading
            .push(chunk, |part| {
                if let Part::Item(bytes) = part {
                    all.push(bytes.to_vec());
                }
            })
            .unwrap_or_else(|e| panic!("{encoding:?}: {e}"));
    }
    reading.end().unwrap_or_else(|e| panic!("{encoding:?}: {e}"));
    all
}

/// JSON's times are kept to the millisecond, protobuf's as they came; where JSON says null, protobuf says the epoch.
fn to_the_millisecond(value: &impl std::fmt::Debug) -> String {
    let text = format!("{value:?}");
    let mut parts = text.split("nanos: ");
    let mut out = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let digits = part.find(|c: char| !c.is_ascii_digit()).unwrap_or(part.len());
        let nanos: u32 = part[..digits].parse().unwrap();
        out = out + "millis: " + &(nanos / 1_000_000).to_string() + &part[digits..];
    }
    out.replace("Some(Time { seconds: 0, millis: 0 })", "None")
}

/// Gives the objects after having compared them, as they come whole and in chunks of seven bytes.
fn same<T: Object + PartialEq + std::fmt::Debug>((proto, json): (&[u8], &[u8])) -> Vec<T> {
    let read = |encoding, bytes, step| items(encoding, Reading::list(encoding), bytes, step);
    let (whole, pieces) = (read(Encoding::Protobuf, proto, usize::MAX), read(Encoding::Protobuf, proto, 7));
    assert_eq!(whole, pieces);
    let from_proto: Vec<T> = whole.iter().map(|b| T::decode(b.as_slice()).unwrap()).collect();
    let from_json: Vec<T> = read(Encoding::Json, json, 11).iter().map(|b| serde_json::from_slice(b).unwrap()).collect();
    assert_eq!(to_the_millisecond(&from_proto), to_the_millisecond(&from_json));
    assert!(!from_proto.is_empty());
    from_proto
}

#[test]
fn lists() {
    let pods: Vec<object::Pod> = same(captured!("pods"));
    let order = pods.iter().find(|p| p.metadata.name.starts_with("mall-order-")).unwrap();
    assert_eq!((order.spec.containers.len(), order.status.container_statuses.len()), (3, 3));
    assert_eq!(same::<object::Node>(captured!("nodes"))[0].metadata.name, "node-1");
    let leases: Vec<object::Lease> = same(captured!("leases"));
    assert!(leases.iter().all(|l| !l.spec.holder_identity.is_empty() && l.spec.renew_time.is_some()));
    let events: Vec<object::Event> = same(captured!("events"));
    assert!(events.iter().all(|e| !e.reason.is_empty() && (e.last_timestamp.is_some() || e.event_time.is_some())));
    assert_eq!(same::<object::Deployment>(captured!("deployments"))[0].metadata.name, "mall-order");
    assert_eq!(same::<object::StatefulSet>(captured!("statefulsets"))[0].metadata.name, "redis");
    assert_eq!(same::<object::DaemonSet>(captured!("daemonsets"))[0].metadata.name, "filebeat");
    assert_eq!(same::<object::Job>(captured!("jobs"))[0].metadata.name, "import");
    assert_eq!(same::<object::CronJob>(captured!("cronjobs"))[0].metadata.name, "close");
}

#[test]
fn watches() {
    let (proto, json) = captured!("watch-pods");
    let frames = items(Encoding::Protobuf, Reading::watch(Encoding::Protobuf), proto, 5);
    let lines: Vec<Value> = json.split(|b| *b == b'\n').filter(|l| !l.is_empty()).map(|l| serde_json::from_slice(l).unwrap()).collect();
    assert!(!lines.is_empty() && frames.len() == lines.len());
    // A watch begins with what there is, in no order.
    let binary = |frame: &Vec<u8>| {
        // `WatchEvent { type = 1, object = 2 { raw = 1 } }`
        let kind = std::str::from_utf8(field(frame, 1).unwrap()).unwrap().to_owned();
        let raw = field(field(frame, 2).unwrap(), 1).unwrap();
        let pod: object::Pod = prost::Message::decode(unwrap(raw).unwrap()).unwrap();
        (pod.metadata.name.clone(), (kind, pod))
    };
    let text = |line: &Value| {
        let pod: object::Pod = serde_json::from_value(line["object"].clone()).unwrap();
        (pod.metadata.name.clone(), (line["type"].as_str().unwrap().to_owned(), pod))
    };
    let (binary, text): (BTreeMap<_, _>, BTreeMap<_, _>) = (frames.iter().map(binary).collect(), lines.iter().map(text).collect());
    assert_eq!((binary.len(), to_the_millisecond(&binary)), (lines.len(), to_the_millisecond(&text)));
}
