//! Which API a server speaks. 3.x refuses the older paths, 1.0 to 1.3 do not know the newer ones.

/// Paths below the context (`/nacos`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Dialect {
    /// 1.0 to 1.3.
    First,
    /// 1.4 and 2.x.
    Second,
    /// 3.x, whose administration wants a login unless that was switched off.
    Third,
}

impl Dialect {
    /// In the order in which they are tried: most servers are of the second.
    pub const ALL: [Self; 3] = [Self::Second, Self::Third, Self::First];

    /// The servers of the cluster as this one sees them.
    pub fn nodes(self) -> &'static str {
        match self {
            Self::First => "/v1/ns/operator/servers",
            Self::Second => "/v1/core/cluster/nodes",
            Self::Third => "/v3/admin/core/cluster/node/list",
        }
    }

    /// The server itself; the first ones do not tell.
    pub fn own(self) -> Option<&'static str> {
        match self {
            Self::First => None,
            Self::Second => Some("/v1/core/cluster/self"),
            Self::Third => Some("/v3/admin/core/cluster/node/self"),
        }
    }

    /// Is it ready to serve names, and for how many?
    pub fn metrics(self) -> &'static [&'static str] {
        match self {
            Self::First => &["/v1/ns/operator/metrics"],
            Self::Second => &["/v2/ns/operator/metrics?onlyStatus=false", "/v1/ns/operator/metrics"],
            Self::Third => &["/v3/admin/ns/ops/metrics?onlyStatus=false"],
        }
    }

    /// One page of services with the counts of their instances.
    pub fn services(self, namespace: &str, size: usize) -> String {
        match self {
            Self::First | Self::Second => {
                // The public namespace has an empty id there.
                let namespace = if namespace == "public" { "" } else { namespace };
                format!("/v1/ns/catalog/services?withInstances=false&pageNo=1&pageSize={size}&namespaceId={namespace}")
            }
            Self::Third => format!("/v3/admin/ns/service/list?ignoreEmptyService=false&pageNo=1&pageSize={size}&namespaceId={namespace}"),
        }
    }

    /// One page of services with their instances.
    pub fn catalog(self, namespace: &str, size: usize) -> String {
        match self {
            Self::First | Self::Second => self.services(namespace, size).replace("withInstances=false", "withInstances=true"),
            Self::Third => format!("{}&withInstances=true", self.services(namespace, size)),
        }
    }

    pub fn login(self) -> &'static str {
        match self {
            Self::First | Self::Second => "/v1/auth/login",
            Self::Third => "/v3/auth/user/login",
        }
    }
}
