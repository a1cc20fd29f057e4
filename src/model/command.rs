//! The names that keys bind to. One table: it feeds the key map, the footer, the help and the `:` line.

macro_rules! commands {
    ($($variant:ident $name:literal,)*) => {
        /// A command a person can give, by key or by name.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum Command { $($variant,)* }

        impl Command {
            pub const ALL: &[Self] = &[$(Self::$variant,)*];

            /// The name in a key map; the words for it are `[command]` in `locales/*.toml`.
            pub fn name(self) -> &'static str {
                match self { $(Self::$variant => $name,)* }
            }

            pub fn from_name(name: &str) -> Option<Self> {
                match name { $($name => Some(Self::$variant),)* _ => None }
            }
        }
    };
}

commands! {
    Up "up", Down "down", Top "top", Bottom "bottom", PageUp "page-up", PageDown "page-down",
    HalfUp "half-page-up", HalfDown "half-page-down", Left "left", Right "right",
    NextPane "next-pane", PreviousPane "previous-pane",
    Pane1 "pane-1", Pane2 "pane-2", Pane3 "pane-3", Pane4 "pane-4", Pane5 "pane-5", Problems "problems",
    Zoom "zoom", Grow "grow", Shrink "shrink", Dock "dock",
    Enter "enter", Back "back", Relatives "relatives",
    Filter "filter", FilterAll "filter-all", NextMatch "next-match", PreviousMatch "previous-match",
    Sort "sort", SortReverse "sort-reverse", Columns "columns", Mark "mark", ClearMarks "clear-marks", Freeze "freeze",
    Logs "logs", PreviousLogs "previous-logs", AddLogs "add-logs", Follow "follow", Wrap "wrap", Times "times", Form "form",
    LogFilter "log-filter", LineStart "line-start", LineEnd "line-end", Select "select", NextMark "next-mark", PreviousMark "previous-mark",
    Yaml "yaml", Describe "describe", Events "events", Containers "containers", Workloads "workloads",
    Copy "copy", CopyRow "copy-row", Save "save", Pager "pager", Retry "retry", Login "login",
    CommandLine "command-line", Help "help", Sources "sources", Playbooks "playbooks", PlaybookRun "playbook-run", Mouse "mouse", Theme "theme", Redraw "redraw", Suspend "suspend", Quit "quit", NextHint "next-hint",
}

/// A command for the `:` line that whoever started the cockpit adds: its name, and what may follow it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verb {
    pub name: String,
    pub choices: Vec<String>,
}
