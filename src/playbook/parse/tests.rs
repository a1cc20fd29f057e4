use crate::playbook::kit::read;
use crate::playbook::spec::{Danger, Part, Proven, Undo};

fn told(text: &str) -> Vec<String> {
    read(text).mistakes.iter().map(ToString::to_string).collect()
}

#[test]
fn a_whole_playbook_is_read() {
    let text = r#"
- name: All of it
  hosts: [mysql, "!spare"]
  become: true
  proven: {host: run, pod: experimental}
  requires: ["mysql>=5.7", ssh]
  vars: {port: 3306}
  vars_prompt:
    - {name: pw, private: true, confirm: true}
  tasks:
    - block:
        - name: One
          shell: "true"
          danger: destructive
          undo: {none: it is gone}
        - include_tasks: more.yaml
          tags: inner
      rescue:
        - name: Two
          debug: {msg: "{{ port }} {{ pw | length }}"}
      when: port == 3306
      tags: [outer]
    - name: Three
      template: {src: my.cnf, dest: /etc/my.cnf}
      verify: {shell: "test -e /etc/my.cnf", ok_when: result.rc == 0, retries: 3}
      loop: [1, 2]
      loop_control: {loop_var: id}
      timeout: 2m
"#;
    let parsed = read(text);
    assert_eq!(parsed.mistakes, []);
    let book = parsed.playbook;
    assert_eq!((book.hosts.value.as_str(), book.requires.len(), book.sha256.len()), ("mysql,!spare", 2, 64));
    assert_eq!(Proven::to_string(&book.proven), "host run, pod experimental");
    let names: Vec<_> = book.program.iter().map(|e| (e.task.name.as_str(), e.within.iter().map(|(_, p)| *p).collect::<Vec<_>>())).collect();
    assert_eq!(names, [("One", vec![Part::Block]), ("From a file", vec![Part::Block]), ("Two", vec![Part::Rescue]), ("Three", vec![])]);
    let one = &book.program[0].task;
    assert_eq!((one.danger, one.when.len(), one.tags.join(",")), (Danger::Destructive, 1, "outer".to_owned()));
    assert!(matches!(&one.undo, Undo::None(why) if why == "it is gone"));
    assert_eq!(book.program[1].task.tags, ["outer", "inner"]);
    let three = &book.program[3].task;
    assert_eq!((three.loop_var.as_str(), three.timeout.unwrap().as_secs(), three.verify.len()), ("id", 120, 1));
    assert_eq!(book.texts["my.cnf"], "id = {{ id }}\n");
    // Another text of a file that it names is another playbook.
    let other = super::parse("p.yaml", text, &crate::playbook::kit::catalog(), &|_| Ok("- name: x\n  debug: y\n".to_owned()));
    assert_ne!(other.playbook.sha256, book.sha256);
}

#[test]
fn every_mistake_is_told_with_its_place_and_a_way_out() {
    let text = r#"
- name: Wrong
  host: all
  gather_facts: false
  tasks:
    - name: a
      shel: "true"
    - name: b
      become: yes
      shell: {cmd: ls, chdirr: /}
    - name: c
      whenn: x
      copy: {dest: /x, content: a, url: b}
    - shell: ls
      danger: dangerous
    - name: e
      when: "{{ x }}"
      shell: ls
      undo: none
      hints: [{match: "(", means: m, fix: f}]
    - name: f
      shell: ls
      debug: x
    - name: g
      template: {src: nowhere.j2, dest: 5}
      retries: many
    - include_tasks: "{{ file }}"
    - name: h
      copy: {content: x, dest: /x, force: maybe}
      notify: restart
"#;
    let found = told(text);
    for line in [
        "p.yaml:2:3: error: the play has no `hosts` [missing-key]; add `hosts: a group of the configuration, or localhost`",
        "p.yaml:3:3: error: the play has no key `host` [unknown-key]; did you mean `hosts`?",
        "p.yaml:4:3: error: the play has no key `gather_facts` [unknown-key]; nothing is gathered; a step with `register` asks for what is needed",
        "p.yaml:7:7: error: the step has no key and no action `shel` [unknown-key]; did you mean `shell`?",
        "p.yaml:9:15: error: `become` is the text \"yes\", expected true or false [type]; write true",
        "p.yaml:10:24: error: `shell` has no field `chdirr` [unknown-field]; its fields are `cmd` and `stdin`",
        "p.yaml:12:7: error: the step has no key and no action `whenn` [unknown-key]; did you mean `when`?",
        "p.yaml:13:7: error: `copy` has `content` and `url` at once [fields]; give one of them",
        "p.yaml:14:7: error: the step with `shell` has no `name` [missing-key]; say in one line what it does",
        "p.yaml:15:15: error: `danger` cannot be `dangerous` [value]; it is one of `none`, `disruptive` and `destructive`",
        "p.yaml:17:13: error: `when` is a condition already [braces]; take the {{ }} out",
        "p.yaml:19:13: error: `undo: none` does not say why [undo-why]; write `undo: {none: the reason}`",
        "p.yaml:20:23: error: `(` is no pattern: unclosed group [pattern]; backslashes before characters that mean something: \\( \\[ \\?",
        "p.yaml:23:7: error: the step has two actions, `shell` and `debug` [actions]; make two steps of it",
        "p.yaml:25:23: error: `nowhere.j2` cannot be read: there is no such file [file]; the path counts from the folder of the playbook",
        "p.yaml:26:16: error: `retries` is the text \"many\", expected a number [type]; write a number",
        "p.yaml:29:43: error: `force` of `copy` is maybe, expected true or false [type]; write true or false",
    ] {
        assert!(found.iter().any(|f| f == line), "{line}\n-- not in:\n{}", found.join("\n"));
    }
    assert!(found.iter().any(|f| f.contains(":27:") && f.contains("has a template in it")), "{}", found.join("\n"));
    assert!(found.iter().any(|f| f.contains("`notify`") && f.contains("register: change")), "{}", found.join("\n"));
    let places: Vec<_> = read(text).mistakes.iter().map(|m| m.at.line).collect();
    assert!(places.is_sorted());
}

#[test]
fn what_is_no_playbook_is_told_as_such() {
    assert!(told("")[0].contains("there is nothing in this file"));
    assert!(told("just text").iter().any(|m| m.contains("expected a map of keys")));
    assert!(told("- name: a\n  hosts: x\n  tasks: []\n- name: b\n").iter().any(|m| m.contains("a second play begins here")));
    assert_eq!(told("a: {{ x }}\n").len(), 1);
}
