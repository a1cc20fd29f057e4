//! What kinds of objects this API server has: those of v1.19 that people and tools ask for.

/// One kind in one version.
#[derive(Debug, PartialEq, Eq)]
pub struct Kind {
    /// Empty for the core group.
    pub group: &'static str,
    pub version: &'static str,
    pub kind: &'static str,
    pub plural: &'static str,
    pub short: &'static [&'static str],
    pub namespaced: bool,
}

/// A kind by its place in [`KINDS`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KindId(pub usize);

macro_rules! kinds {
    ($($id:ident = $group:literal $version:literal $kind:literal $plural:literal $short:expr, $namespaced:expr;)*) => {
        /// All of them. Discovery lists them in this order.
        pub const KINDS: &[Kind] = &[$(Kind { group: $group, version: $version, kind: $kind, plural: $plural, short: $short, namespaced: $namespaced }),*];
        kinds!(@ids 0, $($id)*);
    };
    (@ids $n:expr, $id:ident $($rest:ident)*) => {
        pub const $id: KindId = KindId($n);
        kinds!(@ids $n + 1, $($rest)*);
    };
    (@ids $n:expr,) => {};
}

kinds! {
    CONFIG_MAPS = "" "v1" "ConfigMap" "configmaps" &["cm"], true;
    ENDPOINTS = "" "v1" "Endpoints" "endpoints" &["ep"], true;
    EVENTS = "" "v1" "Event" "events" &["ev"], true;
    NAMESPACES = "" "v1" "Namespace" "namespaces" &["ns"], false;
    NODES = "" "v1" "Node" "nodes" &["no"], false;
    CLAIMS = "" "v1" "PersistentVolumeClaim" "persistentvolumeclaims" &["pvc"], true;
    VOLUMES = "" "v1" "PersistentVolume" "persistentvolumes" &["pv"], false;
    PODS = "" "v1" "Pod" "pods" &["po"], true;
    SECRETS = "" "v1" "Secret" "secrets" &[], true;
    ACCOUNTS = "" "v1" "ServiceAccount" "serviceaccounts" &["sa"], true;
    SERVICES = "" "v1" "Service" "services" &["svc"], true;
    API_SERVICES = "apiregistration.k8s.io" "v1" "APIService" "apiservices" &[], false;
    DAEMON_SETS = "apps" "v1" "DaemonSet" "daemonsets" &["ds"], true;
    DEPLOYMENTS = "apps" "v1" "Deployment" "deployments" &["deploy"], true;
    REPLICA_SETS = "apps" "v1" "ReplicaSet" "replicasets" &["rs"], true;
    STATEFUL_SETS = "apps" "v1" "StatefulSet" "statefulsets" &["sts"], true;
    AUTOSCALERS = "autoscaling" "v1" "HorizontalPodAutoscaler" "horizontalpodautoscalers" &["hpa"], true;
    JOBS = "batch" "v1" "Job" "jobs" &[], true;
    CRON_JOBS = "batch" "v1beta1" "CronJob" "cronjobs" &["cj"], true;
    LEASES = "coordination.k8s.io" "v1" "Lease" "leases" &[], true;
    INGRESSES = "networking.k8s.io" "v1" "Ingress" "ingresses" &["ing"], true;
    DISRUPTION_BUDGETS = "policy" "v1beta1" "PodDisruptionBudget" "poddisruptionbudgets" &["pdb"], true;
    CLUSTER_ROLE_BINDINGS = "rbac.authorization.k8s.io" "v1" "ClusterRoleBinding" "clusterrolebindings" &[], false;
    CLUSTER_ROLES = "rbac.authorization.k8s.io" "v1" "ClusterRole" "clusterroles" &[], false;
    ROLE_BINDINGS = "rbac.authorization.k8s.io" "v1" "RoleBinding" "rolebindings" &[], true;
    ROLES = "rbac.authorization.k8s.io" "v1" "Role" "roles" &[], true;
    STORAGE_CLASSES = "storage.k8s.io" "v1" "StorageClass" "storageclasses" &["sc"], false;
}

impl KindId {
    pub fn of(self) -> &'static Kind {
        &KINDS[self.0]
    }

    /// By group and plural, in whatever version it is asked for that this server has.
    pub fn find(group: &str, version: &str, plural: &str) -> Option<Self> {
        KINDS.iter().position(|k| k.group == group && k.version == version && k.plural == plural).map(Self)
    }
}

impl Kind {
    pub fn api_version(&self) -> String {
        if self.group.is_empty() { self.version.to_owned() } else { format!("{}/{}", self.group, self.version) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_stand_where_the_table_has_them() {
        assert_eq!((PODS.of().plural, CRON_JOBS.of().version, STORAGE_CLASSES.of().kind), ("pods", "v1beta1", "StorageClass"));
        assert_eq!(KindId::find("apps", "v1", "deployments"), Some(DEPLOYMENTS));
        assert_eq!(KindId::find("batch", "v1", "cronjobs"), None);
    }
}
