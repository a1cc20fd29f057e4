//! The command line.

use std::path::PathBuf;

use clap::{Args as ClapArgs, Parser, Subcommand};
use clap_complete::Shell;

use super::playbook::args::PlaybookCommand;
use crate::lab::world::scenario::Scenario;

const EXAMPLES: &str = "Examples:
  quarterdeck demo                         a whole live cluster to look around in; needs nothing
  quarterdeck                              this machine and the current kube context, or what the configuration names
  quarterdeck --config lab.toml            another configuration
  quarterdeck -n pro --theme paper         one namespace, on a light background
  quarterdeck status                       the whole picture once, for a pipe or a colleague
  quarterdeck status --json | jq .problems
  quarterdeck logs deploy/pro/mall-order --follow      what all its pods say, merged, in a pipe
  quarterdeck config check                 every mistake in the configuration, with line and column

Without a terminal the cockpit prints one status picture and exits with its code.

Exit codes:
  status, and the cockpit without a terminal: 0 ok, 1 warn, 2 crit, 3 unknown
  logs: 0 everything was told, 1 something was refused, unreadable or is missing
  config check: 0 when there is no error (warnings allowed), 1 otherwise
  all: 64 when the command line is wrong, 74 when a file cannot be read or written

Files: `quarterdeck config paths` prints them all.";

/// A terminal cockpit for self-built clusters: hosts, guests, nodes, pods and middleware side by side, live.
#[derive(Clone, Debug, Parser)]
#[command(name = "quarterdeck", version, after_help = EXAMPLES)]
pub struct Args {
    #[command(flatten)]
    pub global: Global,
    /// Without one the cockpit opens
    #[command(subcommand)]
    pub command: Option<Command>,
}

#[derive(Clone, Debug, Default, ClapArgs)]
pub struct Global {
    /// Read this configuration, not the usual one
    #[arg(long, global = true, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Show only the cluster of this name; without a configuration, this context of the kubeconfig
    #[arg(long, global = true, value_name = "NAME")]
    pub context: Option<String>,
    /// Watch only this namespace; may be given again
    #[arg(long, short = 'n', global = true, value_name = "NAME")]
    pub namespace: Vec<String>,
    /// Colours: harbor, paper, high-contrast, mono
    #[arg(long, global = true, value_name = "NAME")]
    pub theme: Option<String>,
    /// Language of the words on the screen
    #[arg(long, global = true, value_name = "LANG", value_parser = ["auto", "en", "zh-CN"])]
    pub lang: Option<String>,
    /// Allow changes; looking only is the default, and an environment that is locked stays locked
    #[arg(long, global = true)]
    pub write: bool,
}

#[derive(Clone, Debug, Subcommand)]
pub enum Command {
    /// Look around in a whole live cluster that runs inside this program: nothing else is needed
    #[command(
        after_help = "Examples:\n  quarterdeck demo\n  quarterdeck demo --scenario node-lost --speed 5\n  quarterdeck demo --print-access > access &  . ./access; export KUBECONFIG; kubectl get pods -A\n\nWithout a terminal: one status picture; exit codes 0 ok, 1 warn, 2 crit, 3 unknown"
    )]
    Demo(Demo),
    /// Print the whole picture once and exit with its verdict
    #[command(after_help = "Exit codes: 0 ok, 1 warn, 2 crit, 3 unknown\n\nExample:\n  quarterdeck status --json --timeout 10 | jq '.problems[].name'")]
    Status {
        /// One JSON object instead of text
        #[arg(long)]
        json: bool,
        /// Seconds to wait for sources that have not answered
        #[arg(long, value_name = "S", default_value_t = 20, value_parser = clap::value_parser!(u64).range(1..=3600))]
        timeout: u64,
    },
    /// Print what a pod, a host, a unit, a container or a group says, live or once
    #[command(after_help = super::logs::HELP)]
    Logs(super::logs::Options),
    /// Carry out steps on hosts, clusters and middleware: shown, checked, verified, journalled
    Playbook {
        #[command(subcommand)]
        command: PlaybookCommand,
    },
    /// Check or show the configuration
    Config {
        #[command(subcommand)]
        command: ConfigCommand,
    },
    /// Write a configuration from ~/.ssh/config, kubeconfigs and Ansible inventories
    #[command(
        after_help = "Examples:\n  quarterdeck init --output -                 print it, write nothing\n  quarterdeck init --inventory hosts.yaml     with the hosts of an Ansible inventory\n  quarterdeck init --probe --output -         also ask every host for its guests\n\nExit codes: 0 written, 1 the file exists and --force was not given"
    )]
    Init(Init),
    /// Print a completion script for a shell
    #[command(after_help = "Example:\n  quarterdeck completions bash > ~/.local/share/bash-completion/completions/quarterdeck")]
    Completions { shell: Shell },
    /// Print a page of the manual
    #[command(after_help = "Examples:\n  quarterdeck man | man -l -\n  quarterdeck man config check | man -l -")]
    Man {
        /// The page of this command, not the first one
        #[arg(value_name = "COMMAND")]
        page: Vec<String>,
    },
}

#[derive(Clone, Debug, ClapArgs)]
pub struct Demo {
    /// What happens in the cluster
    #[arg(long, value_name = "NAME", default_value = "calm", value_parser = clap::builder::PossibleValuesParser::new(Scenario::names()))]
    pub scenario: String,
    /// Let it happen so many times as fast
    #[arg(long, value_name = "N", default_value_t = 1.0, value_parser = speed)]
    pub speed: f64,
    /// The same seed makes the same cluster
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub seed: u64,
    /// Begin as if the scenario had begun so many seconds ago
    #[arg(long, value_name = "S", default_value_t = 0, value_parser = clap::value_parser!(u64).range(0..=86_400))]
    pub ago: u64,
    /// How many nodes
    #[arg(long, value_name = "N", default_value_t = 12, value_parser = clap::value_parser!(u32).range(12..=20_000))]
    pub nodes: u32,
    /// How many pods, at least those of the shop
    #[arg(long, value_name = "N", default_value_t = 0, value_parser = clap::value_parser!(u32).range(0..=500_000))]
    pub pods: u32,
    /// Print what other tools need to reach it, and run until ended
    #[arg(long)]
    pub print_access: bool,
}

fn speed(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(n) if (0.1..=1000.0).contains(&n) => Ok(n),
        _ => Err("a number from 0.1 to 1000".to_owned()),
    }
}

#[derive(Clone, Debug, Default, ClapArgs)]
pub struct Init {
    /// Where to write; `-` prints
    #[arg(long, value_name = "FILE")]
    pub output: Option<PathBuf>,
    /// An Ansible inventory, INI or YAML; may be given again
    #[arg(long, value_name = "FILE")]
    pub inventory: Vec<PathBuf>,
    /// Ask this machine and every host found, through ssh without questions, which KVM guests it has (virsh, read-only);
    /// they become suggestions, commented out
    #[arg(long)]
    pub probe: bool,
    /// Replace a file that exists
    #[arg(long)]
    pub force: bool,
}

#[derive(Clone, Debug, Subcommand)]
pub enum ConfigCommand {
    /// Tell every mistake with its line, its column and a way out
    Check {
        /// Also dial every target and tell what it allows and which right is missing
        #[arg(long)]
        live: bool,
    },
    /// Print what is in effect, patterns expanded, secrets hidden
    Show,
    /// Print every file that is used
    Paths,
}

impl Args {
    /// The definition, for completions and the manual page.
    pub fn definition() -> clap::Command {
        <Self as clap::CommandFactory>::command()
    }
}
