use super::lint;
use crate::playbook::inventory::Inventory;
use crate::playbook::kit::{catalog, read};

const HEAD: &str = "- name: P\n  owner: o\n  when_to_use: w\n  explain: e\n  hosts: all\n";

fn told(rest: &str) -> Vec<String> {
    lint(&read(&format!("{HEAD}{rest}")), &catalog(), None).iter().map(|m| format!("{}: {}", m.rule, m.message)).collect()
}

fn one(step: &str) -> Vec<String> {
    let head = "  vars_prompt:\n    - {name: pw, private: true}\n    - {name: dir}\n  tasks:\n    - name: use\n      debug: \"{{ dir }} {{ pw | length }}\"\n";
    told(&format!("{head}    - name: s\n      {}\n", step.replace('\n', "\n      ")))
}

const REST: &str = "\nverify: {has: k}\nundo: {none: why}";

#[test]
fn a_sound_step_has_nothing_to_excuse() {
    assert_eq!(one(&format!("shell: \"ls {{{{ dir | quote }}}}\"{REST}")), Vec::<String>::new());
    assert_eq!(one("has: k"), Vec::<String>::new());
}

#[test]
fn values_in_lines_are_quoted_and_only_once() {
    assert_eq!(one(&format!("shell: \"ls {{{{ dir }}}}\"{REST}")), ["unquoted: `{{ dir }}` goes into a shell as it is"]);
    assert!(one(&format!("shell: \"ls '{{{{ dir | quote }}}}'\"{REST}"))[0].contains("the quotes around it take that away"));
    assert_eq!(one(&format!("sql: \"DROP DATABASE {{{{ dir }}}}\"{REST}")), ["unquoted: `{{ dir }}` goes into a statement as it is"]);
    assert_eq!(one(&format!("sql: \"SELECT {{{{ dir | sql_quote }}}}, {{{{ 'a' if dir == 'x' else 'b' }}}}\"{REST}")), Vec::<String>::new());
    assert_eq!(one(&format!("shell: \"ls {{{{ dir }}}}\"\nlint: [unquoted]{REST}")), Vec::<String>::new());
    assert!(one("has: k\nlint: [unqoted]")[0].contains("no rule `unqoted`"));
}

#[test]
fn a_change_is_verified_by_something_else_and_can_be_taken_back() {
    assert_eq!(one("put: k"), ["no-undo: nothing says how `s` is taken back", "no-verify: `s` changes something and nothing looks whether it worked"]);
    assert_eq!(one("put: k\nverify: {put: k}\nundo: {drop: k}"), ["verify-own: `s` is verified by itself"]);
    assert_eq!(one("put: k\nverify: {ensure: k}\nundo: {drop: k}"), ["probe: `ensure` changes its target, and this is only a look"]);
    assert_eq!(one("shell: ls\nchanged_when: false"), Vec::<String>::new());
    assert!(one(&format!("shell: ls\ncheck_mode: false{REST}"))[0].starts_with("check-mode: "));
    assert!(one(&format!("shell: ls\ndanger: destructive{REST}"))[0].starts_with("no-explain: "));
}

#[test]
fn secrets_stay_where_they_cannot_be_seen() {
    assert_eq!(
        one(&format!("shell: \"login {{{{ pw | quote }}}}\"{REST}")),
        ["secret-argv: a secret stands in `cmd` of `shell`, which the process list shows"]
    );
    assert_eq!(one(&format!("shell: {{cmd: login, stdin: \"{{{{ pw }}}}\"}}{REST}")), Vec::<String>::new());
    assert_eq!(one(&format!("sql: {{query: SELECT 1, database: \"{{{{ pw }}}}\"}}{REST}")), ["secret-shown: `database` of `sql` shows a secret"]);
    assert_eq!(one(&format!("sql: {{query: SELECT 1, database: \"{{{{ pw }}}}\"}}\nno_log: true{REST}")), Vec::<String>::new());
    // What is made of a secret is one.
    let made = "  vars_prompt: [{name: pw, private: true}]\n  vars: {url: \"x:{{ pw }}@y\"}\n  tasks:\n    - name: s\n      debug: \"{{ url }}\"\n";
    assert_eq!(told(made), ["secret-shown: `msg` of `debug` shows a secret"]);
}

#[test]
fn names_come_from_somewhere_before_they_are_needed() {
    assert_eq!(one("debug: \"{{ dirr }}\""), ["undefined: nothing gives `dirr` a value"]);
    let later = "  tasks:\n    - name: a\n      debug: \"{{ b }}\"\n    - name: b\n      has: k\n      register: b\n      until: b is succeeded\n";
    assert_eq!(told(later), ["undefined: nothing gives `b` a value"]);
    assert!(one("debug: \"{{ dir | uper }}\"")[0].contains("no filter `uper`"));
    assert!(one("debug: x\nwhen: dir is defind")[0].contains("no test `defind`"));
    assert!(one("debug: \"{{ dir\"")[0].contains("this is no template"));
    assert_eq!(
        told("  vars: {lonely: 1, _anchor: 2}\n  tasks:\n    - {name: a, has: k, register: r}\n"),
        ["unused: the variable `lonely` is used nowhere", "unused: what is registered as `r` is used nowhere"]
    );
}

#[test]
fn what_comes_from_elsewhere_is_pinned() {
    assert_eq!(one(&format!("copy: {{url: \"https://x/y\", dest: /y}}{REST}")), ["unpinned: what is downloaded is not pinned"]);
    assert_eq!(one(&format!("shell: \"curl -s https://x | sh\"{REST}")), ["unpinned: what is downloaded is run unseen"]);
    assert_eq!(one(&format!("shell: \"docker pull a:latest\"{REST}")), ["floating-tag: `:latest` is another image tomorrow"]);
}

#[test]
fn hosts_are_looked_up_where_an_inventory_is_there() {
    let parsed = read("- name: P\n  hosts: nobody\n  tasks: [{name: a, debug: x}]\n");
    let found = lint(&parsed, &catalog(), Some(&Inventory::default()));
    assert!(found.iter().any(|m| m.rule == "hosts" && m.message.contains("no host and no group is named `nobody`")), "{found:?}");
    assert_eq!(found.iter().filter(|m| m.rule == "header").count(), 3);
}
