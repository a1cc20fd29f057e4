//! The objects of the API with only the fields that the cockpit needs. One struct serves both encodings: protobuf by the
//! tags of Kubernetes' `generated.proto` files (unknown fields are skipped, not kept), JSON by the names.

use std::collections::BTreeMap;

use prost::Message;
use serde::{Deserialize, Deserializer};

use crate::base::clock::Moment;

/// `metav1.Time` and `MicroTime`.
#[derive(Clone, Copy, PartialEq, Eq, Message)]
pub(crate) struct Time {
    #[prost(int64, tag = "1")]
    pub(crate) seconds: i64,
    #[prost(int32, tag = "2")]
    pub(crate) nanos: i32,
}

impl Time {
    pub(crate) fn moment(self) -> Moment {
        Moment(self.seconds.saturating_mul(1000).saturating_add(i64::from(self.nanos / 1_000_000)))
    }
}

impl<'de> Deserialize<'de> for Time {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<str>::deserialize(d)?;
        let moment = Moment::parse(&text).ok_or_else(|| serde::de::Error::custom("not an RFC 3339 time"))?;
        Ok(Self { seconds: moment.0.div_euclid(1000), nanos: i32::try_from(moment.0.rem_euclid(1000) * 1_000_000).unwrap_or(0) })
    }
}

/// `resource.Quantity`; in JSON a string, sometimes a bare number.
#[derive(Clone, PartialEq, Eq, Message)]
pub(crate) struct Quantity {
    #[prost(string, tag = "1")]
    pub(crate) text: String,
}

impl<'de> Deserialize<'de> for Quantity {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum Either {
            Text(String),
            Number(serde_json::Number),
        }
        Ok(Self {
            text: match Either::deserialize(d)? {
                Either::Text(text) => text,
                Either::Number(number) => number.to_string(),
            },
        })
    }
}

impl Quantity {
    /// In thousandths of the unit, rounded up; `0` where it is no quantity.
    pub(crate) fn milli(&self) -> u64 {
        let text = self.text.trim();
        let split = text.find(|c: char| !(c.is_ascii_digit() || matches!(c, '.' | '+' | '-'))).unwrap_or(text.len());
        let (mut number, mut suffix) = text.split_at(split);
        let joined;
        // `1e3`, `12E6`: an exponent, unless the E stands alone as the suffix for 10^18.
        if suffix.len() > 1 && suffix.starts_with(['e', 'E']) && suffix[1..].trim_start_matches(['+', '-']).chars().all(|c| c.is_ascii_digit()) {
            joined = text.to_owned();
            (number, suffix) = (joined.as_str(), "");
        }
        let factor = match suffix {
            "n" => 1e-9,
            "u" => 1e-6,
            "m" => 1e-3,
            "" => 1.0,
            "k" => 1e3,
            "M" => 1e6,
            "G" => 1e9,
            "T" => 1e12,
            "P" => 1e15,
            "E" => 1e18,
            "Ki" => 1024.0,
            "Mi" => 1_048_576.0,
            "Gi" => 1_073_741_824.0,
            "Ti" => 1_099_511_627_776.0,
            "Pi" => 1_125_899_906_842_624.0,
            "Ei" => 1_152_921_504_606_846_976.0,
            _ => return 0,
        };
        let value = number.parse::<f64>().unwrap_or(0.0) * factor * 1000.0;
        // A whole number may come out as 1799.9999999998.
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
        let milli = (value - 1e-6).ceil().max(0.0) as u64;
        milli
    }

    pub(crate) fn whole(&self) -> u64 {
        self.milli().div_ceil(1000)
    }
}

/// Declares slim API objects: `field: type = tag, kind;` with prost's name of the kind.
macro_rules! slim {
    ($($(#[$doc:meta])* $name:ident { $($(#[$meta:meta])* $field:ident: $ty:ty = $tag:literal [$($kind:tt)+],)* })*) => {$(
        $(#[$doc])*
        #[derive(Clone, PartialEq, Message, Deserialize)]
        #[serde(rename_all = "camelCase", default)]
        #[allow(clippy::struct_field_names, reason = "the API's own names")]
        pub(crate) struct $name {
            $($(#[$meta])* #[prost($($kind)+, tag = $tag)] #[serde(deserialize_with = "or_default")] pub(crate) $field: $ty,)*
        }
    )*};
}

/// `null` is the same as absent: Go writes it for empty lists and maps.
fn or_default<'de, D: Deserializer<'de>, T: Deserialize<'de> + Default>(d: D) -> Result<T, D::Error> {
    Option::<T>::deserialize(d).map(Option::unwrap_or_default)
}

slim! {
    ObjectMeta {
        name: String = "1" [string],
        namespace: String = "3" [string],
        uid: String = "5" [string],
        resource_version: String = "6" [string],
        creation_timestamp: Option<Time> = "8" [message, optional],
        deletion_timestamp: Option<Time> = "9" [message, optional],
        owner_references: Vec<OwnerReference> = "13" [message, repeated],
    }
    OwnerReference {
        kind: String = "1" [string],
        name: String = "3" [string],
        controller: bool = "6" [bool],
    }
    /// `r#continue` is `continue` in JSON as well.
    ListMeta {
        resource_version: String = "2" [string],
        r#continue: String = "3" [string],
    }
    /// A Status in an ERROR frame of a watch.
    Status {
        message: String = "3" [string],
        reason: String = "4" [string],
        code: i32 = "6" [int32],
    }

    Pod {
        metadata: ObjectMeta = "1" [message, required],
        spec: PodSpec = "2" [message, required],
        status: PodStatus = "3" [message, required],
    }
    PodSpec {
        containers: Vec<Container> = "2" [message, repeated],
        node_name: String = "10" [string],
        init_containers: Vec<Container> = "20" [message, repeated],
        readiness_gates: Vec<ReadinessGate> = "28" [message, repeated],
        overhead: BTreeMap<String, Quantity> = "32" [btree_map = "string, message"],
    }
    ReadinessGate {
        condition_type: String = "1" [string],
    }
    Container {
        name: String = "1" [string],
        resources: Resources = "8" [message, required],
        restart_policy: String = "24" [string],
    }
    Resources {
        requests: BTreeMap<String, Quantity> = "2" [btree_map = "string, message"],
    }
    PodStatus {
        phase: String = "1" [string],
        conditions: Vec<Condition> = "2" [message, repeated],
        message: String = "3" [string],
        reason: String = "4" [string],
        #[serde(rename = "podIP")]
        pod_ip: String = "6" [string],
        container_statuses: Vec<ContainerStatus> = "8" [message, repeated],
        init_container_statuses: Vec<ContainerStatus> = "10" [message, repeated],
    }
    /// Of pods, nodes and jobs: the tags agree.
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
        finished_at: Option<Time> = "6" [message, optional],
    }

    Node {
        metadata: ObjectMetaLabelled = "1" [message, required],
        spec: NodeSpec = "2" [message, required],
        status: NodeStatus = "3" [message, required],
    }
    /// Metadata with labels: only nodes need theirs, for the roles.
    ObjectMetaLabelled {
        name: String = "1" [string],
        uid: String = "5" [string],
        resource_version: String = "6" [string],
        creation_timestamp: Option<Time> = "8" [message, optional],
        labels: BTreeMap<String, String> = "11" [btree_map = "string, string"],
    }
    NodeSpec {
        unschedulable: bool = "4" [bool],
        taints: Vec<Taint> = "5" [message, repeated],
    }
    Taint {
        key: String = "1" [string],
        value: String = "2" [string],
        effect: String = "3" [string],
    }
    NodeStatus {
        allocatable: BTreeMap<String, Quantity> = "2" [btree_map = "string, message"],
        conditions: Vec<Condition> = "4" [message, repeated],
        addresses: Vec<NodeAddress> = "5" [message, repeated],
        node_info: NodeInfo = "7" [message, required],
    }
    NodeAddress {
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
    }

    Deployment {
        metadata: ObjectMeta = "1" [message, required],
        spec: DeploymentSpec = "2" [message, required],
        status: DeploymentStatus = "3" [message, required],
    }
    DeploymentSpec {
        replicas: Option<i32> = "1" [int32, optional],
        paused: bool = "7" [bool],
    }
    DeploymentStatus {
        updated_replicas: i32 = "3" [int32],
        available_replicas: i32 = "4" [int32],
        conditions: Vec<DeploymentCondition> = "6" [message, repeated],
        ready_replicas: i32 = "7" [int32],
    }
    DeploymentCondition {
        r#type: String = "1" [string],
        status: String = "2" [string],
        reason: String = "4" [string],
        message: String = "5" [string],
    }
    StatefulSet {
        metadata: ObjectMeta = "1" [message, required],
        spec: StatefulSetSpec = "2" [message, required],
        status: StatefulSetStatus = "3" [message, required],
    }
    StatefulSetSpec {
        replicas: Option<i32> = "1" [int32, optional],
    }
    StatefulSetStatus {
        ready_replicas: i32 = "3" [int32],
        updated_replicas: i32 = "5" [int32],
        available_replicas: i32 = "11" [int32],
    }
    DaemonSet {
        metadata: ObjectMeta = "1" [message, required],
        status: DaemonSetStatus = "3" [message, required],
    }
    DaemonSetStatus {
        number_misscheduled: i32 = "2" [int32],
        desired_number_scheduled: i32 = "3" [int32],
        number_ready: i32 = "4" [int32],
        updated_number_scheduled: i32 = "6" [int32],
        number_available: i32 = "7" [int32],
    }
    Job {
        metadata: ObjectMeta = "1" [message, required],
        spec: JobSpec = "2" [message, required],
        status: JobStatus = "3" [message, required],
    }
    JobSpec {
        parallelism: Option<i32> = "1" [int32, optional],
        completions: Option<i32> = "2" [int32, optional],
        suspend: bool = "10" [bool],
    }
    JobStatus {
        conditions: Vec<Condition> = "1" [message, repeated],
        active: i32 = "4" [int32],
        succeeded: i32 = "5" [int32],
        failed: i32 = "6" [int32],
    }
    CronJob {
        metadata: ObjectMeta = "1" [message, required],
        spec: CronJobSpec = "2" [message, required],
        status: CronJobStatus = "3" [message, required],
    }
    CronJobSpec {
        suspend: bool = "4" [bool],
    }
    CronJobStatus {
        active: Vec<ObjectReference> = "1" [message, repeated],
    }
    ObjectReference {
        kind: String = "1" [string],
        namespace: String = "2" [string],
        name: String = "3" [string],
        uid: String = "4" [string],
    }

    Event {
        metadata: ObjectMeta = "1" [message, required],
        involved_object: ObjectReference = "2" [message, required],
        reason: String = "3" [string],
        message: String = "4" [string],
        first_timestamp: Option<Time> = "6" [message, optional],
        last_timestamp: Option<Time> = "7" [message, optional],
        count: i32 = "8" [int32],
        event_time: Option<Time> = "10" [message, optional],
        series: Option<EventSeries> = "11" [message, optional],
    }
    EventSeries {
        count: i32 = "1" [int32],
        last_observed_time: Option<Time> = "2" [message, optional],
    }

    Lease {
        metadata: ObjectMeta = "1" [message, required],
        spec: LeaseSpec = "2" [message, required],
    }
    LeaseSpec {
        holder_identity: String = "1" [string],
        renew_time: Option<Time> = "4" [message, optional],
    }
}

/// What lists and watches carry.
pub(crate) trait Object: Message + Default + for<'de> Deserialize<'de> + Send + 'static {
    fn resource_version(&self) -> &str;
}

macro_rules! objects {
    ($($name:ident),*) => {$(
        impl Object for $name {
            fn resource_version(&self) -> &str {
                &self.metadata.resource_version
            }
        }
    )*};
}
objects!(Pod, Node, Deployment, StatefulSet, DaemonSet, Job, CronJob, Event, Lease);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantities() {
        let q = |text: &str| Quantity { text: text.to_owned() };
        assert_eq!([q("100m").milli(), q("1.8").milli(), q("2").milli(), q("250000000n").milli()], [100, 1800, 2000, 250]);
        assert_eq!([q("64758000Ki").whole(), q("1Gi").whole(), q("1e3").whole(), q("12P").whole()], [66_312_192_000, 1 << 30, 1000, 12_000_000_000_000_000]);
        assert_eq!([q("").milli(), q("x").milli()], [0, 0]);
    }

    #[test]
    fn null_is_absent() {
        let pod: Pod =
            serde_json::from_str(r#"{"metadata":{"name":"a","creationTimestamp":null,"ownerReferences":null},"spec":{"containers":null},"status":{}}"#)
                .unwrap();
        assert_eq!(pod.metadata.name, "a");
    }
}
