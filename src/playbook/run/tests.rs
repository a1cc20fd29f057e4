use proptest::prelude::*;
use serde_json::json;

use super::Run;
use crate::playbook::due::{Due, Mode, Pace};
use crate::playbook::journal::{Closing, Decision, Event, Operator, Why};
use crate::playbook::kit::{Driver, World, ends, opened, plan, run, setup};
use crate::playbook::outcome::{Outcome, Status};
use crate::playbook::step::Phase;

const TWO: &[&str] = &["a", "b"];

fn resumed() -> Event {
    Event::Resumed { by: Operator::default(), pid: 1, sha256: String::new(), hosts: Vec::new() }
}

const STEPS: &str = r#"
- name: P
  hosts: all
  vars: {wanted: blue}
  tasks:
    - {name: look, has: colour, register: colour, failed_when: false, check_mode: false}
    - name: paint
      put: {key: colour, value: "{{ wanted }}"}
      check: {has: colour, ok_when: "result.value == wanted"}
      verify: {has: colour, ok_when: "result.value == wanted"}
      undo: {drop: colour}
    - name: base
      ensure: base
      verify: {has: base}
      undo: {drop: base}
    - {name: say, debug: "{{ inventory_hostname }} was {{ colour.value | default('bare') }}", when: colour.rc == 0}
"#;

#[test]
fn a_second_run_changes_nothing_and_an_undo_leaves_nothing() {
    let mut world = World::default();
    let (first, why) = run(STEPS, TWO, &mut world);
    assert_eq!(why, Some(Closing::Finished));
    assert_eq!(
        ends(&first),
        ["a:look=ok", "b:look=ok", "a:paint=changed", "b:paint=changed", "a:base=changed", "b:base=changed", "a:say=skipped", "b:say=skipped"]
    );
    let after = world.keys.clone();
    assert_eq!(after.len(), 4);
    world.acts.clear();
    let (mut second, why) = run(STEPS, TWO, &mut world);
    assert_eq!((why, second.exit_code()), (Some(Closing::Finished), 0));
    assert!(second.recap().iter().all(|(_, c)| c.changed == 0 && c.ok == 4), "{:?}", second.recap());
    assert_eq!(world.keys, after);
    assert_eq!(world.acts, ["a/has/colour", "b/has/colour", "a/debug/", "b/debug/"]);
    // The second run did nothing, so that it has nothing to take back.
    second.apply(&Event::Undoing { by: Operator::default(), pid: 1 }).unwrap();
    assert_eq!(second.due(), [Due::Over(Closing::Undone)]);
    let mut first = first;
    first.apply(&Event::Undoing { by: Operator::default(), pid: 1 }).unwrap();
    let mut driver = Driver { world: &mut world, records: Vec::new(), dies_at: usize::MAX };
    assert_eq!(driver.drive(&mut first, &|q| q.alone.clone()), Some(Closing::Undone));
    assert_eq!(world.keys.len(), 0);
    assert_eq!(world.acts[4..], ["b/drop/base", "a/drop/base", "b/drop/colour", "a/drop/colour"], "the last first");
}

#[test]
fn a_look_is_left_out_where_its_condition_does_not_hold() {
    let text = r"
- name: P
  hosts: all
  vars: {way: pod}
  tasks:
    - name: paint
      put: {key: colour, value: blue}
      check:
        - {has: elsewhere, when: way == 'host'}
        - {has: colour, when: way == 'pod'}
        - {has: elsewhere, when: way == 'host'}
      verify:
        - {has: elsewhere, when: way == 'host'}
        - {has: colour, when: way == 'pod'}
      undo:
        - {drop: elsewhere, when: way == 'host'}
        - {drop: colour, when: way == 'pod'}
";
    let mut world = World::default();
    let (mut first, _) = run(text, &["a"], &mut world);
    assert_eq!((ends(&first), world.acts.len()), (vec!["a:paint=changed".to_owned()], 1), "{:?}", world.acts);
    let (second, _) = run(text, &["a"], &mut world);
    assert_eq!(ends(&second), ["a:paint=already"]);
    world.acts.clear();
    first.apply(&Event::Undoing { by: Operator::default(), pid: 1 }).unwrap();
    let mut driver = Driver { world: &mut world, records: Vec::new(), dies_at: usize::MAX };
    assert_eq!(driver.drive(&mut first, &|q| q.alone.clone()), Some(Closing::Undone));
    assert_eq!(world.acts, ["a/drop/colour"]);
}

#[test]
fn a_plan_says_what_it_found_and_touches_nothing() {
    let mut world = World::default();
    world.keys.insert(("b".into(), "colour".to_owned()), json!("blue"));
    let before = world.keys.clone();
    let plan = plan(STEPS, TWO, &mut world);
    assert_eq!(world.keys, before);
    assert_eq!(ends(&plan), ["a:look=ok", "b:look=ok", "a:paint=would", "b:paint=already", "a:base=would", "b:base=would", "a:say=skipped", "b:say=ok"]);
}

#[test]
fn what_a_plan_cannot_know_it_says_so() {
    let text = r#"
- name: P
  hosts: all
  tasks:
    - {name: no check, shell: "make x"}
    - {name: changes, put: k, register: made}
    - {name: needs it, put: "{{ made.value }}"}
    - {name: cannot, shell: "x {{ typo }}"}
    - {name: not there yet, has: k, check_mode: false}
"#;
    let mut world = World::default();
    let plan = plan(text, &["a"], &mut world);
    let rows: Vec<_> = plan.rows().iter().map(|r| format!("{:?} {}", r.end.unwrap(), r.why)).collect();
    assert_eq!(rows[..2], ["Unclear it has no `check`", "Unclear it has no `check`"]);
    assert!(rows[2].starts_with("Unclear known only when it runs: `made` is not defined"), "{rows:?}");
    assert!(rows[4].starts_with("Unclear known only when it runs: exit status 1"), "{rows:?}");
    assert_eq!(world.acts, ["a/has/k"]);
}

#[test]
fn failures_go_outwards_until_a_rescue_takes_them() {
    let text = r#"
- name: P
  hosts: all
  tasks:
    - block:
        - block:
            - {name: breaks, put: k}
            - {name: not reached, put: never}
          always:
            - {name: inner always, put: inner}
        - {name: nor this, put: never}
      rescue:
        - {name: rescue, debug: "{{ ansible_failed_task.name }}"}
      always:
        - {name: outer always, put: outer}
    - {name: after, put: after}
    - {name: dies, put: dead}
    - block:
        - {name: lost, put: lost}
      always:
        - {name: too late, put: late}
"#;
    let mut world = World { failing: vec!["a/put/k".to_owned(), "b/put/dead".to_owned()], ..World::default() };
    let (run, why) = run(text, TWO, &mut world);
    let of = |host: &str| ends(&run).iter().filter(|e| e.starts_with(host)).map(|e| e[2..].to_owned()).collect::<Vec<_>>();
    assert_eq!(
        of("a"),
        ["breaks=failed", "inner always=changed", "rescue=ok", "outer always=changed", "after=changed", "dies=changed", "lost=changed", "too late=changed"]
    );
    assert_eq!(
        of("b"),
        ["breaks=changed", "not reached=changed", "inner always=changed", "nor this=ok", "outer always=changed", "after=changed", "dies=failed"]
    );
    assert_eq!(why, Some(Closing::Failed));
    let recap = run.recap();
    assert_eq!((recap[0].1.failed, recap[0].1.rescued, recap[1].1.failed, run.exit_code()), (0, 1, 1, 2));
}

#[test]
fn loops_retries_once_and_delegation() {
    let text = r#"
- name: P
  hosts: all
  tasks:
    - {name: each, put: "k{{ item }}", loop: [1, 2], register: all, when: item != 2}
    - {name: count, set_fact: {n: "{{ all.results | length }}"}}
    - {name: once, put: "n{{ n }}", run_once: true, register: one}
    - {name: elsewhere, put: e, delegate_to: b, when: inventory_hostname == 'a' and one.changed}
    - {name: tries, has: never, until: tries.rc == 0, register: tries, retries: 2, delay: 0, ignore_errors: true}
    - {name: none, put: x, loop: []}
"#;
    let mut world = World::default();
    let (run, _) = run(text, TWO, &mut world);
    let keys: Vec<_> = world.keys.keys().map(|(h, k)| format!("{h}/{k}")).collect();
    assert_eq!(keys, ["a/k1", "a/n2", "b/e", "b/k1"]);
    assert_eq!(world.acts.iter().filter(|a| a.ends_with("has/never")).count(), 6, "three tries on each");
    assert!(ends(&run).contains(&"a:tries=ignored".to_owned()) && ends(&run).contains(&"b:none=skipped".to_owned()));
}

#[test]
fn questions_wait_for_an_answer_and_destructive_steps_for_their_phrase() {
    let text = "- name: P\n  hosts: all\n  tasks:\n    - {name: wipe, put: k, danger: destructive}\n    - {name: soft, put: s}\n";
    let mut all = setup(text, TWO, Mode::Apply);
    all.pace = Pace::Step;
    let mut run = Run::new(all);
    run.apply(&opened()).unwrap();
    let due = run.due();
    let [Due::Ask(question)] = due.as_slice() else { panic!("{due:?}") };
    assert_eq!((question.phrase.as_deref(), question.asked.keys.len(), &question.alone), (Some("2 targets"), 2, &Decision::Stop));
    assert_eq!(run.due(), due, "asked until it is answered");
    run.apply(&Event::Decided { question: question.asked.clone(), decision: Decision::GoOn, by: Operator::default() }).unwrap();
    let mut world = World::default();
    let mut driver = Driver { world: &mut world, records: Vec::new(), dies_at: usize::MAX };
    // `c`: nothing is asked again before something destructive.
    assert_eq!(driver.drive(&mut run, &|q| panic!("{q:?}")), Some(Closing::Finished));
    assert_eq!(world.keys.len(), 4);
}

#[test]
fn a_failure_can_be_retried_skipped_or_taken_back() {
    let text = "- name: P\n  hosts: all\n  tasks:\n    - {name: one, put: k, verify: {has: other}, undo: {drop: k}, hints: [{match: broke, means: m, fix: f}]}\n    - {name: two, put: t}\n";
    for (decision, end, keys) in [
        (Decision::Skip("later".to_owned()), "a:one=skipped", 2),
        (Decision::Accept("seen".to_owned()), "a:one=changed", 2),
        (Decision::Fail, "a:one=failed", 1),
        (Decision::Undo, "a:one=undone", 0),
        (Decision::Stop, "a:one=-", 1),
    ] {
        let mut world = World::default();
        let mut run = Run::new(setup(text, &["a"], Mode::Apply));
        let mut driver = Driver { world: &mut world, records: Vec::new(), dies_at: usize::MAX };
        driver.drive(&mut run, &|q| {
            assert_eq!((q.asked.why, q.name.as_str()), (Why::Failed, "one"));
            decision.clone()
        });
        assert_eq!((ends(&run)[0].as_str(), world.keys.len()), (end, keys), "{decision:?}");
    }
}

#[test]
fn an_act_whose_end_nobody_knows_is_never_a_success() {
    let text = "- name: P\n  hosts: all\n  tasks:\n    - {name: blind, put: k}\n    - {name: seen, put: s, verify: {has: s}}\n";
    let mut run = Run::new(setup(text, &["a"], Mode::Apply));
    let mut asked = 0;
    let mut world = World::default();
    for _ in 0..40 {
        for due in run.due() {
            match due {
                Due::Note(event) => run.apply(&event).unwrap(),
                Due::Do(job) => {
                    run.apply(&job.began()).unwrap();
                    let mut outcome = world.perform(&job);
                    if job.step.phase == Phase::Act {
                        outcome = Outcome { status: Status::Unknown, ..outcome };
                    }
                    run.apply(&run.heard(&job, outcome)).unwrap();
                }
                Due::Ask(q) => {
                    asked += 1;
                    assert_eq!((q.asked.why, q.name.as_str(), &q.alone), (Why::Unknown, "blind", &Decision::Stop));
                    run.apply(&Event::Decided { question: q.asked.clone(), decision: Decision::Accept("looked".to_owned()), by: Operator::default() }).unwrap();
                }
                Due::Over(_) => {}
            }
        }
    }
    assert_eq!((asked, ends(&run)), (1, vec!["a:blind=changed".to_owned(), "a:seen=changed".to_owned()]));
}

#[test]
fn tags_and_the_start_choose() {
    let text = "- name: P\n  hosts: all\n  tasks:\n    - {name: one, debug: x, tags: red}\n    - {name: two, debug: x, tags: [blue, red]}\n    - {name: three, debug: x, tags: always}\n    - {name: four, debug: x, tags: [never, deep]}\n    - {name: five, debug: x}\n";
    let chosen = |tags: &str, skip: &str, start: Option<&str>| {
        let mut all = setup(text, &["a"], Mode::Apply);
        let split = |t: &str| t.split_whitespace().map(ToOwned::to_owned).collect::<Vec<_>>();
        all.choice.tags = split(tags);
        all.choice.skip_tags = split(skip);
        all.choice.start_at = start.map(ToOwned::to_owned);
        let mut run = Run::new(all);
        Driver { world: &mut World::default(), records: Vec::new(), dies_at: usize::MAX }.drive(&mut run, &|q| q.alone.clone());
        ends(&run).iter().map(|e| e[2..].split('=').next().unwrap().to_owned()).collect::<Vec<_>>().join(" ")
    };
    assert_eq!(chosen("", "", None), "one two three five");
    assert_eq!(chosen("blue", "", None), "two three");
    assert_eq!(chosen("", "red", None), "three five");
    assert_eq!(chosen("deep", "", None), "three four");
    assert_eq!(chosen("untagged", "always", None), "five");
    assert_eq!(chosen("", "", Some("three")), "three five");
}

/// One of everything, for the tests below: what it leaves behind is `colour`, `base`, `k1`, `k2`, `plain` and `once`.
const MIXED: &str = r#"
- name: P
  hosts: all
  tasks:
    - {name: look, has: colour, register: colour, failed_when: false, check_mode: false}
    - {name: fact, set_fact: {wanted: blue}}
    - name: paint
      put: {key: colour, value: "{{ wanted }}"}
      check: {has: colour, ok_when: "result.value == wanted"}
      verify: {has: colour}
      undo: {drop: colour}
    - {name: base, ensure: base, verify: {has: base}, undo: {drop: base}}
    - {name: each, put: "k{{ item }}", loop: [1, 2], verify: {has: "k{{ item }}"}, undo: {drop: "k{{ item }}"}}
    - {name: plain, put: plain, check: {has: plain}, undo: {drop: plain}}
    - {name: once, put: once, run_once: true, verify: {has: once}, register: first, undo: {drop: once}}
    - {name: use, debug: "{{ first.changed }} {{ wanted }}"}
"#;

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, failure_persistence: None, ..ProptestConfig::default() })]

    /// The process dies again and again, the world changes in between; in the end it is as after an undisturbed run.
    #[test]
    fn any_prefix_of_a_journal_resumes_to_the_same_world(deaths in prop::collection::vec(1..60_usize, 1..4), lost in prop::option::of(0..6_usize)) {
        let mut calm = World::default();
        run(MIXED, TWO, &mut calm);
        let mut world = World::default();
        let mut records = Vec::new();
        for (round, death) in deaths.iter().chain(&[usize::MAX]).enumerate() {
            let mut run = Run::replay(setup(MIXED, TWO, Mode::Apply), &records).expect("a legal state");
            let dies_at = if *death == usize::MAX { usize::MAX } else { records.len() + death };
            let mut driver = Driver { world: &mut world, records: records.clone(), dies_at };
            let first = if records.is_empty() { opened() } else { resumed() };
            run.apply(&first).expect("legal");
            driver.records.push(crate::playbook::journal::Record { seq: records.len() as u64, at: crate::base::clock::Moment(0), event: first });
            let end = driver.drive(&mut run, &|q| if q.asked.why == Why::Unknown { Decision::Go } else { q.alone.clone() });
            records = driver.records;
            prop_assert!(*death != usize::MAX || end == Some(Closing::Finished), "{end:?} {:?}", ends(&run));
            if let (0, Some(lost)) = (round, lost) && end.is_none() {
                let key = world.keys.keys().nth(lost).cloned();
                if let Some(key) = key {
                    world.keys.remove(&key);
                }
            }
        }
        prop_assert_eq!(&world.keys, &calm.keys);
        // And all of it can be taken back.
        let mut run = Run::replay(setup(MIXED, TWO, Mode::Apply), &records).expect("a legal state");
        run.apply(&Event::Undoing { by: Operator::default(), pid: 1 }).expect("legal");
        let mut driver = Driver { world: &mut world, records: records.clone(), dies_at: usize::MAX };
        prop_assert_eq!(driver.drive(&mut run, &|q| q.alone.clone()), Some(Closing::Undone));
        prop_assert!(world.keys.is_empty(), "{:?}", world.keys);
    }

    /// Every record of every prefix can be followed by a resume, and none of them makes a plan act.
    #[test]
    fn a_plan_never_acts(present in prop::collection::vec(any::<bool>(), 6)) {
        let mut world = World::default();
        for (at, key) in ["colour", "base", "k1", "k2", "plain", "once"].iter().enumerate() {
            if present[at] {
                world.keys.insert(("a".into(), (*key).to_owned()), json!("blue"));
            }
        }
        let before = world.clone();
        let plan = plan(MIXED, TWO, &mut world);
        prop_assert_eq!(&world.keys, &before.keys);
        prop_assert!(world.acts.iter().all(|a| a.contains("/has/") || a.contains("/debug/") || a.contains("/set_fact/")), "{:?}", world.acts);
        prop_assert!(plan.rows().iter().all(|r| r.end.is_some()));
    }
}

#[test]
fn a_resume_does_not_repeat_what_it_can_see_or_knows_to_be_done() {
    // `bare` has neither check nor verify: it is not done twice.
    let text =
        "- name: P\n  hosts: all\n  tasks:\n    - {name: bare, put: bare}\n    - {name: verified, put: v, verify: {has: v}}\n    - {name: breaks, put: k}\n";
    let mut world = World { failing: vec!["b/put/k".to_owned()], ..World::default() };
    let mut run = Run::new(setup(text, TWO, Mode::Apply));
    let mut driver = Driver { world: &mut world, records: Vec::new(), dies_at: usize::MAX };
    assert_eq!(driver.drive(&mut run, &|q| q.alone.clone()), Some(Closing::Failed));
    let records = driver.records;
    world.failing.clear();
    world.acts.clear();
    let mut run = Run::replay(setup(text, TWO, Mode::Apply), &records).unwrap();
    run.apply(&resumed()).unwrap();
    let mut driver = Driver { world: &mut world, records, dies_at: usize::MAX };
    // What was begun and not seen to end is asked about: nothing can look after it.
    let end = driver.drive(&mut run, &|q| {
        assert_eq!((q.asked.why, q.name.as_str()), (Why::Unknown, "breaks"));
        Decision::Go
    });
    assert_eq!(end, Some(Closing::Finished));
    assert_eq!(world.acts, ["b/put/k"], "only the failed target, only the failed step");
}

#[test]
fn records_that_contradict_each_other_are_refused() {
    let mut run = Run::new(setup(STEPS, TWO, Mode::Apply));
    run.apply(&opened()).unwrap();
    assert!(run.apply(&opened()).is_err());
    let Due::Do(job) = run.due().remove(0) else { panic!() };
    assert!(run.apply(&run.heard(&job, Outcome::ok())).is_err(), "an end without a beginning");
    run.apply(&job.began()).unwrap();
    assert!(run.apply(&job.began()).is_err(), "begun twice");
    let other = Run::new(setup(STEPS, &["c"], Mode::Apply));
    assert!({ other }.apply(&job.began()).unwrap_err().to_string().contains("is no step of this playbook for these hosts"));
}

const TOGETHER: &str = r"
- name: P
  hosts: all
  any_errors_fatal: true
  tasks:
    - name: may it
      assert: {that: inventory_hostname != 'b' or hostvars.a.forgiven | default(false)}
    - {name: base, ensure: base, verify: {has: base}, undo: {drop: base}}
";

#[test]
fn where_all_must_get_through_nobody_goes_on_alone() {
    let mut world = World::default();
    let (mut one, why) = run(TOGETHER, TWO, &mut world);
    assert_eq!((why, one.exit_code()), (Some(Closing::Failed), 2));
    assert_eq!(ends(&one), ["a:may it=ok", "b:may it=failed"]);
    assert_eq!((one.stopped(), world.keys.len()), (vec!["a".into()], 0), "nothing was begun");
    // Once the reason is gone a resume takes both further.
    one.learn(json!({"forgiven": true}).as_object().cloned().unwrap());
    one.apply(&resumed()).unwrap();
    assert!(one.stopped().is_empty());
    let (alone, why) = run(&TOGETHER.replace("  any_errors_fatal: true\n", ""), TWO, &mut world);
    assert_eq!((why, world.keys.len()), (Some(Closing::Failed), 1), "{:?}", ends(&alone));
}

#[test]
fn what_always_comes_comes_for_those_who_were_stopped_as_well() {
    let text = r"
- name: P
  hosts: all
  tasks:
    - any_errors_fatal: true
      block:
        - {name: may it, assert: {that: inventory_hostname != 'b'}}
        - {name: base, ensure: base, verify: {has: base}, undo: {drop: base}}
      always:
        - {name: say, debug: over}
    - {name: after, debug: after}
";
    let (one, why) = run(text, TWO, &mut World::default());
    assert_eq!((why, ends(&one)), (Some(Closing::Failed), ["a:may it=ok", "b:may it=failed", "a:say=ok", "b:say=ok"].map(str::to_owned).to_vec()));
}
