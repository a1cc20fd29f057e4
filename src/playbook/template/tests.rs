use indexmap::IndexMap;
use serde_json::{Value, json};

use super::scope::{Layer, Scope};
use super::{Engine, Form, Kind};
use crate::playbook::mistake::Place;
use crate::playbook::spec::Spot;

fn at() -> Place {
    Place { file: "p.yaml".into(), line: 7, column: 3 }
}

fn scope() -> Scope {
    let mut written = IndexMap::new();
    for (name, value) in [
        ("plain", json!("x y")),
        ("outer", json!("<{{ inner }}>")),
        ("inner", json!("{{ plain | upper }}")),
        ("late", json!("{{ not_yet.row }}")),
        ("loop_a", json!("{{ loop_b }}")),
        ("loop_b", json!("{{ loop_a }}")),
        ("ports", json!([7001, 7002])),
    ] {
        written.insert(name.to_owned(), Spot { value, at: at() });
    }
    let known = json!({
        "ver": {"v": "8.0.36-28", "failed": false, "changed": true, "skipped": false},
        "evil": "{{ plain }}", "repl_host": "db-1", "no": "no", "n": 5,
    });
    let Value::Object(known) = known else { panic!() };
    Scope::new(&Engine::default(), vec![Layer::Written(written.into()), Layer::known(known)])
}

fn render(text: &str) -> Value {
    Engine::default().text(&at(), text, &scope()).unwrap()
}

fn trouble(text: &str) -> String {
    Engine::default().text(&at(), text, &scope()).unwrap_err().to_string()
}

#[test]
fn values_are_rendered_when_asked_for_and_keep_their_type() {
    assert_eq!(render("no template"), json!("no template"));
    assert_eq!(render("{{ ports }}"), json!([7001, 7002]));
    assert_eq!(render("{{ n + 1 }}"), json!(6));
    assert_eq!(render("{{ outer }}!"), json!("<X Y>!"));
    // What came from afar is data, whatever it looks like.
    assert_eq!(render("{{ evil }}"), json!("{{ plain }}"));
    assert_eq!(render("{% for p in ports %}\n{{ p }}\n{% endfor %}\n"), json!("7001\n7002\n"));
    // The last newline stays, also of a text that is one expression.
    assert_eq!(render("{{ plain }}\n"), json!("x y\n"));
    assert_eq!(render("{{ ports }}\n"), json!([7001, 7002]));
    assert_eq!(render("{{ 'a' if no | bool else 'b' }}"), json!("b"));
}

#[test]
fn what_is_not_defined_is_named_with_its_place() {
    assert_eq!(trouble("{{ repl_hosts }}"), "p.yaml:7:3: `repl_hosts` is not defined; did you mean `repl_host`?");
    assert_eq!(trouble("one\ntwo {{ ver.row.x }}"), "p.yaml:8:3: `ver.row` is not defined");
    assert_eq!(trouble("{{ late }}"), "p.yaml:7:3: `late` (p.yaml:7:3): `not_yet` is not defined");
    assert!(trouble("{{ loop_a }}").ends_with("needs itself"), "{}", trouble("{{ loop_a }}"));
    assert!(trouble("{{ plain | uper }}").contains("uper"));
    assert!(trouble("{{ plain").contains("this is no template"));
    assert!(trouble("{{ lookup('env', 'HOME') }}").contains("lookup"));
    assert_eq!(render("{{ nothing | default('d') }}"), json!("d"));
    assert_eq!(render("{{ ver.row is defined }}"), json!(false));
    let kind = Engine::default().text(&at(), "{{ late }}", &scope()).unwrap_err().kind;
    assert_eq!(kind, Kind::Undefined);
}

#[test]
fn conditions_are_true_or_false_and_nothing_else() {
    let engine = Engine::default();
    let holds = |text: &str| engine.holds(&Spot { value: text.to_owned(), at: at() }, &scope()).map_err(|t| t.text);
    for (text, expected) in [
        ("ver.v is version('8.0.22', '>=')", true),
        ("ver.v is version('8.4', '<')", true),
        ("'5.5.5-10.11.19-MariaDB-log' is version('10.6', '>=')", true),
        ("'v1.20.2' is version('1.20', 'gt')", true),
        ("ver is succeeded and ver is changed and ver is not skipped", true),
        ("no", false),
        ("'abc' is match('b')", false),
        ("'abc' is search('b')", true),
        ("[1] is subset([1, 2])", true),
        ("plain.startswith('x') and plain.split()[1] == 'y'", true),
        ("{'a': 1}.get('b', 2) == 2", true),
    ] {
        assert_eq!(holds(text), Ok(expected), "{text}");
    }
    assert_eq!(holds("plain").unwrap_err(), "`plain` is the text `x y`, not true or false");
    assert_eq!(holds("plain is succeeded").unwrap_err(), "this is no result of a step: it has no `failed`");
    assert_eq!(holds("'latest' is version('1', '>')").unwrap_err(), "`latest` is no version");
}

#[test]
fn filters_make_values_safe_where_they_go() {
    for (text, expected) in [
        (r#"{{ "it's" | quote }} {{ "ok-1" | quote }} {{ "" | quote }}"#, json!(r"'it'\''s' ok-1 ''")),
        (r#"{{ ["a b", "$x"] | words }}"#, json!("'a b' '$x'")),
        (r#"{{ "o'x\\" | sql_quote }} {{ "a`b" | sql_name }}"#, json!(r"'o''x\\' `a``b`")),
        (r#"{{ "/mall" | urlencode }}"#, json!("%2Fmall")),
        (r#"{{ "mall:pw?" | b64encode }} {{ "bWFsbDpwdz8=" | b64decode }}"#, json!("bWFsbDpwdz8= mall:pw?")),
        (r#"{{ {"a": [1, true]} | to_json }}"#, json!(r#"{"a":[1,true]}"#)),
        (r#"{{ '{"a": 1}' | from_json }}"#, json!({"a": 1})),
        (r"{{ 'a' | hash('sha256') }}", json!("ca978112ca1bbdcafac231b39a23dc4da786eff8147c4e72b9807785afee48bb")),
        (r#"{{ "v1.2.3" | regex_replace("v(\\d+)", "<\\1>") }}"#, json!("<1>.2.3")),
        (r#"{{ "a=5 b=7" | regex_findall("=(\\d)") }}"#, json!(["5", "7"])),
        (r#"{{ "a=5" | regex_search("=(\\d)", 1) }}"#, json!("5")),
        (r#"{{ {"a": {"x": 1}} | combine({"a": {"y": 2}}, recursive=true) }}"#, json!({"a": {"x": 1, "y": 2}})),
        ("{{ [1, 2, 2] | difference([1]) }}", json!([2])),
        ("{{ [1] | union([2, 1]) }}", json!([1, 2])),
        ("{{ [[1], [2, [3]]] | flatten }}", json!([1, 2, 3])),
        ("{{ '/etc/my.cnf' | basename }} {{ '/etc/my.cnf' | dirname }}", json!("my.cnf /etc")),
        ("{{ '1.20.2' | version_part(2) }}", json!("1.20")),
        ("{{ {'k': 1} | dict2items }}", json!([{"key": "k", "value": 1}])),
    ] {
        assert_eq!(render(text), expected, "{text}");
    }
    assert!(trouble("{{ plain | bool }}").contains("neither true nor false"));
}

#[test]
fn a_template_tells_the_names_that_it_needs() {
    let engine = Engine::default();
    let names = engine.inspect(&at(), "{{ a.b }} {% for x in list %}{{ x }}{{ c | default(d) }}{% endfor %}", Form::Template).unwrap();
    assert_eq!(names.into_iter().collect::<Vec<_>>(), ["a", "c", "d", "list"]);
    assert!(engine.is_global("range") && !engine.is_global("a"));
}
