use std::time::Duration;

use serde_json::{Value, json};

use super::kind::{self, KindId};
use super::objects::key;
use super::pod::State;
use super::{Ail, Orphans};
use crate::base::clock::Moment;
use crate::lab::world::machine::Reach;
use crate::lab::world::scenario::Scenario;
use crate::lab::world::{Size, World};

const BEGAN: Moment = Moment(1_795_000_000_000);

fn world() -> World {
    World::new(7, Size::default(), BEGAN, Scenario::named("calm").unwrap())
}

fn later(world: &mut World, seconds: u64) {
    let now = world.now.plus(Duration::from_secs(seconds));
    world.advance(now);
}

fn read(world: &World, kind: KindId, namespace: &str, name: &str) -> Value {
    world.kube.objects.get(kind, namespace, name).map(|o| o.value()).unwrap_or_default()
}

fn ready(world: &World, root: &str) -> usize {
    world.kube.pods_of(&root.into()).iter().filter(|k| world.kube.pods[*k].is_ready()).count()
}

#[test]
fn everything_runs_when_the_world_begins() {
    let mut world = world();
    later(&mut world, 10);
    assert_eq!(world.kube.nodes.len(), 12);
    assert!((120..260).contains(&world.kube.pods.len()), "{}", world.kube.pods.len());
    let waiting: Vec<_> = world.kube.pods.values().filter(|p| !p.is_ready()).map(|p| (&p.key, &p.state)).collect();
    assert!(waiting.is_empty(), "{waiting:?}");
    let order = read(&world, kind::DEPLOYMENTS, "pro", "mall-order");
    assert_eq!(order["status"]["availableReplicas"], 3, "{order}");
    assert_eq!(world.kube.pods[&key("pro", "redis-0")].ip, "10.244.4.10");
    let endpoints = read(&world, kind::ENDPOINTS, "pro", "mall-order");
    assert_eq!(endpoints["subsets"][0]["addresses"].as_array().map(Vec::len), Some(3), "{endpoints}");
    assert!(world.nacos.services.iter().all(|s| !s.instances.is_empty()));
}

#[test]
fn a_deployment_that_is_applied_gets_pods_that_come_up() {
    let mut world = world();
    let labels = json!({ "k8s.kuboard.cn/name": "kuboard" });
    let object = json!({
        "metadata": { "name": "kuboard", "namespace": "kube-system" },
        "spec": { "replicas": 1, "selector": { "matchLabels": labels }, "template": { "metadata": { "labels": labels },
            "spec": { "containers": [{ "name": "kuboard", "image": "eipwork/kuboard:latest" }] } } },
    });
    world.kube.write(kind::DEPLOYMENTS, object);
    later(&mut world, 30);
    assert_eq!(ready(&world, "Deployment/kube-system/kuboard"), 1);
    let mut deployment = read(&world, kind::DEPLOYMENTS, "kube-system", "kuboard");
    assert_eq!(deployment["status"]["readyReplicas"], 1, "{deployment}");
    // A new image replaces the pod, scaling adds to it.
    let old = world.kube.pods_of(&"Deployment/kube-system/kuboard".into());
    deployment["spec"]["template"]["spec"]["containers"][0]["image"] = "eipwork/kuboard:v2".into();
    deployment["spec"]["replicas"] = 2.into();
    world.kube.write(kind::DEPLOYMENTS, deployment);
    later(&mut world, 60);
    let new = world.kube.pods_of(&"Deployment/kube-system/kuboard".into());
    assert!(new.len() == 2 && new.iter().all(|k| !old.contains(k)), "{new:?}");
    assert_eq!(read(&world, kind::DEPLOYMENTS, "kube-system", "kuboard")["status"]["updatedReplicas"], 2);
    world.kube.remove(kind::DEPLOYMENTS, "kube-system", "kuboard", None, Orphans::Go);
    later(&mut world, 30);
    assert!(world.kube.pods_of(&"Deployment/kube-system/kuboard".into()).is_empty());
    assert!(world.kube.objects.list(kind::REPLICA_SETS, Some("kube-system")).iter().all(|o| !o.key.1.starts_with("kuboard-")));
}

#[test]
fn a_pod_that_is_deleted_is_replaced_and_one_that_crashes_is_started_later_and_later() {
    let mut world = world();
    let all = world.kube.pods_of(&"Deployment/pro/mall-cart".into());
    world.kube.remove(kind::PODS, "pro", &all[0].1, None, Orphans::Go);
    later(&mut world, 30);
    let now = world.kube.pods_of(&"Deployment/pro/mall-cart".into());
    assert!(now.len() == 2 && !now.contains(&all[0]) && ready(&world, "Deployment/pro/mall-cart") == 2);
    world.kube.ail("pro/mall-cart", Some(Ail::Crash { code: 1, after: 5.0, reason: None, log: vec!["no such table".into()], new_only: false }));
    later(&mut world, 200);
    let pod = &world.kube.pods[&now[0]];
    assert!((3..7).contains(&pod.restarts), "{}", pod.restarts);
    assert!(pod.last.as_ref().is_some_and(|l| l.code == 1));
    world.kube.ail("pro/mall-cart", None);
    later(&mut world, 320);
    assert_eq!(ready(&world, "Deployment/pro/mall-cart"), 2);
}

#[test]
fn a_lost_node_is_unknown_then_its_pods_are_started_elsewhere() {
    let mut world = world();
    let on = |world: &World, node: &str| world.kube.pods.values().filter(|p| p.node.as_deref() == Some(node) && p.root.starts_with("Deployment/")).count();
    assert!(on(&world, "k8s-w-3") > 0);
    world.machine("k8s-w-3").unwrap().reach = Reach::Silent;
    later(&mut world, 30);
    assert!(!world.kube.nodes["k8s-w-3"].is_unknown);
    later(&mut world, 20);
    assert!(world.kube.nodes["k8s-w-3"].is_unknown);
    later(&mut world, 330);
    let terminating = world.kube.pods.values().filter(|p| p.deleting.is_some()).count();
    assert!(terminating > 0, "they cannot end");
    let waiting: Vec<_> = world
        .kube
        .workloads
        .values()
        .filter(|w| w.kind == kind::DEPLOYMENTS)
        .filter(|w| ready(&world, &w.root) < w.replicas as usize)
        .map(|w| &w.root)
        .collect();
    assert!(waiting.is_empty(), "{waiting:?}");
    world.machine("k8s-w-3").unwrap().reach = Reach::Up;
    later(&mut world, 60);
    assert!(!world.kube.nodes["k8s-w-3"].is_unknown && world.kube.pods.values().all(|p| p.deleting.is_none()));
}

#[test]
fn jobs_end_and_registries_fail() {
    let mut world = world();
    later(&mut world, 1300);
    let jobs = world.kube.objects.list(kind::JOBS, Some("pro"));
    assert!(!jobs.is_empty() && jobs.iter().any(|j| j.value()["status"]["succeeded"] == 1));
    world.kube.registry = Some("Get https://harbor.mall.lan/v2/: dial tcp 10.20.0.14:443: connect: connection refused".into());
    let pod = world.kube.pods_of(&"Deployment/pro/mall-auth".into())[0].clone();
    world.kube.remove(kind::PODS, "pro", &pod.1, None, Orphans::Go);
    later(&mut world, 60);
    let stuck = world.kube.pods.values().find(|p| matches!(p.state, State::NoImage(_)));
    assert!(stuck.is_some_and(|p| p.root.ends_with("mall-auth")));
}

#[test]
fn a_big_cluster_is_made_in_a_moment() {
    let size = Size { nodes: 100, pods: 2000 };
    let world = World::new(1, size, BEGAN, Scenario::named("calm").unwrap());
    assert_eq!((world.kube.nodes.len(), world.kube.pods.len()), (100, 2000));
}
