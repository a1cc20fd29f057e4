//! Playbooks, pure: the format, its lint, templates, the plan, the state machine of a run and the records of its journal.
