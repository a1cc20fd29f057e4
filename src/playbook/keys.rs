//! The keys that exist, level by level. The reader knows no others, and the schema for editors is made of the same tables.

/// A key, what stands under it, and what it is for.
#[derive(Clone, Copy, Debug)]
pub struct Key {
    pub name: &'static str,
    pub shape: Shape,
    pub about: &'static str,
}

/// What may stand under a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    Text,
    /// A text with templates in it.
    Template,
    Switch,
    /// A number, or a template that gives one.
    Number,
    /// Seconds, or `500ms`, `30s`, `2m`, `1h`.
    Duration,
    /// A condition or a list of them, without braces.
    Conditions,
    Words,
    /// Names to values.
    Vars,
    Anything,
    /// A list, or a template that gives one.
    Items,
    Hosts,
    Proven,
    Prompts,
    PromptKind,
    Tasks,
    Hints,
    LoopControl,
    Probes,
    Undo,
    Confirm,
    Danger,
}

const fn key(name: &'static str, shape: Shape, about: &'static str) -> Key {
    Key { name, shape, about }
}

pub const PLAY: &[Key] = &[
    key("name", Shape::Text, "What it does, in one line."),
    key("owner", Shape::Text, "Who answers for it."),
    key("when_to_use", Shape::Text, "When to use it, and when not."),
    key("explain", Shape::Text, "What it does to whom, and why in this order."),
    key("proven", Shape::Proven, "`run`: shown against the real thing; `experimental`: not; or one of both for `host`, `container` and `pod`."),
    key("requires", Shape::Words, "What must be there: `ssh`, `kubernetes`, `mysql>=5.7`, a program."),
    key("hosts", Shape::Hosts, "Hosts and groups of the configuration, with `*`, `!` and `&`; `localhost` is this machine."),
    key("vars", Shape::Vars, "Values by name; they may use each other."),
    key("vars_prompt", Shape::Prompts, "What is asked before the run."),
    key("environment", Shape::Vars, "Environment of every command."),
    key("any_errors_fatal", Shape::Switch, "All or none: where one target is lost at a step, nobody goes on behind it."),
    key("become", Shape::Switch, "Use the rights of `become_user` at the target."),
    key("become_user", Shape::Template, "Whose rights; root where it is not said."),
    key("hints", Shape::Hints, "What messages mean and what helps, for every step."),
    key("outputs", Shape::Vars, "What the run leaves behind for its reader, by name."),
    key("tasks", Shape::Tasks, "The steps."),
];

pub const PROMPT: &[Key] = &[
    key("name", Shape::Text, "The name that templates use."),
    key("prompt", Shape::Template, "The question."),
    key("explain", Shape::Text, "What the answer is for."),
    key("private", Shape::Switch, "A secret: typed unseen, never shown, in no journal."),
    key("confirm", Shape::Switch, "Typed twice."),
    key("default", Shape::Anything, "The answer where none is given."),
    key("values", Shape::Items, "The answers that are allowed."),
    key("regex", Shape::Text, "A pattern that the whole answer must match."),
    key("type", Shape::PromptKind, "What the answer becomes."),
    key("when", Shape::Conditions, "Asked only where this holds."),
];

pub const TASK: &[Key] = &[
    key("name", Shape::Text, "What the step does."),
    key("explain", Shape::Text, "Why, for whoever reads it for the first time."),
    key("when", Shape::Conditions, "Runs only where this holds."),
    key("register", Shape::Text, "The name under which later steps find what it said."),
    key("loop", Shape::Items, "Once for each of these; the item is `item`."),
    key("loop_control", Shape::LoopControl, "Another name for the item."),
    key("until", Shape::Conditions, "Tried again until this holds, over what the step registers."),
    key("retries", Shape::Number, "How often it is tried again; 3 where only `until` is there."),
    key("delay", Shape::Number, "Seconds between two tries; 5 where it is not said."),
    key("timeout", Shape::Duration, "The longest that one try may take; 5 minutes where it is not said."),
    key("changed_when", Shape::Conditions, "Whether it changed something; `false` for a step that only looks."),
    key("failed_when", Shape::Conditions, "Whether it failed."),
    key("ignore_errors", Shape::Switch, "A failure does not stop the target."),
    key("any_errors_fatal", Shape::Switch, "Where one target is lost here, nobody goes on."),
    key("delegate_to", Shape::Template, "Happens on this host instead."),
    key("run_once", Shape::Switch, "For the first target only; all know what it registered."),
    key("become", Shape::Switch, "Use the rights of `become_user`."),
    key("become_user", Shape::Template, "Whose rights; root where it is not said."),
    key("environment", Shape::Vars, "Environment of its command."),
    key("vars", Shape::Vars, "Values for this step alone."),
    key("no_log", Shape::Switch, "Nothing of it is shown or written down but how it ended."),
    key("tags", Shape::Words, "For --tags and --skip-tags; `always` and `never` as in Ansible."),
    key("check_mode", Shape::Switch, "`false`: it only looks, and so runs in a plan too."),
    key("check", Shape::Probes, "Already done? A look at the world; what is done is not done again."),
    key("verify", Shape::Probes, "Did it work? A look by another way than the step's own."),
    key("undo", Shape::Undo, "What takes it back: an action, a list of them, or `none` with the reason."),
    key("confirm", Shape::Confirm, "`true`: asks first; a text: asks for this text."),
    key("danger", Shape::Danger, "`none`, `disruptive` (somebody may notice) or `destructive` (data is gone)."),
    key("hints", Shape::Hints, "What its messages mean and what helps."),
    key("lint", Shape::Words, "Rules of the lint that do not hold here; a comment says why."),
];

/// A block has these; what a block says, its steps inherit.
pub const BLOCK: &[Key] = &[
    key("name", Shape::Text, "What the steps are for."),
    key("block", Shape::Tasks, "The steps."),
    key("rescue", Shape::Tasks, "For the targets where one of them failed."),
    key("always", Shape::Tasks, "Afterwards, failed or not."),
    key("when", Shape::Conditions, "Runs only where this holds."),
    key("become", Shape::Switch, "Use the rights of `become_user`."),
    key("become_user", Shape::Template, "Whose rights; root where it is not said."),
    key("environment", Shape::Vars, "Environment of the commands."),
    key("vars", Shape::Vars, "Values for these steps."),
    key("no_log", Shape::Switch, "Nothing of them is shown or written down."),
    key("run_once", Shape::Switch, "For the first target only."),
    key("delegate_to", Shape::Template, "Happen on this host instead."),
    key("tags", Shape::Words, "For --tags and --skip-tags."),
    key("ignore_errors", Shape::Switch, "A failure does not stop the target."),
    key("any_errors_fatal", Shape::Switch, "Where one target is lost in it, nobody goes on."),
];

/// Beside its action, a look has these.
pub const PROBE: &[Key] = &[
    key("when", Shape::Conditions, "Looks only where this holds."),
    key("ok_when", Shape::Conditions, "What `result` must be; without it, success is enough."),
    key("retries", Shape::Number, "How often it looks again."),
    key("delay", Shape::Number, "Seconds between two looks; 2 where it is not said."),
    key("timeout", Shape::Duration, "The longest that one look may take."),
    key("delegate_to", Shape::Template, "Looks from this host."),
    key("become", Shape::Switch, "Use the rights of `become_user`."),
    key("become_user", Shape::Template, "Whose rights; root where it is not said."),
];

pub const HINT: &[Key] = &[
    key("match", Shape::Text, "A pattern over everything that the step said."),
    key("means", Shape::Text, "What the message means."),
    key("fix", Shape::Text, "What helps."),
];

pub const LOOP_CONTROL: &[Key] = &[key("loop_var", Shape::Text, "The name of the item.")];

/// Keys that people know from Ansible and that are not here, with what to do instead.
pub const ELSEWHERE: &[(&str, &str)] = &[
    ("gather_facts", "nothing is gathered; a step with `register` asks for what is needed"),
    ("handlers", "write the step with `when: change.changed` behind the one that it depends on"),
    ("notify", "give the step `register: change`, and the restart `when: change.changed`"),
    ("pre_tasks", "write them first in `tasks`"),
    ("post_tasks", "write them last in `tasks`"),
    ("roles", "use `include_tasks`"),
    ("vars_files", "write `vars`, or give values with -e"),
    ("with_items", "use `loop`"),
    ("async", "use `timeout`"),
    ("poll", "use `timeout`"),
    ("sudo", "use `become`"),
    ("remote_user", "the user stands in the configuration"),
    ("serial", "use --width, or the playbook's order"),
    ("diff", "use --diff"),
    ("args", "write the fields under the action"),
    ("vars_prompts", "write `vars_prompt`"),
];

pub fn names(keys: &'static [Key]) -> impl Iterator<Item = &'static str> + Clone {
    keys.iter().map(|k| k.name)
}
