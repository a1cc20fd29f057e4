//! Kubernetes' protobuf: objects are written from their JSON by messages with the tags of the `generated.proto` files of v1.19.
//! Fields that no client of the lab reads are left out, as the protocol allows.

use std::collections::BTreeMap;

use bytes::{BufMut, Bytes, BytesMut};
use prost::Message;
use serde::{Deserialize, Deserializer};

use crate::base::clock::Moment;
use crate::lab::world::kube::kind::{self, KindId};
use crate::lab::world::kube::objects::Object;

const MAGIC: &[u8] = b"k8s\0";

/// `metav1.Time`
#[derive(Clone, Copy, PartialEq, Eq, Message)]
struct Time {
    #[prost(int64, tag = "1")]
    seconds: i64,
    #[prost(int32, tag = "2")]
    nanos: i32,
}

impl<'de> Deserialize<'de> for Time {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<str>::deserialize(d)?;
        let at = Moment::parse(&text).unwrap_or_default().0;
        Ok(Self { seconds: at.div_euclid(1000), nanos: i32::try_from(at.rem_euclid(1000)).unwrap_or(0) * 1_000_000 })
    }
}

#[derive(Clone, PartialEq, Eq, Message)]
struct Quantity {
    #[prost(string, tag = "1")]
    text: String,
}

impl<'de> Deserialize<'de> for Quantity {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        let text = match serde_json::Value::deserialize(d)? {
            serde_json::Value::String(text) => text,
            other => other.to_string(),
        };
        Ok(Self { text })
    }
}

fn absent<'de, D: Deserializer<'de>, T: Deserialize<'de> + Default>(d: D) -> Result<T, D::Error> {
    Option::<T>::deserialize(d).map(Option::unwrap_or_default)
}

macro_rules! messages {
    ($($name:ident { $($(#[$meta:meta])* $field:ident: $ty:ty = $tag:literal [$($kind:tt)+],)* })*) => {$(
        #[derive(Clone, PartialEq, Message, Deserialize)]
        #[serde(rename_all = "camelCase", default)]
        struct $name {
            $($(#[$meta])* #[prost($($kind)+, tag = $tag)] #[serde(deserialize_with = "absent")] $field: $ty,)*
        }
    )*};
}

messages! {
    Meta {
        name: String = "1" [string],
        generate_name: String = "2" [string],
        namespace: String = "3" [string],
        uid: String = "5" [string],
        resource_version: String = "6" [string],
        generation: i64 = "7" [int64],
        creation_timestamp: Option<Time> = "8" [message, optional],
        deletion_timestamp: Option<Time> = "9" [message, optional],
        labels: BTreeMap<String, String> = "11" [btree_map = "string, string"],
        annotations: BTreeMap<String, String> = "12" [btree_map = "string, string"],
        owner_references: Vec<Owner> = "13" [message, repeated],
    }
    Owner {
        kind: String = "1" [string],
        name: String = "3" [string],
        uid: String = "4" [string],
        api_version: String = "5" [string],
        controller: Option<bool> = "6" [bool, optional],
    }
    ListMeta {
        resource_version: String = "2" [string],
        r#continue: String = "3" [string],
        remaining_item_count: Option<i64> = "4" [int64, optional],
    }
    Refusal {
        status: String = "2" [string],
        message: String = "3" [string],
        reason: String = "4" [string],
        code: i32 = "6" [int32],
    }

    Pod {
        metadata: Meta = "1" [message, required],
        spec: PodSpec = "2" [message, required],
        status: PodStatus = "3" [message, required],
    }
    PodSpec {
        containers: Vec<Container> = "2" [message, repeated],
        restart_policy: String = "3" [string],
        node_name: String = "10" [string],
        init_containers: Vec<Container> = "20" [message, repeated],
    }
    Container {
        name: String = "1" [string],
        image: String = "2" [string],
        resources: Resources = "8" [message, required],
    }
    Resources {
        limits: BTreeMap<String, Quantity> = "1" [btree_map = "string, message"],
        requests: BTreeMap<String, Quantity> = "2" [btree_map = "string, message"],
    }
    PodStatus {
        phase: String = "1" [string],
        conditions: Vec<Condition> = "2" [message, repeated],
        message: String = "3" [string],
        reason: String = "4" [string],
        #[serde(rename = "hostIP")]
        host_ip: String = "5" [string],
        #[serde(rename = "podIP")]
        pod_ip: String = "6" [string],
        start_time: Option<Time> = "7" [message, optional],
        container_statuses: Vec<ContainerStatus> = "8" [message, repeated],
        init_container_statuses: Vec<ContainerStatus> = "10" [message, repeated],
    }
    Condition {
        r#type: String = "1" [string],
        status: String = "2" [string],
        last_transition_time: Option<Time> = "4" [message, optional],
        reason: String = "5" [string],
        message: String = "6" [string],
    }
    ContainerStatus {
        name: String = "1" [string],
        state: ContainerState = "2" [message, required],
        last_state: ContainerState = "3" [message, required],
        ready: bool = "4" [bool],
        restart_count: i32 = "5" [int32],
        image: String = "6" [string],
        #[serde(rename = "imageID")]
        image_id: String = "7" [string],
        #[serde(rename = "containerID")]
        container_id: String = "8" [string],
        started: Option<bool> = "9" [bool, optional],
    }
    ContainerState {
        waiting: Option<Waiting> = "1" [message, optional],
        running: Option<Running> = "2" [message, optional],
        terminated: Option<Terminated> = "3" [message, optional],
    }
    Waiting {
        reason: String = "1" [string],
        message: String = "2" [string],
    }
    Running {
        started_at: Option<Time> = "1" [message, optional],
    }
    Terminated {
        exit_code: i32 = "1" [int32],
        signal: i32 = "2" [int32],
        reason: String = "3" [string],
        message: String = "4" [string],
        started_at: Option<Time> = "5" [message, optional],
        finished_at: Option<Time> = "6" [message, optional],
    }

    Node {
        metadata: Meta = "1" [message, required],
        spec: NodeSpec = "2" [message, required],
        status: NodeStatus = "3" [message, required],
    }
    NodeSpec {
        #[serde(rename = "podCIDR")]
        pod_cidr: String = "1" [string],
        unschedulable: bool = "4" [bool],
        taints: Vec<Taint> = "5" [message, repeated],
    }
    Taint {
        key: String = "1" [string],
        value: String = "2" [string],
        effect: String = "3" [string],
    }
    NodeStatus {
        capacity: BTreeMap<String, Quantity> = "1" [btree_map = "string, message"],
        allocatable: BTreeMap<String, Quantity> = "2" [btree_map = "string, message"],
        conditions: Vec<NodeCondition> = "4" [message, repeated],
        addresses: Vec<Address> = "5" [message, repeated],
        node_info: NodeInfo = "7" [message, required],
    }
    NodeCondition {
        r#type: String = "1" [string],
        status: String = "2" [string],
        last_heartbeat_time: Option<Time> = "3" [message, optional],
        last_transition_time: Option<Time> = "4" [message, optional],
        reason: String = "5" [string],
        message: String = "6" [string],
    }
    Address {
        r#type: String = "1" [string],
        address: String = "2" [string],
    }
    NodeInfo {
        #[serde(rename = "machineID")]
        machine_id: String = "1" [string],
        #[serde(rename = "systemUUID")]
        system_uuid: String = "2" [string],
        #[serde(rename = "bootID")]
        boot_id: String = "3" [string],
        kernel_version: String = "4" [string],
        os_image: String = "5" [string],
        container_runtime_version: String = "6" [string],
        kubelet_version: String = "7" [string],
        kube_proxy_version: String = "8" [string],
        operating_system: String = "9" [string],
        architecture: String = "10" [string],
    }

    Deployment {
        metadata: Meta = "1" [message, required],
        spec: DeploymentSpec = "2" [message, required],
        status: DeploymentStatus = "3" [message, required],
    }
    DeploymentSpec {
        replicas: Option<i32> = "1" [int32, optional],
        paused: bool = "7" [bool],
    }
    DeploymentStatus {
        observed_generation: i64 = "1" [int64],
        replicas: i32 = "2" [int32],
        updated_replicas: i32 = "3" [int32],
        available_replicas: i32 = "4" [int32],
        unavailable_replicas: i32 = "5" [int32],
        conditions: Vec<DeploymentCondition> = "6" [message, repeated],
        ready_replicas: i32 = "7" [int32],
    }
    DeploymentCondition {
        r#type: String = "1" [string],
        status: String = "2" [string],
        reason: String = "4" [string],
        message: String = "5" [string],
        last_update_time: Option<Time> = "6" [message, optional],
        last_transition_time: Option<Time> = "7" [message, optional],
    }
    StatefulSet {
        metadata: Meta = "1" [message, required],
        spec: StatefulSetSpec = "2" [message, required],
        status: StatefulSetStatus = "3" [message, required],
    }
    StatefulSetSpec {
        replicas: Option<i32> = "1" [int32, optional],
        service_name: String = "5" [string],
    }
    StatefulSetStatus {
        replicas: i32 = "2" [int32],
        ready_replicas: i32 = "3" [int32],
        current_replicas: i32 = "4" [int32],
        updated_replicas: i32 = "5" [int32],
    }
    DaemonSet {
        metadata: Meta = "1" [message, required],
        status: DaemonSetStatus = "3" [message, required],
    }
    DaemonSetStatus {
        current_number_scheduled: i32 = "1" [int32],
        number_misscheduled: i32 = "2" [int32],
        desired_number_scheduled: i32 = "3" [int32],
        number_ready: i32 = "4" [int32],
        updated_number_scheduled: i32 = "6" [int32],
        number_available: i32 = "7" [int32],
    }
    Job {
        metadata: Meta = "1" [message, required],
        spec: JobSpec = "2" [message, required],
        status: JobStatus = "3" [message, required],
    }
    JobSpec {
        parallelism: Option<i32> = "1" [int32, optional],
        completions: Option<i32> = "2" [int32, optional],
    }
    JobStatus {
        conditions: Vec<Condition> = "1" [message, repeated],
        start_time: Option<Time> = "2" [message, optional],
        completion_time: Option<Time> = "3" [message, optional],
        active: i32 = "4" [int32],
        succeeded: i32 = "5" [int32],
        failed: i32 = "6" [int32],
    }
    CronJob {
        metadata: Meta = "1" [message, required],
        spec: CronJobSpec = "2" [message, required],
        status: CronJobStatus = "3" [message, required],
    }
    CronJobSpec {
        schedule: String = "1" [string],
        suspend: bool = "4" [bool],
    }
    CronJobStatus {
        last_schedule_time: Option<Time> = "4" [message, optional],
    }

    Event {
        metadata: Meta = "1" [message, required],
        involved_object: Reference = "2" [message, required],
        reason: String = "3" [string],
        message: String = "4" [string],
        source: Component = "5" [message, required],
        first_timestamp: Option<Time> = "6" [message, optional],
        last_timestamp: Option<Time> = "7" [message, optional],
        count: i32 = "8" [int32],
        r#type: String = "9" [string],
    }
    Reference {
        kind: String = "1" [string],
        namespace: String = "2" [string],
        name: String = "3" [string],
        uid: String = "4" [string],
        api_version: String = "5" [string],
    }
    Component {
        component: String = "1" [string],
        host: String = "2" [string],
    }

    Lease {
        metadata: Meta = "1" [message, required],
        spec: LeaseSpec = "2" [message, required],
    }
    LeaseSpec {
        holder_identity: String = "1" [string],
        lease_duration_seconds: i32 = "2" [int32],
        renew_time: Option<Time> = "4" [message, optional],
    }
}

#[derive(Clone, PartialEq, Message)]
struct TypeMeta {
    #[prost(string, tag = "1")]
    api_version: String,
    #[prost(string, tag = "2")]
    kind: String,
}

#[derive(Clone, PartialEq, Message)]
struct Unknown {
    #[prost(message, required, tag = "1")]
    type_meta: TypeMeta,
    #[prost(bytes = "vec", tag = "2")]
    raw: Vec<u8>,
}

#[derive(Clone, PartialEq, Message)]
struct Raw {
    #[prost(bytes = "vec", tag = "1")]
    raw: Vec<u8>,
}

#[derive(Clone, PartialEq, Message)]
struct WatchEvent {
    #[prost(string, tag = "1")]
    kind: String,
    #[prost(message, required, tag = "2")]
    object: Raw,
}

/// One object's message; `None` for kinds that are only told in JSON here.
pub(super) fn message(kind: KindId, json: &[u8]) -> Option<Vec<u8>> {
    fn of<T: Message + for<'de> Deserialize<'de>>(json: &[u8]) -> Option<Vec<u8>> {
        serde_json::from_slice::<T>(json).ok().map(|m| m.encode_to_vec())
    }
    match kind {
        kind::PODS => of::<Pod>(json),
        kind::NODES => of::<Node>(json),
        kind::DEPLOYMENTS => of::<Deployment>(json),
        kind::STATEFUL_SETS => of::<StatefulSet>(json),
        kind::DAEMON_SETS => of::<DaemonSet>(json),
        kind::JOBS => of::<Job>(json),
        kind::CRON_JOBS => of::<CronJob>(json),
        kind::EVENTS => of::<Event>(json),
        kind::LEASES => of::<Lease>(json),
        _ => None,
    }
}

/// Can this kind be written in protobuf here?
pub(super) fn speaks(kind: KindId) -> bool {
    message(kind, b"{}").is_some()
}

/// `k8s\0` and the message in its envelope.
pub(super) fn enveloped(api_version: &str, kind: &str, raw: Vec<u8>) -> Bytes {
    let unknown = Unknown { type_meta: TypeMeta { api_version: api_version.into(), kind: kind.into() }, raw };
    let mut out = BytesMut::with_capacity(unknown.encoded_len() + MAGIC.len());
    out.put_slice(MAGIC);
    // A BytesMut grows as it must.
    let _ = unknown.encode(&mut out);
    out.freeze()
}

pub(super) fn object(object: &Object) -> Bytes {
    let kind = object.kind.of();
    enveloped(&kind.api_version(), kind.kind, message(object.kind, &object.json).unwrap_or_default())
}

/// A whole list. Items are field 2, their list's metadata field 1.
pub(super) fn list(kind: KindId, items: &[std::sync::Arc<Object>], version: u64, more: &str, left: Option<i64>) -> Bytes {
    let meta = ListMeta { resource_version: version.to_string(), r#continue: more.to_owned(), remaining_item_count: left };
    let mut raw = Vec::new();
    prost::encoding::message::encode(1, &meta, &mut raw);
    for item in items {
        let body = message(kind, &item.json).unwrap_or_default();
        prost::encoding::encode_key(2, prost::encoding::WireType::LengthDelimited, &mut raw);
        prost::encoding::encode_varint(body.len() as u64, &mut raw);
        raw.extend_from_slice(&body);
    }
    enveloped(&kind.of().api_version(), &format!("{}List", kind.of().kind), raw)
}

/// One frame of a watch: its length and a WatchEvent.
pub(super) fn frame(word: &str, enveloped: &Bytes) -> Bytes {
    let event = WatchEvent { kind: word.to_owned(), object: Raw { raw: enveloped.to_vec() } };
    let length = u32::try_from(event.encoded_len()).unwrap_or(u32::MAX);
    let mut out = BytesMut::with_capacity(event.encoded_len() + 4);
    out.put_u32(length);
    let _ = event.encode(&mut out);
    out.freeze()
}

pub(super) fn refusal(code: u16, reason: &str, message: &str) -> Bytes {
    let refusal = Refusal { status: "Failure".into(), message: message.to_owned(), reason: reason.to_owned(), code: i32::from(code) };
    enveloped("v1", "Status", refusal.encode_to_vec())
}
