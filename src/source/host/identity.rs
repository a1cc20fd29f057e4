//! Who a host is: the slow-moving facts that join it to the guest, or the node, that it also is.

use crate::model::host::HostIdentity;
use crate::model::id::Uid;

/// Interfaces that every hypervisor or node has the like of: their addresses prove nothing.
const INNER: [&str; 14] = ["lo", "veth", "cali", "cni", "flannel", "docker", "br-", "virbr", "vnet", "kube-", "tunl", "vxlan", "nodelocaldns", "podman"];

fn inner(interface: &str) -> bool {
    INNER.iter().any(|p| if *p == "lo" { interface == "lo" } else { interface.starts_with(p) })
}

/// Gives the identity and the lines of fstab that came with it.
pub(super) fn parse(lines: &[String]) -> (HostIdentity, Vec<String>) {
    let mut id = HostIdentity::default();
    let mut fstab = Vec::new();
    let (mut pretty, mut release, mut name_version) = (None, None, (String::new(), String::new()));
    for line in lines {
        let Some((key, value)) = line.split_once(':') else { continue };
        let uid = || (!value.trim().is_empty()).then(|| Uid::parse(value));
        match key {
            "/proc/sys/kernel/hostname" => value.trim().clone_into(&mut id.hostname),
            "/proc/sys/kernel/osrelease" => value.trim().clone_into(&mut id.kernel),
            "/proc/sys/kernel/random/boot_id" => id.boot_id = uid(),
            "/etc/machine-id" => id.machine_id = uid(),
            "/sys/class/dmi/id/product_uuid" => id.product_uuid = uid(),
            "/etc/fstab" => fstab.push(value.to_owned()),
            "/etc/redhat-release" => release = Some(value.trim().to_owned()),
            "/etc/os-release" => match value.split_once('=').map(|(k, v)| (k, v.trim_matches(['"', '\'']).to_owned())) {
                Some(("PRETTY_NAME", v)) => pretty = Some(v),
                Some(("NAME", v)) => name_version.0 = v,
                Some(("VERSION", v)) => name_version.1 = v,
                _ => {}
            },
            "cores" => id.cores = value.trim().parse().unwrap_or(0),
            "addr" => id.addresses.extend(address(value)),
            _ => id.macs.extend(mac(key, value)),
        }
    }
    // "CentOS Linux release 7.8.2003 (Core)" says more than os-release's "CentOS Linux 7".
    let fallback = format!("{} {}", name_version.0, name_version.1).trim().to_owned();
    id.os = release.or(pretty).unwrap_or(fallback);
    (id, fstab)
}

fn address(line: &str) -> Option<String> {
    let words: Vec<&str> = line.split_whitespace().collect();
    let interface = words.get(1)?.trim_end_matches(':');
    let at = words.iter().position(|w| *w == "inet" || *w == "inet6")?;
    let address = words.get(at + 1)?.split('/').next()?;
    (!inner(interface) && !address.starts_with("fe80:") && !address.starts_with("127.")).then(|| address.to_owned())
}

fn mac(key: &str, value: &str) -> Option<String> {
    let interface = key.strip_prefix("/sys/class/net/")?.strip_suffix("/address")?;
    let mac = value.trim().to_ascii_lowercase();
    (!inner(interface) && mac.len() == 17 && mac != "00:00:00:00:00:00").then_some(mac)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_proves_nothing_is_left_out() {
        let text = "/proc/sys/kernel/hostname:k8s-m-1\n/proc/sys/kernel/osrelease:3.10.0-1127.el7.x86_64\n/etc/machine-id:3d1219c7c4c5404aaa1f6d2a48adfda4
/sys/class/net/eth0/address:52:54:00:AA:BB:01\n/sys/class/net/docker0/address:02:42:00:00:00:01\n/sys/class/net/lo/address:00:00:00:00:00:00
/etc/os-release:NAME=\"CentOS Linux\"\n/etc/os-release:PRETTY_NAME=\"CentOS Linux 7 (Core)\"\n/etc/redhat-release:CentOS Linux release 7.8.2003 (Core)
/etc/fstab:/dev/sda1 / xfs defaults 0 0\ncores:4
addr:1: lo    inet 127.0.0.1/8 scope host lo\\ x\naddr:2: eth0    inet 10.0.0.11/24 brd 10.0.0.255 scope global eth0
addr:2: eth0    inet6 fe80::1/64 scope link\naddr:3: docker0    inet 172.17.0.1/16 scope global docker0";
        let (id, fstab) = parse(&text.lines().map(str::to_owned).collect::<Vec<_>>());
        assert_eq!((id.hostname.as_str(), id.cores, id.os.as_str()), ("k8s-m-1", 4, "CentOS Linux release 7.8.2003 (Core)"));
        assert_eq!((id.macs, id.addresses), (vec!["52:54:00:aa:bb:01".to_owned()], vec!["10.0.0.11".to_owned()]));
        assert_eq!(id.machine_id, Some(Uid::parse("3d1219c7-c4c5-404a-aa1f-6d2a48adfda4")));
        assert_eq!((id.product_uuid, fstab.len()), (None, 1));
    }
}
