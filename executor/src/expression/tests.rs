//! What expressions give, and what is refused.

use std::borrow::Cow;
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use uuid::Uuid;

use super::{Template, bounds, is_equal, is_truthy};
use crate::context::{Context, Payload, Secrets};
use crate::graph::{Compiled, Plan, PlanEdge, PlanNode};
use crate::node::Role;

/// A context: the nodes `fetch` -> `save` (which `save_as` names `saved`) -> `here`, and `other` beside them.
pub fn context(body: Value) -> Context {
    let node = |key: &str, incoming: Vec<usize>| PlanNode {
        key: key.into(),
        name: key.to_owned(),
        kind: "test.node",
        role: Role::Pure,
        entry: 0,
        parameters: Compiled::Constant(Value::Null),
        deferred: Vec::new(),
        ports: Vec::new(),
        incoming,
        outgoing: Vec::new(),
        body: None,
        visible_saves: vec![("saved".to_owned(), 1)],
        disabled: false,
        join: Default::default(),
        on_error: Default::default(),
        on_crash: Default::default(),
        retry: None,
        timeout: None,
    };
    let edge = |from, to| PlanEdge { from, port: 0, to };
    let plan = Plan {
        nodes: vec![
            node("fetch", vec![]),
            node("save", vec![0]),
            node("here", vec![1]),
            node("other", vec![]),
        ],
        edges: vec![edge(0, 1), edge(1, 2)],
        keys: ["fetch", "save", "here", "other"]
            .iter()
            .enumerate()
            .map(|(index, key)| ((*key).to_owned(), index))
            .collect(),
        vars: json!({"region": "eu"}),
        timeout: None,
        ..Plan::default()
    };
    let secrets = Secrets::new([("token".to_owned(), "s3cret".to_owned())].into());
    let payload = Payload {
        body,
        engine: json!({"_webhook": {"method": "POST", "headers": {"user-agent": "curl"}}})
            .as_object()
            .cloned()
            .expect("an object"),
    };
    let context = Context::new(
        crate::testing::identity(Uuid::from_u128(7)),
        Arc::new(plan),
        Arc::new(secrets),
        payload,
    );
    context.set_output(0, json!({"status": 200, "items": [1, 2]}));
    context.set_output(1, json!({"n": 5}));
    context.set_output(3, json!("beside"));
    context
}

fn body() -> Value {
    json!({
        "data": {
            "amount": 99.5, "n": 5, "zero": 0, "name": "Ada", "none": null, "yes": true, "no": false,
            "odd key": "odd", "a.b": "dotted", "html": "<b> & \"x\"",
            "items": [{"id": 3, "tag": "c"}, {"id": 1, "tag": "a"}, {"id": 2, "tag": "b"}],
            "map": {"one": 1, "two": 2}, "empty": [], "words": ["b", "a", "b"],
            "grid": [[1, 2], [3]],
        },
        "_hidden": 1,
    })
}

fn evaluate(template: &str) -> Result<Value, String> {
    let context = context(body());
    let now = "2026-03-28T08:00:00.120Z".parse().expect("a moment");
    let template = Template::compile(template).map_err(|mistakes| mistakes.errors[0].to_string())?;
    let view = context.view(2, now, &[]);
    template
        .evaluate(&view)
        .map(Cow::into_owned)
        .map_err(|error| error.to_string())
}

#[track_caller]
fn check(template: &str, expected: Value) {
    assert_eq!(evaluate(template), Ok(expected), "{template}");
}

#[track_caller]
fn check_all(cases: &[(&str, Value)]) {
    for (template, expected) in cases {
        check(template, expected.clone());
    }
}

/// Fails, at compile or later, with a message that has this in it.
#[track_caller]
fn check_refused(template: &str, reason: &str) {
    let error = evaluate(template).expect_err(template);
    assert!(error.contains(reason), "{template}: {error}");
}

#[test]
fn keeps_the_type_of_a_sole_expression() {
    check_all(&[
        ("{{data.amount}}", json!(99.5)),
        ("{{{data.n}}}", json!(5)),
        ("{{data.none}}", json!(null)),
        ("{{data.map}}", json!({"one": 1, "two": 2})),
        ("{{add data.n 1}}", json!(6)),
        ("{{! a comment }}{{data.yes}}", json!(true)),
        ("n={{data.n}}", json!("n=5")),
        ("{{data.n}}{{data.n}}", json!("55")),
        ("{{#if data.yes}}{{data.n}}{{/if}}", json!("5")),
        ("plain", json!("plain")),
        ("", json!("")),
    ]);
}

#[test]
fn borrows_a_plain_path() {
    let context = context(body());
    let template = Template::compile("{{data.items.[1].id}}").expect("valid");
    let value = {
        let view = context.view(2, Default::default(), &[]);
        template.evaluate(&view)
    };
    assert!(matches!(value, Ok(Cow::Borrowed(Value::Number(_)))));
}

#[test]
fn walks_paths() {
    check_all(&[
        ("{{data.items.[1].id}}", json!(1)),
        ("{{data.items.1.id}}", json!(1)),
        ("{{data/items/1/id}}", json!(1)),
        ("{{data.[odd key]}}", json!("odd")),
        ("{{data.[a.b]}}", json!("dotted")),
        ("{{this.data.n}}", json!(5)),
        ("{{@root.data.n}}", json!(5)),
        ("{{./data.n}}", json!(5)),
        ("{{(lookup data \"odd key\")}}", json!("odd")),
        ("{{_webhook.headers.user-agent}}", json!("curl")),
        ("{{_webhook.body._hidden}}", json!(1)),
        ("{{_vars.region}}", json!("eu")),
        ("{{saved.n}}", json!(5)),
        ("{{_nodes.fetch.status}}", json!(200)),
        ("{{_nodes.fetch.items.[1]}}", json!(2)),
        ("{{@root._nodes.fetch.status}}", json!(200)),
        ("{{lookup _webhook \"method\"}}", json!("POST")),
        ("{{lookup _webhook.body \"_hidden\"}}", json!(1)),
        (
            "{{join (keys this) \" \"}}",
            json!("data saved _vars _execution _nodes _webhook"),
        ),
        (
            "{{join (keys (lookup @root \"_nodes\")) \" \"}}",
            json!("fetch save"),
        ),
    ]);
}

#[test]
fn names_what_is_missing() {
    for path in [
        "data.amounts",
        "nothing",
        "data.none.x",
        "data.name.x",
        "data.items.9",
        "data.items.length",
        "_hidden",
        "_nodes.here",
        "_nodes.fetch.body",
        "_webhook.nothing",
        "data.words.-1",
    ] {
        check_refused(&format!("{{{{{path}}}}}"), &format!("there is no `{path}`"));
    }
    check_refused("{{#if data.x}}{{/if}}", "there is no `data.x`");
    check_refused("{{not data.x}}", "there is no `data.x`");
    check_refused("{{lookup data \"x\"}}", "there is no `x`");
    check_refused("{{#each data.items}}{{data.n}}{{/each}}", "there is no `data.n`");
}

#[test]
fn defaults_what_is_missing_or_null() {
    check_all(&[
        ("{{default data.x \"y\"}}", json!("y")),
        ("{{default data.none data.x 7}}", json!(7)),
        ("{{default data.n data.x}}", json!(5)),
        ("{{default (upper data.x) \"y\"}}", json!("y")),
        ("{{default (lookup data \"x\") \"y\"}}", json!("y")),
        ("{{default data.x null}}", json!(null)),
    ]);
    check_refused("{{default (upper data.n) \"y\"}}", "`upper` needs a text");
    check_refused("{{default data.x data.y}}", "there is no `data.y`");
}

#[test]
fn prints_values_as_text() {
    check_all(&[
        ("[{{data.none}}]", json!("[]")),
        ("[{{data.map}}]", json!(r#"[{"one":1,"two":2}]"#)),
        ("[{{data.words}}]", json!(r#"[["b","a","b"]]"#)),
        (
            "[{{data.amount}} {{data.yes}} {{data.html}}]",
            json!("[99.5 true <b> & \"x\"]"),
        ),
        (r"\{{data.n}} {{data.n}}", json!("{{data.n}} 5")),
        ("a {{~data.n~}} b", json!("a5b")),
    ]);
}

#[test]
fn escapes_for_html_only_where_asked() {
    let context = context(body());
    let view = context.view(2, Default::default(), &[]);
    let template = Template::compile("{{data.html}} {{{data.html}}} {{data.map}}").expect("valid");
    assert_eq!(
        template.render_html(&view).expect("text"),
        "&lt;b&gt; &amp; &quot;x&quot; <b> & \"x\" {&quot;one&quot;:1,&quot;two&quot;:2}"
    );
}

#[test]
fn runs_blocks() {
    check_all(&[
        (
            "{{#if data.zero}}a{{else if data.yes}}b{{else}}c{{/if}}",
            json!("b"),
        ),
        (
            "{{#if data.zero}}a{{else if data.no}}b{{else}}c{{/if}}",
            json!("c"),
        ),
        ("{{#unless data.empty}}a{{/unless}}", json!("a")),
        (
            "{{#each data.items}}{{id}}{{#unless @last}},{{/unless}}{{/each}}",
            json!("3,1,2"),
        ),
        (
            "{{#each data.map}}{{@key}}={{this}};{{/each}}",
            json!("one=1;two=2;"),
        ),
        ("{{#each data.empty}}x{{else}}none{{/each}}", json!("none")),
        ("{{#each data.none}}x{{else}}none{{/each}}", json!("none")),
        (
            "{{#each data.items as |v k|}}{{k}}{{v.id}}{{tag}} {{/each}}",
            json!("03c 11a 22b "),
        ),
        (
            "{{#each data.grid}}{{#each this}}{{@../index}}{{@index}}{{this}} {{/each}}{{/each}}",
            json!("001 012 103 "),
        ),
        (
            "{{#each data.grid as |row i|}}{{#each row as |cell|}}{{i}}{{cell}} {{/each}}{{/each}}",
            json!("01 02 13 "),
        ),
        (
            "{{#with data}}{{n}}{{../saved.n}}{{@root.data.n}}{{#if yes}}{{name}}{{/if}}{{/with}}",
            json!("555Ada"),
        ),
        ("{{#with data.map as |m|}}{{m.one}}{{/with}}", json!("1")),
        ("{{#with data.none}}x{{else}}y{{/with}}", json!("y")),
        (
            "{{#each data.words}}{{#with @root.data}}{{@index}}{{n}} {{/with}}{{/each}}",
            json!("05 15 25 "),
        ),
        (
            "{{#each data.words}}{{_vars.region}}{{_nodes.fetch.status}}{{/each}}",
            json!("eu200eu200eu200"),
        ),
        ("{{#each (sort data.items \"id\")}}{{id}}{{/each}}", json!("123")),
        (
            "{{#each data.items}}{{#if @first}}{{../saved.n}}{{/if}}{{/each}}",
            json!("5"),
        ),
    ]);
    check_refused(
        "{{#each data.n}}{{/each}}",
        "`each` needs an array or an object, not a number",
    );
}

#[test]
fn sees_names_of_the_moment_inside_of_blocks() {
    let context = context(body());
    let item = json!({"price": 3});
    let locals = [("_item", &item), ("total", &item)];
    let view = context.view(2, Default::default(), &locals);
    let template =
        Template::compile("{{_item.price}}{{#each data.words}}{{_item.price}}{{total.price}}{{/each}}");
    let value = template
        .expect("valid")
        .evaluate(&view)
        .expect("text")
        .into_owned();
    assert_eq!(value, json!("3333333"));
}

#[test]
fn finds_mistakes_when_compiling() {
    for (template, reason) in [
        (
            "{{upperr data.name}}",
            "there is no helper `upperr`; there is `upper`",
        ),
        ("{{foo data.name}}", "there is no helper `foo`"),
        ("{{upper a b}}", "`upper text`"),
        ("{{upper a x=1}}", "takes no named arguments"),
        ("{{#foo a}}{{/foo}}", "there is no block `foo`"),
        ("{{#if a b}}{{/if}}", "takes 1 value, not 2"),
        ("{{#if a}}", "not a template"),
        ("{{data.items[0].id}}", "not a template (line 1"),
        ("{{> partial}}", "partials"),
        ("{{#> partial}}{{/partial}}", "partials"),
        ("{{#*inline \"q\"}}{{/inline}}", "decorators"),
        ("{{* decorate}}", "decorators"),
        ("{{{{raw}}}}{{/raw}}", "raw blocks"),
        ("{{lookup _nodes \"fetch\"}}", "needs the key of a node"),
        ("{{@root._nodes}}", "needs the key of a node"),
        ("{{../x}}", "leads out of the template"),
        ("{{#each a}}{{../../x}}{{/each}}", "leads out of the template"),
        ("{{@index}}", "outside of a block `each`"),
        ("{{#each a}}{{@name}}{{/each}}", "there is no `@name`"),
        ("{{#each a}}{{@key.x}}{{/each}}", "has no fields"),
        ("{{secret data.name}}", "in quotes"),
        ("{{#if a as |b|}}{{/if}}", "`as`"),
    ] {
        let error = Template::compile(template).expect_err(template).errors[0].to_string();
        assert!(error.contains(reason), "{template}: {error}");
    }
}

#[test]
fn lists_the_nodes_and_secrets_it_names() {
    let template = Template::compile(
        "{{_nodes.a.x}}{{#if (eq _nodes.b 1)}}{{@root._nodes.c}}{{else}}{{this._nodes.a}}{{/if}}\
         {{#each x}}{{_nodes.d}}{{../_nodes.[e f].y}}{{this._nodes.own}}{{/each}}\
         {{object k=(secret \"s1\") l=_nodes.g}}{{secret \"s1\"}}{{secret \"s2\"}}",
    )
    .expect("valid");
    let mut nodes = template.nodes().to_vec();
    nodes.sort();
    assert_eq!(nodes, ["a", "b", "c", "d", "e f", "g"]);
    let mut secrets = template.secrets().to_vec();
    secrets.sort();
    assert_eq!(secrets, ["s1", "s2"]);
}

#[test]
fn compares_and_decides() {
    check_all(&[
        ("{{eq data.n 5}}", json!(true)),
        ("{{eq 5 5.0}}", json!(true)),
        ("{{eq data.map (object two=2.0 one=1)}}", json!(true)),
        ("{{ne data.name \"Ada\"}}", json!(false)),
        ("{{gt data.amount 50}}", json!(true)),
        ("{{lte 5 data.n}}", json!(true)),
        ("{{lt \"a\" \"b\"}}", json!(true)),
        ("{{and data.yes (gte data.n 5)}}", json!(true)),
        ("{{or data.zero data.empty data.none}}", json!(false)),
        ("{{or data.yes nothing}}", json!(true)),
        ("{{not data.none}}", json!(true)),
        ("{{if data.yes \"a\" nothing}}", json!("a")),
        ("{{if data.no \"a\"}}", json!(null)),
        ("{{boolean \"no\"}}", json!(false)),
        ("{{gt 9007199254740993 9007199254740992}}", json!(true)),
    ]);
    check_refused(
        "{{gt data.n \"5\"}}",
        "`gt` compares two numbers or two texts, not a number and a text",
    );
    check_refused("{{gt data.none 5}}", "not null and a number");
}

#[test]
fn counts() {
    check_all(&[
        ("{{add 1 2 3}}", json!(6)),
        ("{{add 1.5 1}}", json!(2.5)),
        ("{{subtract 1 2}}", json!(-1)),
        ("{{multiply 3 4}}", json!(12)),
        ("{{divide 6 3}}", json!(2)),
        ("{{divide 7 2}}", json!(3.5)),
        ("{{modulo -7 3}}", json!(-1)),
        ("{{round 2.5}}", json!(3)),
        ("{{round 2.345 2}}", json!(2.35)),
        ("{{floor -2.5}}", json!(-3)),
        ("{{ceil 2.1}}", json!(3)),
        ("{{abs -3}}", json!(3)),
        ("{{min 3 1 2}}", json!(1)),
        ("{{max (pluck data.items \"id\")}}", json!(3)),
        ("{{sum (pluck data.items \"id\")}}", json!(6)),
        ("{{avg (pluck data.items \"id\")}}", json!(2)),
        ("{{sum data.empty}}", json!(0)),
        ("{{number \" 42 \"}}", json!(42)),
        ("{{number \"-1.5e2\"}}", json!(-150.0)),
    ]);
    check_refused(
        "{{add 9223372036854775807 9223372036854775807 9223372036854775807}}",
        "too large",
    );
    check_refused("{{multiply 1e308 10}}", "");
    check_refused("{{divide 1 0}}", "cannot divide by zero");
    check_refused("{{modulo 1 0.0}}", "cannot divide by zero");
    check_refused(
        "{{add data.name 1}}",
        "`add` needs a number as argument 1, not a text; `(number ...)` makes one",
    );
    check_refused("{{number \"inf\"}}", "cannot read `inf` as a number");
    check_refused("{{number \"123456789012345678901234567890\"}}", "cannot read");
    check_refused("{{min data.empty}}", "at least one number");
}

#[test]
fn shapes_texts() {
    check_all(&[
        ("{{upper data.name}}", json!("ADA")),
        ("{{lower data.name}}", json!("ada")),
        ("{{capitalize \"éa\"}}", json!("Éa")),
        ("{{trim \"  a \"}}", json!("a")),
        ("{{replace \"a-b-c\" \"-\" \"\"}}", json!("abc")),
        ("{{repeat \"ab\" 2}}", json!("abab")),
        ("{{split \"a,b\" \",\"}}", json!(["a", "b"])),
        ("{{split \"äb\" \"\"}}", json!(["ä", "b"])),
        ("{{join data.words \"-\"}}", json!("b-a-b")),
        ("{{concat data.name 1 data.none \"!\"}}", json!("Ada1!")),
        ("{{concat data.words data.grid.[1]}}", json!(["b", "a", "b", 3])),
        ("{{slice \"häuser\" 1 3}}", json!("äu")),
        ("{{slice \"abc\" -2}}", json!("bc")),
        ("{{slice data.words 1 -1}}", json!(["a"])),
        ("{{slice data.words 9}}", json!([])),
        ("{{truncate \"abcdef\" 4 \"…\"}}", json!("abc…")),
        ("{{truncate \"abc\" 4 \"…\"}}", json!("abc")),
        ("{{contains data.name \"da\"}}", json!(true)),
        ("{{includes data.words \"c\"}}", json!(false)),
        ("{{starts_with data.name \"A\"}}", json!(true)),
        ("{{ends_with data.name \"A\"}}", json!(false)),
        ("{{pad_start data.n 3 \"0\"}}", json!("005")),
        ("{{pad_end data.name 5}}", json!("Ada  ")),
        ("{{length \"äö\"}}", json!(2)),
        ("{{len data.items}}", json!(3)),
        ("{{string data.n}}", json!("5")),
    ]);
    check_refused("{{replace \"a\" \"\" \"b\"}}", "not an empty text");
    check_refused(
        "{{length data.n}}",
        "`length` counts a text, an array or an object, not a number",
    );
}

#[test]
fn shapes_arrays_and_objects() {
    check_all(&[
        ("{{list 1 data.name}}", json!([1, "Ada"])),
        ("{{range 1 4}}", json!([1, 2, 3])),
        ("{{range 4 1}}", json!([])),
        ("{{first data.words}}", json!("b")),
        ("{{last (list 1 2)}}", json!(2)),
        ("{{first data.empty}}", json!(null)),
        ("{{at data.words -2}}", json!("a")),
        ("{{at data.words 3}}", json!(null)),
        ("{{index_of data.words \"a\"}}", json!(1)),
        ("{{index_of data.words \"z\"}}", json!(-1)),
        ("{{reverse data.words}}", json!(["b", "a", "b"])),
        ("{{sort data.words}}", json!(["a", "b", "b"])),
        ("{{pluck (sort data.items \"tag\") \"id\"}}", json!([1, 2, 3])),
        ("{{unique data.words}}", json!(["b", "a"])),
        ("{{flatten data.grid}}", json!([1, 2, 3])),
        ("{{keys data.map}}", json!(["one", "two"])),
        ("{{values data.map}}", json!([1, 2])),
        ("{{pick data.map \"two\" \"x\"}}", json!({"two": 2})),
        ("{{omit data.map \"two\"}}", json!({"one": 1})),
        ("{{merge data.map (object two=3)}}", json!({"one": 1, "two": 3})),
        ("{{object b=data.n a=\"x\"}}", json!({"a": "x", "b": 5})),
        ("{{lookup data.items 1}}", json!({"id": 1, "tag": "a"})),
        ("{{lookup (list 1 2) 1}}", json!(2)),
    ]);
    check_refused("{{sort (list 1 \"a\")}}", "numbers only or texts only");
    check_refused("{{range 0 100000000}}", "too much work");
    check_refused("{{range -9223372036854775807 9223372036854775807}}", "");
}

#[test]
fn knows_moments_and_zones() {
    check_all(&[
        ("{{now}}", json!("2026-03-28T08:00:00.120Z")),
        (
            "{{format_date (now) \"%d.%m.%Y %H:%M\" \"Europe/Berlin\"}}",
            json!("28.03.2026 09:00"),
        ),
        (
            "{{parse_date \"2026-03-01T10:00:00+02:00\"}}",
            json!("2026-03-01T08:00:00.000Z"),
        ),
        ("{{parse_date \"2026-03-01\"}}", json!("2026-03-01T00:00:00.000Z")),
        (
            "{{parse_date \"01.07.2026 12:00\" \"%d.%m.%Y %H:%M\" \"Europe/Berlin\"}}",
            json!("2026-07-01T10:00:00.000Z"),
        ),
        ("{{parse_date 1700000000}}", json!("2023-11-14T22:13:20.000Z")),
        ("{{parse_date 1700000000000}}", json!("2023-11-14T22:13:20.000Z")),
        ("{{add_time (now) 1 \"day\"}}", json!("2026-03-29T08:00:00.120Z")),
        // The clocks go forward in the night between.
        (
            "{{add_time (now) 1 \"day\" \"Europe/Berlin\"}}",
            json!("2026-03-29T07:00:00.120Z"),
        ),
        (
            "{{add_time \"2026-03-28T01:30:00Z\" 1 \"day\" \"Europe/Berlin\"}}",
            json!("2026-03-29T01:30:00.000Z"),
        ),
        (
            "{{add_time \"2026-01-31\" 1 \"month\"}}",
            json!("2026-02-28T00:00:00.000Z"),
        ),
        (
            "{{add_time (now) -2 \"hours\"}}",
            json!("2026-03-28T06:00:00.120Z"),
        ),
        ("{{date_diff \"2026-03-01\" \"2026-03-03\" \"hours\"}}", json!(48)),
        (
            "{{date_diff \"2026-03-03\" \"2026-03-01T01:00:00Z\" \"days\"}}",
            json!(-1),
        ),
    ]);
    check_refused(
        "{{format_date \"soon\" \"%F\"}}",
        "cannot read `soon` as a moment",
    );
    check_refused("{{format_date (now) \"%Q\"}}", "cannot use the format `%Q`");
    check_refused("{{format_date (now) \"%F\" \"Mars\"}}", "knows no zone `Mars`");
    check_refused(
        "{{add_time (now) 9000000000000 \"years\"}}",
        "beyond the calendar",
    );
    check_refused("{{add_time (now) 1 \"moon\"}}", "knows no unit `moon`");
}

#[test]
fn encodes() {
    check_all(&[
        ("{{json data.map}}", json!(r#"{"one":1,"two":2}"#)),
        (
            "{{json data.grid true}}",
            json!("[\n  [\n    1,\n    2\n  ],\n  [\n    3\n  ]\n]"),
        ),
        ("{{parse_json \"[1, 2]\"}}", json!([1, 2])),
        ("{{base64_encode \"ä?\"}}", json!("w6Q/")),
        ("{{base64url_encode \"ä?\"}}", json!("w6Q_")),
        ("{{base64_decode \"w6Q/\"}}", json!("ä?")),
        ("{{base64_decode \"YQ==\"}}", json!("a")),
        ("{{hex_encode \"az\"}}", json!("617a")),
        ("{{hex_decode \"617a\"}}", json!("az")),
        ("{{url_encode \"a b&ä+\"}}", json!("a%20b%26%C3%A4%2B")),
        ("{{url_decode \"a%20b%26%C3%A4+\"}}", json!("a b&ä+")),
        (
            "{{hash \"md5\" \"abc\"}}",
            json!("900150983cd24fb0d6963f7d28e17f72"),
        ),
        (
            "{{hash \"sha1\" \"abc\"}}",
            json!("a9993e364706816aba3e25717850c26c9cd0d89d"),
        ),
        (
            "{{hash \"sha256\" \"abc\"}}",
            json!("ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"),
        ),
        // RFC 4231, case 2.
        (
            "{{hmac \"sha256\" \"Jefe\" \"what do ya want for nothing?\"}}",
            json!("5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"),
        ),
        // RFC 2202, case 2.
        (
            "{{hmac \"md5\" \"Jefe\" \"what do ya want for nothing?\" \"base64\"}}",
            json!("dQx4PmqwtQPqqG4xCl23OA=="),
        ),
        ("{{secret \"token\"}}", json!("s3cret")),
    ]);
    check_refused("{{hash \"crc\" \"a\"}}", "not `crc`");
    check_refused("{{url_decode \"%zz\"}}", "two hexadecimal digits");
    check_refused("{{url_decode \"%ä\"}}", "two hexadecimal digits");
    check_refused("{{base64_decode \"/w==\"}}", "no text");
    check_refused("{{parse_json \"{\"}}", "not JSON");
    check_refused("{{secret \"none\"}}", "there is no secret `none`");
}

#[test]
fn derives_uuids_that_differ_and_come_again() {
    let Ok(Value::String(text)) = evaluate("{{uuid}} {{#each data.words}}{{(uuid)}} {{/each}}") else {
        panic!("it is text");
    };
    assert_eq!(
        evaluate("{{uuid}} {{#each data.words}}{{(uuid)}} {{/each}}"),
        Ok(json!(text))
    );
    let ids: std::collections::HashSet<Uuid> = text
        .split_whitespace()
        .map(|id| id.parse().expect("a UUID"))
        .collect();
    assert_eq!(ids.len(), 4);
    assert!(ids.iter().all(|id| id.get_version_num() == 4));
}

#[test]
fn every_helper_says_what_it_is() {
    for helper in super::helpers::all() {
        assert!(
            !helper.about.is_empty() && !helper.about.ends_with('.'),
            "{}",
            helper.name
        );
        let same = super::helpers::all()
            .filter(|other| other.name == helper.name)
            .count();
        assert_eq!(same, 1, "{}", helper.name);
        let named = helper.arguments.split_whitespace();
        let optional = named.clone().filter(|name| name.ends_with('?')).count();
        let repeats = helper.arguments.ends_with("...");
        if !repeats {
            assert_eq!(helper.least, named.count() - optional, "{}", helper.name);
        }
    }
}

/// On a stack as small as a worker's.
fn on_a_small_stack(work: impl FnOnce() + Send + 'static) {
    std::thread::Builder::new()
        .stack_size(2 * 1024 * 1024)
        .spawn(work)
        .expect("a thread")
        .join()
        .expect("no panic");
}

fn nest(open: &str, middle: &str, close: &str, depth: usize) -> String {
    [&open.repeat(depth), middle, &close.repeat(depth)].concat()
}

#[test]
fn refuses_what_nests_too_deep() {
    on_a_small_stack(|| {
        let too_deep = [
            nest("{{#if a}}", "x", "{{/if}}", 400),
            nest("{{ ~ # if a}}", "x", "{{/if}}", 400),
            nest("{{#each a}}", "x", "{{/each}}", 33),
            nest("{{#if a}}{{!-- {{/if}} --}}", "x", "{{/if}}", 400),
            nest("{{#if a}}{{! {{/if}}", "x", "{{/if}}", 400),
            nest(r"{{#if a}}\{{/if}}", "x", "{{/if}}", 400),
            nest(r#"{{#if (eq a "{{/if}}")}}"#, "x", "{{/if}}", 400),
            nest(r#"{{#if (eq a '}}{{/if}}')}}"#, "x", "{{/if}}", 400),
            nest("{{#if [}}{{/if}}]}}", "x", "{{/if}}", 400),
            nest("{{#if a.[}}{{/if}}]}}", "x", "{{/if}}", 400),
            nest("{{#if @[}}{{/if}}]}}", "x", "{{/if}}", 400),
            nest("{{#if a}}x", "", "{{else if b}}", 400) + "{{/if}}",
            nest("{{#if a}}x", "", "{{^if b}}", 400) + "{{/if}}",
            format!("{{{{#if a}}}}{}{{{{/if}}}}", "{{else if b}}x".repeat(1000)),
            format!("{{{{{}}}}}", nest("(len ", "a", ")", 400)),
            format!("{{{{len {}}}}}", nest("(len [\")\"] ", "a", ")", 400)),
            format!("{{{{len {}}}}}", nest("(len ')' ", "a", ")", 400)),
            format!("{{{{len {}}}}}", nest("[", "", "]", 1000)),
            format!("{{{{len {}}}}}", "[".repeat(30_000)),
            format!("{{{{len {}}}}}", nest("{\"a\":", "1", "}", 1000)),
            "x".repeat(bounds::MAX_LENGTH + 1),
            "\\".repeat(60_000),
            "{{a}}".repeat(bounds::MAX_TAGS + 1),
        ];
        for template in too_deep {
            let start: String = template.chars().take(60).collect();
            let started = Instant::now();
            let error = Template::compile(&template).expect_err(&start).errors[0].to_string();
            assert!(
                ["deeper", "bytes", "more than", "does not end"]
                    .iter()
                    .any(|why| error.contains(why)),
                "{start}: {error}"
            );
            assert!(started.elapsed() < Duration::from_secs(2), "{start}");
        }
    });
}

#[test]
fn runs_what_nests_as_deep_as_may_be() {
    on_a_small_stack(|| {
        let depth = bounds::MAX_DEPTH;
        let blocks = nest("{{#if data.yes}}", "x", "{{/if}}", depth);
        check(&blocks, json!("x"));
        let with = nest("{{#with data}}", "", "", 1)
            + &nest(
                "{{#each words}}{{#if @first}}{{#with @root.data}}",
                "x",
                "{{/with}}{{/if}}{{/each}}",
                10,
            )
            + "{{/with}}";
        check(&with, json!("x"));
        let calls = nest("(not ", "data.yes", ")", depth);
        check(&format!("{{{{{calls}}}}}"), json!(true));
        let both = nest(&format!("{{{{#if {calls}}}}}"), "x", "{{/if}}", depth);
        check(&both, json!("x"));
        let lists = nest("(list ", "1", ")", depth);
        assert!(evaluate(&format!("{{{{{lists}}}}}")).is_ok());
        check_refused(
            &format!("{{{{#each data.words}}}}{}", "{{else if a}}".repeat(depth)),
            "deeper",
        );
    });
}

#[test]
fn runs_out_of_fuel_and_of_room() {
    on_a_small_stack(|| {
        let started = Instant::now();
        for template in [
            "{{#each (range 0 1000)}}{{#each (range 0 1000)}}{{#if false}}x{{/if}}{{/each}}{{/each}}",
            "{{#each (range 0 900000)}}{{#if @root.data.no}}x{{/if}}{{/each}}",
            "{{#each (range 0 100000)}}{{@root.data.items}} some text {{/each}}",
            "{{#each (range 0 100000)}}{{json @root}}{{/each}}",
            "{{repeat \"x\" 100000000}}",
            "{{replace (repeat \"x\" 1000000) \"x\" (repeat \"y\" 1000000)}}",
            "{{join (range 0 500000) (repeat \"y\" 1000)}}",
            "{{pad_start \"\" 100000000}}",
            "{{range 0 9000000000}}",
            "{{#each (range 0 300000)}}{{#if (eq (repeat \"x\" 1000000) (repeat \"x\" 1000000))}}{{/if}}{{/each}}",
            "{{#each (range 0 300000)}}{{hash \"sha512\" (repeat \"x\" 1000000)}}{{/each}}",
            "{{#each (range 0 300000)}}{{sort (range 0 1000)}}{{/each}}",
        ] {
            let error = evaluate(template).expect_err(template);
            assert!(
                error.contains("too much work") || error.contains("longer than"),
                "{template}: {error}"
            );
        }
        assert!(
            started.elapsed() < Duration::from_secs(60),
            "{:?}",
            started.elapsed()
        );
    });
}

#[test]
fn six_values_are_falsy() {
    for value in [
        json!(false),
        Value::Null,
        json!(0),
        json!(0.0),
        json!(-0.0),
        json!(""),
        json!([]),
        json!({}),
    ] {
        assert!(!is_truthy(&value), "{value}");
    }
    for value in [
        json!(true),
        json!(-1),
        json!(0.1),
        json!("0"),
        json!("false"),
        json!([0]),
        json!({"a": null}),
    ] {
        assert!(is_truthy(&value), "{value}");
    }
}

#[test]
fn numbers_are_equal_by_what_they_count() {
    assert!(is_equal(&json!({"a": [1, 2.0]}), &json!({"a": [1.0, 2]})));
    assert!(is_equal(&json!({"a": 1, "b": 2}), &json!({"b": 2, "a": 1})));
    assert!(!is_equal(&json!(1), &json!("1")));
    assert!(!is_equal(&json!(u64::MAX), &json!(u64::MAX - 1)));
    assert!(!is_equal(&json!({"a": 1}), &json!({"b": 1})));
    assert!(!is_equal(&json!([1]), &json!([1, 2])));
    assert!(!is_equal(&Value::Null, &json!(false)));
}

#[test]
fn tells_what_is_wrong_in_each_expression() {
    let text = "{{uppr a}} {{_nodes.nope}} {{#if (lowr b)}}{{/if}} {{#each list}}{{trimm this}}{{@index}}{{/each}} {{@index}}";
    let mistakes = Template::compile(text).expect_err("four mistakes");
    let told: Vec<String> = mistakes.errors.iter().map(ToString::to_string).collect();
    for (error, reason) in told.iter().zip(["uppr", "lowr", "trimm", "outside of a block"]) {
        assert!(error.contains(reason), "{told:?}");
    }
    assert_eq!(
        (told.len(), mistakes.nodes.as_slice()),
        (4, &["nope".to_owned()][..])
    );
}
