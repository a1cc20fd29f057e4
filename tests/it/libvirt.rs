//! Guests, as a real libvirtd and its test driver show them.

use std::sync::Arc;
use std::time::Duration;

use libtest_mimic::Trial;
use quarterdeck::action::host_inspect::HostInspect;
use quarterdeck::base::clock::Moment;
use quarterdeck::link::shell::{LocalShell, Shell};
use quarterdeck::model::effect::Inspection;
use quarterdeck::model::fact::Row;
use quarterdeck::model::host::SYSTEM_LIBVIRT;
use quarterdeck::model::limits::Limits;
use quarterdeck::model::verdict::Verdict;
use quarterdeck::model::vm::{Vm, VmState};
use quarterdeck::port::{Inspect, Inspected};
use quarterdeck::source::host::HostSource;

use crate::components::{case, said};
use crate::rig::block;
use crate::rig::libvirt::Libvirt;
use crate::rig::watch::Watch;

pub fn tests() -> Vec<Trial> {
    vec![
        case("libvirt::the_test_driver", &["libvirt"], test_driver),
        case("libvirt::a_real_guest_through_its_life", &["libvirt"], life),
        case("libvirt::a_frozen_libvirtd_stops_nothing_else", &["libvirt"], frozen),
    ]
}

fn source(shell: Arc<dyn Shell>, uri: &str) -> HostSource {
    HostSource::new("kvm-1".into(), "10.0.0.1".into(), Vec::new(), Duration::from_secs(1), shell).libvirt(uri)
}

fn verdict(vm: &Vm) -> (Verdict, Option<&'static str>) {
    let j = vm.judge(Moment::default(), &Limits::default());
    (j.verdict, j.reasons.first().map(|r| r.code))
}

fn test_driver() {
    let heard = Watch::start(source(Arc::new(LocalShell), "test:///default")).complete();
    let vm = &heard.vms["test"];
    assert_eq!((vm.state, vm.uuid.to_string().as_str()), (VmState::Running, "6695eb01-f6a4-8304-79aa-97f2502e193f"));
    assert_eq!(vm.macs, ["aa:bb:cc:dd:ee:ff"]);
    assert_eq!((vm.steal_percent, vm.cpu_percent), (None, None), "what the driver does not tell is unknown, not 0");
    let hypervisor = heard.host.expect("host").hypervisor.expect("hypervisor");
    assert_eq!(hypervisor.uri, "test:///default");
    assert_eq!(hypervisor.pools.iter().map(|p| (p.name.as_str(), p.capacity_bytes >> 30)).collect::<Vec<_>>(), [("default-pool", 100)]);
}

const NAME: &str = "订单 一号";

fn life() {
    let libvirt = Libvirt::start();
    let watch = Watch::start(source(libvirt.shell(), SYSTEM_LIBVIRT));
    let empty = watch.complete();
    assert!(empty.vms.is_empty(), "the system's list is empty");
    assert_eq!(empty.host.expect("host").hypervisor.expect("hypervisor").uri, "qemu:///system");
    said(
        "libvirt",
        libvirt.virsh("version").lines().filter(|l| l.starts_with("Using library") || l.starts_with("Running")).collect::<Vec<_>>().join(", ").as_str(),
    );

    libvirt.define(NAME, "0a1b2c3d-1111-2222-3333-444455556666", "52:54:00:aa:bb:01");
    libvirt.define("7", "1a1b2c3d-1111-2222-3333-444455556666", "52:54:00:aa:bb:02");
    libvirt.virsh("autostart 7");
    libvirt.virsh(&format!("start '{NAME}'"));
    let wait = |what: &str, probe: &dyn Fn(&Vm) -> bool| watch.until(what, Duration::from_secs(20), |h| h.vms.get(NAME).filter(|v| probe(v)).cloned());
    let running =
        wait("it runs and its rates are there", &|v| v.state == VmState::Running && v.steal_percent.is_some() && v.cpu_percent.is_some() && !v.macs.is_empty());
    assert_eq!((running.vcpus, running.memory_max_bytes >> 20, running.macs.as_slice()), (2, 32, ["52:54:00:aa:bb:01".to_owned()].as_slice()));
    assert!(running.memory_used_bytes.is_some_and(|m| m > 0));
    assert_eq!((running.disks[0].target.as_str(), running.disks[0].capacity_bytes), ("vda", 16 << 20));
    assert!(running.disks[0].path.ends_with("disk of 订单 一号.img"), "{}", running.disks[0].path);
    let off = watch.heard().vms["7"].clone();
    assert_eq!((off.state, off.autostart, off.cpu_percent, verdict(&off)), (VmState::ShutOff, true, None, (Verdict::Warn, Some("vm.off.autostart"))));
    assert_eq!(watch.heard().host.expect("host").hypervisor.expect("hypervisor").vcpus, 2, "what is off takes no vCPU");

    libvirt.virsh(&format!("suspend '{NAME}'"));
    let paused = wait("it is paused", &|v| v.state == VmState::Paused);
    assert_eq!((paused.state_reason.as_str(), verdict(&paused)), ("user", (Verdict::Warn, Some("vm.paused"))));
    libvirt.virsh(&format!("resume '{NAME}'"));
    wait("it runs again", &|v| v.state == VmState::Running && v.state_reason == "unpaused");

    documents(&libvirt);

    libvirt.kill_guest(NAME);
    let crashed = wait("its qemu was killed", &|v| v.state == VmState::ShutOff);
    assert_eq!((crashed.state_reason.as_str(), verdict(&crashed)), ("crashed", (Verdict::Crit, Some("vm.off.crashed"))));
    libvirt.virsh(&format!("start '{NAME}'"));
    let again = wait("it was started again", &|v| v.state == VmState::Running);
    assert!(again.cpu_percent.is_none_or(|c| c >= 0.0));
    libvirt.virsh(&format!("destroy '{NAME}'"));
    libvirt.virsh(&format!("undefine '{NAME}'"));
    watch.until("its row goes", Duration::from_secs(10), |h| (!h.vms.contains_key(NAME) && h.vms.contains_key("7")).then_some(()));
    watch.stop();

    // Without rights there is a refusal, not an empty list.
    let refused = Watch::start(source(libvirt.nobody(), SYSTEM_LIBVIRT)).complete();
    let no_right = refused.denied.iter().find(|d| &*d.fact == "virsh").unwrap_or_else(|| panic!("{refused:#?}"));
    assert!(no_right.need.contains("group libvirt"), "{no_right:?}");
    assert!(refused.host.expect("host").hypervisor.is_none());
}

fn documents(libvirt: &Libvirt) {
    let shell = libvirt.shell();
    let inspect = HostInspect::new(Arc::new(move |host| (&**host == "kvm-1").then(|| shell.clone())));
    let look =
        |host: &str, name: &str, what| block(inspect.inspect(Inspected::Vm { host: host.into(), name: name.into() }, what).expect("a guest is known here"));
    let xml = look("kvm-1", NAME, Inspection::Yaml).expect("xml");
    assert_eq!(xml.title, NAME);
    assert!(xml.lines.iter().any(|l| l.contains("<name>订单 一号</name>")), "{:?}", xml.lines);
    // "7" is a name here; virsh would take it for an id.
    let by_name = look("kvm-1", "7", Inspection::Yaml).expect("xml");
    assert!(by_name.lines.iter().any(|l| l.contains("1a1b2c3d-")));
    let told = look("kvm-1", NAME, Inspection::Describe).expect("description").lines.join("\n");
    for part in ["running (unpaused)", "CPU(s):", "vda", "52:54:00:aa:bb:01"] {
        assert!(told.contains(part), "{part} is not in\n{told}");
    }
    assert!(look("kvm-1", "'; touch /tmp/x; '", Inspection::Yaml).expect_err("no such guest").contains("no guest"));
    assert!(look("kvm-9", NAME, Inspection::Yaml).expect_err("no such host").contains("kvm-9"));
}

fn frozen() {
    let libvirt = Libvirt::start();
    libvirt.define(NAME, "0a1b2c3d-1111-2222-3333-444455556666", "52:54:00:aa:bb:01");
    let watch = Watch::start(source(libvirt.shell(), SYSTEM_LIBVIRT));
    watch.complete();
    libvirt.signal("STOP");
    let before = watch.heard().frames;
    watch.until("samples go on beside a libvirtd that does not answer", Duration::from_secs(15), |h| (h.frames >= before + 4).then_some(()));
    assert!(watch.heard().vms.contains_key(NAME), "its guests are not called gone");
    libvirt.signal("CONT");
    libvirt.virsh(&format!("start '{NAME}'"));
    watch.until("it heals by itself", Duration::from_secs(20), |h| h.vms.get(NAME).filter(|v| v.state == VmState::Running).map(|_| ()));
}
