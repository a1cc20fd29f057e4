//! F5: acts on the things that sources show, and what playbooks do. A new kind of step is one new file and one word in the list below.

mod args;
mod deploy;
pub mod download;
mod elements;
pub mod host_inspect;
mod http;
mod kube;
pub mod kube_inspect;
mod more_args;
mod plain;
mod remote;
mod restore;
mod retag;
mod way;

pub use args::words;

use crate::model::catalog::ActionSpec;
use crate::port::action::Action;

macro_rules! actions {
    ($($action:ident)*) => {
        $(mod $action;)*

        /// The step of that name.
        pub fn action(name: &str) -> Option<&'static dyn Action> {
            $(if name == stringify!($action) { return Some(&$action::Step); })*
            None
        }

        /// Every step, for the catalog.
        pub fn specs() -> Vec<ActionSpec> {
            vec![$(*Action::spec(&$action::Step)),*]
        }
    };
}

actions! {
    shell command copy template fetch container_exec sql redis uri amqp k8s_apply k8s_delete k8s_wait kubectl_exec
    service package wait_for assert set_fact debug pause manual include_tasks fail
}

#[cfg(test)]
mod tests {
    #[test]
    fn every_action_is_named_as_its_file() {
        for spec in super::specs() {
            assert!(super::action(spec.name).is_some_and(|a| a.spec().name == spec.name), "{}", spec.name);
        }
    }
}
