//! The integration tests: one binary, real parts, a table at the end of what was shown and what was not.
#![allow(
    clippy::pedantic,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::disallowed_methods,
    unreachable_pub,
    reason = "tests"
)]

mod cockpit;
mod components;
mod conformance;
mod demo;
mod demo_play;
mod docker;
mod elasticsearch;
mod faults;
mod host;
mod kube;
mod kube_loss;
mod lab_middleware;
mod lab_mysql;
mod lab_ssh;
mod libvirt;
mod logs;
mod logs_kube;
mod logview;
mod mysql;
mod mysql9;
mod nacos;
mod playbook;
mod playbook_actions;
mod playbook_ik;
mod playbook_kube;
mod playbook_kubeadm;
mod playbook_mysql;
mod playbook_nodes;
mod playbook_real;
mod polling;
mod rabbitmq;
mod redis;
mod replication;
mod rig;
mod runtimes;
mod ssh;
mod via;
mod ware;

use std::process::ExitCode;

use libtest_mimic::{Arguments, Trial};

fn main() -> ExitCode {
    let args = Arguments::from_args();
    let _ = rustls::crypto::ring::default_provider().install_default();
    let trials: Vec<Trial> = [
        kube::tests(),
        demo::tests(),
        demo_play::tests(),
        conformance::tests(),
        lab_ssh::tests(),
        lab_middleware::tests(),
        lab_mysql::tests(),
        kube_loss::tests(),
        cockpit::tests(),
        docker::tests(),
        runtimes::tests(),
        host::tests(),
        libvirt::tests(),
        logs::tests(),
        logs_kube::tests(),
        logview::tests(),
        ssh::tests(),
        mysql::tests(),
        mysql9::tests(),
        playbook::tests(),
        playbook_actions::tests(),
        playbook_ik::tests(),
        playbook_kube::tests(),
        playbook_nodes::tests(),
        playbook_kubeadm::tests(),
        playbook_mysql::tests(),
        playbook_real::tests(),
        faults::tests(),
        rabbitmq::tests(),
        redis::tests(),
        replication::tests(),
        elasticsearch::tests(),
        nacos::tests(),
        polling::tests(),
        via::tests(),
        ware::tests(),
    ]
    .into_iter()
    .flatten()
    .collect();
    let listing = args.list;
    let conclusion = libtest_mimic::run(&args, trials);
    if !listing {
        components::report();
    }
    conclusion.exit_code()
}
