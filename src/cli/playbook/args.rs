//! `quarterdeck playbook ...`.

use std::path::PathBuf;

use clap::{Args, Subcommand};

const RUN_HELP: &str = "First the plan is made: every step, for every target, with what a look found. Nothing is changed by that.
Then each step is asked about: y yes, n no (stop here), c go on without asking, s skip it. --yes does not ask, except before
destructive steps: those want their phrase typed.

Examples:
  quarterdeck playbook run check.yaml --check --diff
  quarterdeck --write playbook run mysql-replication -e servers=db-1,db-2 -e source_host=db-1
  quarterdeck --write playbook run node-prepare --yes --tags kernel

A secret does not belong on a command line: without a terminal, QUARTERDECK_VAR_<name> in the environment answers the question
of that name.

Exit codes:
  0 all is well, 1 it could not begin, 2 a step failed, 4 a target could not be reached, 99 it was stopped and can be resumed";

#[derive(Clone, Debug, Subcommand)]
pub enum PlaybookCommand {
    /// List the playbooks: those of this program, and those in the folder `playbooks` beside the configuration
    #[command(after_help = "Example:\n  quarterdeck playbook list --json | jq -r '.[].name'")]
    List {
        /// JSON instead of text
        #[arg(long)]
        json: bool,
    },
    /// Tell what a playbook is for, what it asks and what it does, step by step
    #[command(after_help = "Example:\n  quarterdeck playbook show mysql-replication")]
    Show {
        /// A file, or the name of a playbook
        #[arg(value_name = "PLAYBOOK")]
        playbook: String,
    },
    /// Tell every mistake of playbooks with line, column and a way out
    #[command(
        after_help = "Examples:\n  quarterdeck playbook lint my.yaml\n  quarterdeck playbook lint        those of this program\n\nExit codes: 0 when there is no error (warnings allowed), 1 otherwise"
    )]
    Lint {
        /// Files or names; without one, all that are carried in this program
        #[arg(value_name = "PLAYBOOK")]
        playbooks: Vec<String>,
    },
    /// Print the JSON schema of playbooks, for editors
    #[command(after_help = "Example:\n  quarterdeck playbook schema > schema.json\n\nIn a playbook: # yaml-language-server: $schema=schema.json")]
    Schema,
    /// Carry a playbook out, step by step
    #[command(after_help = RUN_HELP)]
    Run(Run),
    /// Go on with a run that failed, was stopped or was killed
    #[command(
        after_help = "What succeeded is looked at again and not repeated; what was in flight is looked at before it is tried once more.\n\nExamples:\n  quarterdeck --write playbook resume last\n  quarterdeck --write playbook resume 20261121-021407-mysql --yes\n\nExit codes: as for run"
    )]
    Resume(Resume),
    /// Take back what a run did, the last step first
    #[command(after_help = "Example:\n  quarterdeck --write playbook undo last\n\nExit codes: as for run")]
    Undo(Resume),
    /// List the runs of this machine, or tell one
    #[command(after_help = "Examples:\n  quarterdeck playbook runs\n  quarterdeck playbook runs last --json")]
    Runs {
        /// This one's steps; `last` is the newest
        #[arg(value_name = "RUN")]
        run: Option<String>,
        /// JSON instead of text
        #[arg(long)]
        json: bool,
    },
    /// Write a run down for people: Markdown, or the shell script that it amounts to
    #[command(after_help = "Examples:\n  quarterdeck playbook export last > record.md\n  quarterdeck playbook export last --script > steps.sh")]
    Export {
        #[arg(value_name = "RUN")]
        run: String,
        /// The equivalent shell script instead
        #[arg(long)]
        script: bool,
    },
    /// Download everything that a playbook needs, for a network without one
    #[command(
        after_help = "Every file is pinned by its SHA-256.\n\nExample:\n  quarterdeck playbook fetch kuboard.yaml --output bundle\n  quarterdeck --write playbook run kuboard.yaml -e source=bundle"
    )]
    Fetch {
        #[arg(value_name = "PLAYBOOK")]
        playbook: String,
        /// The folder to fill
        #[arg(long, value_name = "DIR")]
        output: PathBuf,
        /// Values that the addresses need
        #[arg(short = 'e', long = "extra-vars", value_name = "KEY=VALUE")]
        vars: Vec<String>,
    },
}

#[derive(Clone, Debug, Args)]
pub struct Pace {
    /// Do not ask, except before destructive steps
    #[arg(long, short = 'y', conflicts_with = "step")]
    pub yes: bool,
    /// Ask before every step; this is the default
    #[arg(long)]
    pub step: bool,
    /// Targets at once
    #[arg(long, short = 'f', value_name = "N", default_value_t = 20, value_parser = clap::value_parser!(u16).range(1..=500))]
    pub forks: u16,
    /// One JSON object a line instead of text
    #[arg(long)]
    pub json: bool,
}

#[derive(Clone, Debug, Args)]
pub struct Run {
    /// A file, or the name of a playbook
    #[arg(value_name = "PLAYBOOK")]
    pub playbook: String,
    /// A value: KEY=VALUE, a JSON object, or @FILE with YAML; may be given again
    #[arg(short = 'e', long = "extra-vars", value_name = "KEY=VALUE")]
    pub vars: Vec<String>,
    /// Look only: tell what would be done
    #[arg(long, short = 'C')]
    pub check: bool,
    /// Show what would become different
    #[arg(long, short = 'D')]
    pub diff: bool,
    /// Only these targets: names, groups, patterns
    #[arg(long, short = 'l', value_name = "PATTERN")]
    pub limit: Option<String>,
    /// Only steps with these tags
    #[arg(long, short = 't', value_name = "TAGS", value_delimiter = ',')]
    pub tags: Vec<String>,
    /// Not the steps with these tags
    #[arg(long, value_name = "TAGS", value_delimiter = ',')]
    pub skip_tags: Vec<String>,
    /// Begin with the step of this name
    #[arg(long, value_name = "NAME")]
    pub start_at_task: Option<String>,
    #[command(flatten)]
    pub pace: Pace,
}

#[derive(Clone, Debug, Args)]
pub struct Resume {
    /// Its name, the begin of it, or `last`
    #[arg(value_name = "RUN")]
    pub run: String,
    /// Only these targets
    #[arg(long, short = 'l', value_name = "PATTERN")]
    pub limit: Option<String>,
    /// Go on although the playbook has changed since
    #[arg(long)]
    pub changed: bool,
    /// Other values than those of the run
    #[arg(short = 'e', long = "extra-vars", value_name = "KEY=VALUE")]
    pub vars: Vec<String>,
    #[command(flatten)]
    pub pace: Pace,
}
