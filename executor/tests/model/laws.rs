//! One small graph for each sentence of `executor/README.md` that no other test shows: what the model foretells
//! and what the engine does are the same, and are as written here.

use serde_json::{Value, json};

use flowmatic_executor::journal::StepState;

use crate::simulate::foretell;
use crate::told::Write::{Accept, Checkpoint, Finish};
use crate::told::{Case, Life, Told};
use crate::{drive, quiet_scripted_panics, world};

const HEARS_ONE: Life = Life {
    writes: 1,
    hears: true,
};
const HEARS_TWO: Life = Life {
    writes: 2,
    hears: true,
};

mod control;

/// A case of the trigger `t` and the nodes that the edges name: `a.b>c` leaves `a` by its port `b`. They are pure
/// and succeed, unless `special` has their `act`, the `script` of an effect, or what another kind of node is to do;
/// the rest there is of the frame.
fn case(edges: &[&str], special: Value) -> Case {
    let mut nodes = vec![json!({"key": "t", "type": "test.start"})];
    let mut add = |key: &str| {
        if nodes.iter().any(|node| node["key"] == key) {
            return;
        }
        let mut node = json!({"key": key, "type": "test.pure", "parameters": {"of": [], "act": succeed()}});
        for (name, value) in special[key].as_object().into_iter().flatten() {
            match name.as_str() {
                "act" | "of" => node["parameters"][name] = value.clone(),
                "script" => {
                    node["type"] = json!("test.work");
                    node["parameters"] = json!({"of": [], "script": value});
                }
                "each" | "while" | "wait" => {
                    node["type"] = json!(format!("test.{name}"));
                    node["parameters"] = value.clone();
                }
                "child" => {
                    node["type"] = json!("test.child");
                    node["parameters"] = json!({"child": value});
                }
                "trigger" => node = json!({"key": key, "type": "test.start"}),
                _ => node[name] = value.clone(),
            }
        }
        nodes.push(node);
    };
    let mut graph_edges = Vec::new();
    for edge in edges {
        let (from, to) = edge.split_once('>').expect("an edge has an arrow");
        let (from, port) = match from.split_once('.') {
            Some((from, port)) => (from, Some(port)),
            None => (from, None),
        };
        add(from);
        add(to);
        graph_edges.push(match port {
            Some(port) => json!({"from": from, "port": port, "to": to}),
            None => json!({"from": from, "to": to}),
        });
    }
    for key in special.as_object().into_iter().flatten().map(|(key, _)| key) {
        if key != "settings" {
            add(key);
        }
    }
    let settings = special.get("settings").cloned().unwrap_or_else(|| json!({}));
    let graph = json!({"nodes": nodes, "edges": graph_edges, "settings": settings});
    Case::from_json(
        &json!({"graph": graph, "cancel_at": null, "signals": [], "is_awaited": true, "outage": 100}),
    )
}

fn act(does: &str) -> Value {
    json!({"does": does, "ports": ["a"]})
}

fn succeed() -> Value {
    act("succeed")
}

/// An effect's only act, which takes so long and a little more.
fn after(ms: u64, does: &str) -> Value {
    json!({"does": does, "ms": ms, "ports": ["a"]})
}

fn told(case: &Case, lives: &[Life]) -> Told {
    quiet_scripted_panics();
    let model = foretell(case, lives).expect("nothing happens at the same time");
    let engine = drive::run(case, &world::catalogue(), lives)
        .expect("it ends well")
        .told;
    if let Some(difference) = engine.differs_from(&model) {
        panic!("{difference}");
    }
    engine
}

/// Asserts how it ends (with the code and the node of the error), the node of its result, and the steps: `-a` was
/// skipped, `!a` failed, `~a` was cancelled, `a2` took two attempts.
fn check(case: &Case, lives: &[Life], expected: &str) {
    assert_eq!(in_words(&told(case, lives)), expected);
}

fn in_words(told: &Told) -> String {
    let mut words = vec![format!("{:?}", told.status).to_lowercase()];
    if let Some(error) = &told.error {
        words.push(match &error.node {
            Some(node) => format!("{}@{node}", error.code),
            None => error.code.clone(),
        });
    }
    words.push(format!("={}", told.result.as_deref().unwrap_or_default()));
    for (path, step) in &told.steps {
        let mark = match step.status {
            StepState::Completed => "",
            StepState::Skipped => "-",
            StepState::Failed => "!",
            StepState::Cancelled => "~",
        };
        let attempts = match step.attempts {
            0 | 1 => String::new(),
            more => more.to_string(),
        };
        words.push(format!("{mark}{path}{attempts}"));
    }
    words.join(" ")
}

fn cancelled(case: Case, at: u64) -> Case {
    Case {
        cancel_at: Some(at),
        ..case
    }
}

#[test]
fn an_execution_begins_at_one_trigger() {
    let case = case(&["t>a", "u>b", "lonely>c"], json!({"u": {"trigger": true}}));
    check(&case, &[], "completed =a a -b -c -lonely -u");
    let told = told(&case, &[]);
    let reason = |path: &str| told.steps[path].reason.clone().unwrap_or_default();
    assert_eq!(reason("u"), "the execution started at `t`");
    assert_eq!(reason("lonely"), "nothing leads to it");
    assert_eq!(reason("b"), "no edge to it was taken");
}

#[test]
fn a_node_runs_once_when_all_edges_to_it_are_decided() {
    let edges = ["t>slow", "t>way", "slow>c", "way>c", "way.b>c"];
    check(
        &case(&edges, json!({"slow": {"script": [after(500, "succeed")]}})),
        &[],
        "completed =c c slow way",
    );
}

#[test]
fn a_node_to_which_no_edge_was_taken_is_skipped_and_so_is_what_follows() {
    check(
        &case(&["t>a", "a.b>c", "c>d"], json!({})),
        &[],
        "completed =a a -c -d",
    );
}

#[test]
fn join_all_is_skipped_where_an_edge_was_skipped() {
    let join = json!({"c": {"join": "all"}});
    let case = case(&["t>a", "t>b", "a>c", "b.b>c"], join);
    check(&case, &[], "completed =b a b -c");
    let reason = told(&case, &[]).steps["c"].reason.clone();
    assert_eq!(reason.as_deref(), Some("only 1 of 2 edges to it were taken"));
}

#[test]
fn join_first_runs_at_the_first_taken_edge_and_never_again() {
    let script = |ms: u64| json!({"script": [after(ms, "succeed")]});
    let special = json!({"fast": script(1), "slow": script(5_000), "c": {"join": "first", "script": [after(1, "succeed")]}});
    let first = case(&["t>fast", "t>slow", "fast>c", "slow>c"], special);
    check(&first, &[], "completed =slow c fast slow");
    let told = told(&first, &[]);
    assert!(told.steps["c"].finished_at < told.steps["slow"].finished_at);
    // An edge that is not taken does not count, and where none is, it is skipped.
    let none = json!({"c": {"join": "first"}});
    check(
        &case(&["t>a", "t>b", "a.b>c", "b>c"], none.clone()),
        &[],
        "completed =c a b c",
    );
    check(
        &case(&["t>a", "t>b", "a.b>c", "b.b>c"], none),
        &[],
        "completed =b a b -c",
    );
}

#[test]
fn a_disabled_node_is_skipped_and_passes_the_edge_on_by_its_first_port() {
    let case = case(&["t>a", "a>b", "a.b>c"], json!({"a": {"disabled": true}}));
    check(&case, &[], "completed =b -a b -c");
    let told = told(&case, &[]);
    assert_eq!(told.steps["a"].reason.as_deref(), Some("it is disabled"));
    assert_eq!(told.steps["a"].output, Value::Null);
}

#[test]
fn a_node_leaves_by_the_ports_it_names() {
    let by = |ports: Value| json!({"a": {"act": {"does": "succeed", "ports": ports}}});
    let edges = ["t>a", "a>x", "a.b>y"];
    check(&case(&edges, by(json!(["a", "b"]))), &[], "completed =y a x y");
    check(&case(&edges, by(json!([]))), &[], "completed =a a -x -y");
}

#[test]
fn so_many_nodes_run_in_one_turn() {
    let chain = |length: usize| -> Vec<String> {
        let key = |place: usize| match place {
            0 => "t".to_owned(),
            place => format!("n{place}"),
        };
        (0..length)
            .map(|place| format!("{}>{}", key(place), key(place + 1)))
            .collect()
    };
    let of = |length: usize, special: Value| {
        let edges = chain(length);
        let mut edges: Vec<&str> = edges.iter().map(String::as_str).collect();
        edges.push("t>e");
        told(&case(&edges, special), &[])
    };
    // The last one is accepted first: two turns have passed, of which the first is before the accept.
    assert_eq!(of(63, json!({})).writes, [(Finish, 0)]);
    assert_eq!(of(64, json!({})).writes, [(Accept, 0), (Finish, 0)]);
    // An effect begins before the failure of a node that is more than two turns away.
    let effect = json!({"script": [after(1, "succeed")]});
    for (length, calls) in [(100, 0), (200, 1)] {
        let mut special = json!({"e": effect});
        special[format!("n{length}")] = json!({"act": act("panic")});
        assert_eq!(of(length, special).calls.len(), calls, "{length}");
    }
}

#[test]
fn a_retry_shares_what_had_ended_well_or_was_handled() {
    let effect = |does: &str| json!({"script": [after(1, does)]});
    let special = json!({
        "a": effect("succeed"), "b": {"act": act("panic"), "on_error": "continue"}, "d": effect("fail_for_good"),
        "l": {"each": {"items": [0, 1], "concurrency": 1, "goes_on": false}},
        "i": {"parent": "l", "script": [after(1, "succeed")]}
    });
    let case = case(&["t>a", "a>b", "b.b>c", "b>l", "l>d"], special);
    quiet_scripted_panics();
    let first = drive::run(&case, &world::catalogue(), &[]).expect("it ends well");
    let ended = "failed for_good@d =l a !b -c !d l l[0] l[0]/i l[1] l[1]/i";
    assert_eq!(in_words(&first.told), ended);
    let again = drive::retry(&case, &world::catalogue(), first).expect("it is taken up");
    assert_eq!(in_words(&again), ended);
    let called: Vec<&str> = again.calls.iter().map(|(_, path)| path.as_str()).collect();
    assert_eq!(called, ["d"]);
}

#[test]
fn what_is_ready_first_runs_first() {
    let panics = json!({"a": {"act": act("panic")}});
    check(
        &case(&["t>a", "t>b"], panics.clone()),
        &[],
        "failed panic@a = !a ~b",
    );
    check(&case(&["t>b", "t>a"], panics), &[], "failed panic@a =b !a b");
}

#[test]
fn of_nodes_skipped_together_the_last_one_goes_on_first() {
    let edges = ["t>p", "t>one", "t>two", "p.b>y", "p.b>z", "y>one", "z>two"];
    let case = case(&edges, json!({"two": {"act": act("panic")}}));
    check(&case, &[], "failed panic@two =p ~one p !two -y -z");
}

#[test]
fn pure_nodes_run_before_any_effect_begins() {
    let special = json!({"e": {"script": [after(1, "succeed")]}, "a": {"act": act("fail_for_good")}});
    let case = case(&["t>e", "t>a"], special);
    check(&case, &[], "failed for_good@a = !a ~e");
    assert!(told(&case, &[]).calls.is_empty());
}

#[test]
fn a_failure_lets_effects_in_flight_end_and_starts_nothing_more() {
    let special = json!({
        "bad": {"script": [after(1, "fail_for_good")]}, "slow": {"script": [after(2_000, "succeed")]}
    });
    check(
        &case(&["t>bad", "t>slow", "slow>next", "bad>never"], special),
        &[],
        "failed for_good@bad =slow !bad ~next slow",
    );
}

#[test]
fn the_first_failure_is_the_error() {
    let special = json!({
        "one": {"script": [after(1_000, "panic")]}, "two": {"script": [after(1, "fail_for_good")]}
    });
    check(
        &case(&["t>one", "t>two"], special),
        &[],
        "failed for_good@two = !one !two",
    );
}

#[test]
fn a_handled_failure_is_an_output() {
    for (on_error, steps) in [
        ("continue", "completed =go !a go -rescue"),
        ("branch", "completed =rescue !a -go rescue"),
    ] {
        let special = json!({"a": {"act": act("fail_for_good"), "on_error": on_error}});
        let mut edges = vec!["t>a", "a>go"];
        if on_error == "branch" {
            edges.push("a.error>rescue");
        } else {
            edges.push("a.b>rescue");
        }
        let case = case(&edges, special);
        check(&case, &[], steps);
        let output = told(&case, &[]).steps["a"].output.clone();
        assert_eq!(output["error"]["code"], "for_good");
        assert!(output["error"]["data"].is_number());
    }
}

#[test]
fn attempts_are_for_effects_and_for_what_may_pass() {
    let retry = json!({"max_attempts": 3, "initial": "10ms"});
    let of = |does: &str| json!({"a": {"script": [after(1, does), after(1, "succeed")], "retry": retry}});
    check(&case(&["t>a"], of("fail_for_now")), &[], "completed =a a2");
    check(&case(&["t>a"], of("fail_busy")), &[], "completed =a a2");
    check(
        &case(&["t>a"], of("fail_for_good")),
        &[],
        "failed for_good@a = !a",
    );
    check(&case(&["t>a"], of("panic")), &[], "failed panic@a = !a");
    let mut slow = of("hang");
    slow["a"]["timeout"] = json!("1s");
    check(&case(&["t>a"], slow), &[], "completed =a a2");
    let pure = json!({"a": {"act": act("fail_for_now"), "retry": retry}});
    check(&case(&["t>a"], pure), &[], "failed for_now@a = !a");
}

#[test]
fn the_wait_before_another_attempt_ends_with_the_execution() {
    let again = json!({"script": [after(1, "fail_for_now")], "retry": {"max_attempts": 5, "initial": "1h", "max": "1h"}});
    let cancel = cancelled(case(&["t>a"], json!({"a": again})), 5_000);
    check(&cancel, &[], "cancelled cancelled = !a");
    let deadline = json!({"a": again, "settings": {"timeout": "5s"}});
    check(&case(&["t>a"], deadline), &[], "timedout timeout = !a");
    let beside = json!({"a": again, "b": {"script": [after(3_000, "panic")]}});
    check(&case(&["t>a", "t>b"], beside), &[], "failed panic@b = !a !b");
}

#[test]
fn a_cancel_lets_effects_in_flight_end_and_starts_nothing_more() {
    let special = json!({"a": {"script": [after(3_000, "succeed")]}});
    let case = cancelled(case(&["t>a", "a>b", "b>c"], special), 1_000);
    check(&case, &[], "cancelled cancelled =a a ~b");
}

#[test]
fn an_attempt_counts_when_it_has_begun() {
    let again = json!({
        "script": [after(1, "fail_for_now")], "retry": {"max_attempts": 2, "initial": "5s", "jitter": 0}
    });
    let special = json!({"a": again, "slow": {"script": [after(9_000, "succeed")]}});
    // The process dies while `a` waits. The next one is told to end before the wait is over, and ends after.
    let case = cancelled(case(&["t>a", "t>slow"], special), 2_000);
    let dies = Life {
        writes: 2,
        hears: false,
    };
    check(&case, &[dies], "cancelled cancelled =slow ~a slow");
    assert_eq!(told(&case, &[dies]).steps["a"].attempts, 1);
}

#[test]
fn the_time_out_of_an_execution_cuts_effects_off() {
    let special = json!({
        "a": {"script": [after(1, "succeed")]}, "b": {"script": [after(9_000, "succeed")]}, "settings": {"timeout": "2s"}
    });
    check(
        &case(&["t>a", "t>b", "b>c"], special),
        &[],
        "timedout timeout =a a ~b",
    );
}

#[test]
fn the_result_is_the_first_answer_or_else_what_ended_last() {
    let effect = |ms: u64, does: &str| json!({"script": [after(ms, does)]});
    let edges = ["t>a", "t>b", "t>c"];
    let last =
        json!({"a": effect(4_000, "succeed"), "b": effect(2_000, "succeed"), "c": effect(1, "succeed")});
    check(&case(&edges, last), &[], "completed =a a b c");
    let answer =
        json!({"a": effect(4_000, "answer"), "b": effect(2_000, "answer"), "c": effect(1, "succeed")});
    let case = case(&edges, answer);
    check(&case, &[], "completed =b a b c");
    let told = told(&case, &[]);
    assert!(told.steps["b"].answered && !told.steps["a"].answered);
}

#[test]
fn what_failed_is_no_result() {
    let special = json!({"b": {"act": act("fail_for_good"), "on_error": "continue"}});
    check(&case(&["t>a", "a>b"], special), &[], "completed =a a !b");
}

#[test]
fn pure_nodes_alone_are_one_write() {
    assert_eq!(told(&case(&["t>a", "a>b"], json!({})), &[]).writes, [(Finish, 0)]);
}

#[test]
fn the_journal_is_written_when_effects_come_back() {
    let effect = |ms: u64| json!({"script": [after(ms, "succeed")]});
    let told = told(
        &case(
            &["t>a", "t>b", "a>c"],
            json!({"a": effect(1), "b": effect(2_000)}),
        ),
        &[],
    );
    let ended = |path: &str| told.steps[path].finished_at.expect("it ran");
    let writes = [(Accept, 0), (Checkpoint, ended("a")), (Finish, ended("b"))];
    assert_eq!(told.writes, writes);
}

#[test]
fn what_must_not_run_twice_is_noted_before_it_runs() {
    let special = json!({"a": {"script": [after(1, "succeed")], "on_crash": "fail"}});
    let case = case(&["t>a"], special);
    assert_eq!(told(&case, &[]).writes[..2], [(Accept, 0), (Checkpoint, 0)]);
    // Where the note is not durable, it was not called.
    check(&case, &[HEARS_ONE], "completed =a a");
    check(&case, &[HEARS_TWO], "failed crashed@a = !a");
}

#[test]
fn attempts_and_the_wait_between_them_go_on_after_a_crash() {
    let script = [after(1, "fail_for_now"), after(1, "succeed")];
    let retry = json!({"max_attempts": 2, "initial": "10s", "jitter": 0});
    let case = case(&["t>a"], json!({"a": {"script": script, "retry": retry}}));
    check(&case, &[], "completed =a a2");
    // It dies during the wait, in the moment in which the first attempt's failure is durable.
    let dies = Life {
        writes: 2,
        hears: false,
    };
    check(&case, &[dies], "completed =a a2");
    let told = told(&case, &[dies]);
    let (_, failed_at) = told.writes[1];
    assert_eq!(told.calls[1].0, failed_at + 10_000);
}

#[test]
fn the_time_out_begins_anew_after_a_crash() {
    let special = json!({
        "a": {"script": [after(1_000, "succeed")]}, "b": {"script": [after(1_000, "succeed")]},
        "settings": {"timeout": "2500ms"}
    });
    let case = Case {
        outage: 60_000,
        ..case(&["t>a", "a>b"], special)
    };
    check(&case, &[HEARS_TWO], "completed =b a b");
}

#[test]
fn a_cancel_during_an_outage_is_not_lost() {
    let special = json!({"a": {"script": [after(1, "succeed")]}, "b": {"script": [after(5_000, "succeed")]}});
    let mut case = cancelled(case(&["t>a", "t>b"], special), 6_000);
    case.outage = 10_000;
    // What was under way is not called again, and told of once.
    check(&case, &[HEARS_TWO], "cancelled cancelled =a a ~b");
    assert_eq!(told(&case, &[HEARS_TWO]).calls.len(), 2);
}

#[test]
fn three_recoveries_without_progress_are_the_end() {
    let still = Life {
        writes: 0,
        hears: true,
    };
    let case = case(&["t>a"], json!({"a": {"script": [after(1, "succeed")]}}));
    check(&case, &[HEARS_ONE, still], "completed =a a");
    check(&case, &[HEARS_ONE, still, still], "failed crash_loop = ~a");
}
