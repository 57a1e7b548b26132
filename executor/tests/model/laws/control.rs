//! Loops, waits and calls.

use serde_json::{Value, json};

use super::{HEARS_ONE, HEARS_TWO, act, after, cancelled, case, check, told};
use crate::told::Write::{Accept, Checkpoint, Park};
use crate::told::{Case, Life, Signal};

/// Dies in the moment in which its second write is durable.
const AT_SECOND: Life = Life {
    writes: 2,
    hears: false,
};

fn each(count: usize, concurrency: usize, goes_on: bool) -> Value {
    let items: Vec<usize> = (0..count).collect();
    json!({"items": items, "concurrency": concurrency, "goes_on": goes_on})
}

/// An effect in a loop.
fn inside(of: &str, script: Value) -> Value {
    json!({"parent": of, "script": script})
}

fn wait(ms: u64) -> Value {
    json!({"wait": {"ms": ms, "signal": false}})
}

fn child(ms: u64, succeeds: bool) -> Value {
    json!({"child": {"ms": ms, "is_awaited": true, "succeeds": succeeds}})
}

/// Nobody waits for its answer: it may leave memory.
fn unattended(case: Case) -> Case {
    Case {
        is_awaited: false,
        ..case
    }
}

#[test]
fn an_iteration_begins_with_all_that_nothing_leads_to() {
    let special = json!({
        "l": {"each": each(1, 1, false)}, "a": {"parent": "l"}, "b": {"parent": "l"}, "c": {"parent": "l"}
    });
    check(
        &case(&["t>l", "a.b>c"], special),
        &[],
        "completed =l l l[0] l[0]/a l[0]/b -l[0]/c",
    );
}

#[test]
fn as_many_iterations_are_under_way_as_the_loop_allows() {
    let special =
        json!({"l": {"each": each(4, 2, false)}, "e": inside("l", json!([after(1_000, "succeed")]))});
    let told = told(&case(&["t>l"], special), &[]);
    let ends: Vec<u64> = told.steps.values().filter_map(|step| step.finished_at).collect();
    for (at, path) in &told.calls[2..] {
        let is_free = ends.contains(at);
        assert!(is_free, "{path} begins when no iteration ends: {:?}", told.calls);
    }
    assert_eq!(told.calls.iter().filter(|(at, _)| *at == 0).count(), 2);
}

#[test]
fn a_failed_item_lets_effects_in_flight_end_and_begins_nothing_more() {
    let special = json!({
        "l": {"each": each(3, 2, false)},
        "e": inside("l", json!([after(1, "fail_for_good")])), "slow": inside("l", json!([after(2_000, "succeed")])),
        "next": {"parent": "l"}
    });
    // The second item is not begun: `e` of the first fails while `slow` of both is in flight.
    let case = case(&["t>l", "slow>next"], special);
    let told = told(&case, &[]);
    assert_eq!(
        told.error.as_ref().map(|error| error.code.as_str()),
        Some("for_good")
    );
    assert_eq!(told.calls.len(), 4, "{:?}", told.calls);
    check(
        &case,
        &[],
        "failed for_good@l = !l !l[0] !l[0]/e ~l[0]/next l[0]/slow !l[1] !l[1]/e ~l[1]/next l[1]/slow",
    );
}

#[test]
fn the_time_out_of_a_loop_drops_what_is_inside() {
    let special = json!({
        "l": {"each": each(2, 1, true), "timeout": "1s", "on_error": "branch"},
        "e": inside("l", json!([after(5_000, "succeed")])), "next": {"script": [after(1, "succeed")]}
    });
    let case = case(&["t>l", "l.error>next"], special);
    check(&case, &[], "completed =next !l ~l[0] ~l[0]/e next");
    let told = told(&case, &[]);
    assert_eq!(told.steps["l"].error.as_deref(), Some("timeout"));
    // What follows begins only when the journal knows.
    assert_eq!(told.writes[..2], [(Accept, 0), (Checkpoint, 1_000)]);
}

#[test]
fn the_time_out_of_a_loop_begins_anew_after_a_crash() {
    let special = json!({
        "l": {"each": each(2, 1, false), "timeout": "3s"}, "e": inside("l", json!([after(1_000, "succeed")]))
    });
    let case = Case {
        outage: 60_000,
        ..case(&["t>l"], special)
    };
    check(&case, &[HEARS_TWO], "completed =l l l[0] l[0]/e l[1] l[1]/e");
}

#[test]
fn an_iteration_in_which_something_was_left_out_is_cancelled() {
    let dropped = json!({
        "l": {"each": each(1, 1, false), "timeout": "1s"}, "slow": inside("l", json!([after(5_000, "succeed")])),
        "quick": {"parent": "l"}
    });
    let words = "failed timeout@l = !l ~l[0] l[0]/quick ~l[0]/slow";
    check(&case(&["t>l"], dropped), &[], words);
}

#[test]
fn a_call_that_has_not_begun_is_no_attempt() {
    let special = json!({
        "l": {"each": each(1, 1, false)}, "c": {"parent": "l", "child": {"ms": 1, "is_awaited": true, "succeeds": true}},
        "bad": {"parent": "l", "act": act("panic")}
    });
    let case = case(&["t>l"], special);
    check(&case, &[], "failed panic@l = !l !l[0] !l[0]/bad ~l[0]/c");
    assert_eq!(told(&case, &[]).steps["l[0]/c"].attempts, 0);
}

#[test]
fn an_answer_in_a_loop_is_the_result_and_stays_it_after_a_crash() {
    let special = json!({
        "l": {"each": each(1, 1, false)}, "e": inside("l", json!([after(1, "answer")])),
        "next": {"script": [after(1, "answer")]}
    });
    let case = case(&["t>l", "l>next"], special);
    for lives in [&[][..], &[AT_SECOND]] {
        check(&case, lives, "completed =l[0]/e l l[0] l[0]/e next");
    }
}

#[test]
fn an_iteration_that_ends_with_a_skip_goes_on_after_a_crash() {
    let special = json!({
        "l": {"each": each(2, 1, false)}, "e": inside("l", json!([after(1, "succeed")])), "no": {"parent": "l"}
    });
    let case = case(&["t>l", "e.b>no"], special);
    let expected = "completed =l l l[0] l[0]/e -l[0]/no l[1] l[1]/e -l[1]/no";
    for lives in [&[][..], &[AT_SECOND], &[HEARS_TWO]] {
        check(&case, lives, expected);
    }
}

#[test]
fn effects_in_flight_in_a_stopped_iteration_are_repeated_after_a_crash() {
    let special = json!({
        "l": {"each": each(1, 1, false)}, "bad": inside("l", json!([after(1, "fail_for_good")])),
        "m": {"parent": "l", "each": each(1, 1, false)}, "slow": inside("m", json!([after(2_000, "succeed")]))
    });
    let case = case(&["t>l"], special);
    let expected = "failed for_good@l = !l !l[0] !l[0]/bad ~l[0]/m l[0]/m[0] l[0]/m[0]/slow";
    for lives in [&[][..], &[AT_SECOND]] {
        check(&case, lives, expected);
        assert_eq!(told(&case, lives).calls.len(), 2 + lives.len());
    }
}

#[test]
fn what_must_not_run_twice_is_found_in_a_loop_too() {
    let mut effect = inside("l", json!([after(1, "succeed")]));
    effect["on_crash"] = json!("fail");
    let special = json!({"l": {"each": each(1, 1, false)}, "e": effect});
    check(
        &case(&["t>l"], special),
        &[HEARS_TWO],
        "failed crashed@l = !l !l[0] !l[0]/e",
    );
}

#[test]
fn waits_end_at_once_with_the_execution() {
    let special = json!({
        "w": wait(1_000), "c": child(1_500, true), "bad": {"script": [after(1, "fail_for_good")]},
        "slow": {"script": [after(9_000, "succeed")]}
    });
    let case = case(&["t>w", "t>c", "t>bad", "t>slow"], special);
    check(&case, &[], "failed for_good@bad =slow !bad ~c slow ~w");
}

#[test]
fn an_early_end_cancels_the_executions_it_waits_for() {
    let special = json!({"c": child(60_000, true)});
    let attended = cancelled(case(&["t>c"], special), 5_000);
    for case in [attended.clone(), unattended(attended)] {
        check(&case, &[], "cancelled cancelled = ~c");
        assert!(told(&case, &[]).has_cancelled_children);
    }
}

#[test]
fn a_long_wait_leaves_memory_unless_somebody_waits_for_the_answer() {
    let case = case(
        &["t>w", "w>e"],
        json!({"w": wait(60_000), "e": {"script": [after(1, "succeed")]}}),
    );
    let until = told(&case, &[]).steps["w"].finished_at.expect("it ended");
    assert_eq!(told(&case, &[]).writes[..2], [(Accept, 0), (Checkpoint, until)]);
    let writes = [(Accept, 0), (Park, 0), (Checkpoint, until)];
    assert_eq!(told(&unattended(case), &[]).writes[..3], writes);
}

#[test]
fn a_wait_counts_from_the_last_record() {
    let case = Case {
        outage: 3_000,
        ..case(&["t>w"], json!({"w": wait(10_000)}))
    };
    let until = told(&case, &[]).steps["w"].finished_at;
    let at_first = Life {
        writes: 1,
        hears: false,
    };
    assert_eq!(told(&case, &[at_first]).steps["w"].finished_at, until);
}

#[test]
fn what_is_overdue_ends_in_the_order_in_which_it_was_due() {
    let special = json!({
        "late": wait(5_000), "early": wait(3_000), "one": {"act": act("panic")}, "two": {"act": act("fail_for_good")}
    });
    let case = Case {
        outage: 60_000,
        ..case(&["t>late", "t>early", "late>one", "early>two"], special)
    };
    check(
        &case,
        &[HEARS_ONE],
        "failed for_good@two =late early late ~one !two",
    );
}

#[test]
fn signals_are_taken_in_when_all_is_under_way_again() {
    let special = json!({
        "w": {"wait": {"ms": 90_000, "signal": true}}, "e": {"script": [after(5_000, "succeed")]}
    });
    let case = Case {
        signals: vec![Signal {
            at: 1_000,
            path: "w".to_owned(),
            payload: json!({"by": "hand"}),
        }],
        outage: 2_000,
        ..case(&["t>w", "t>e"], special)
    };
    // It dies when the signal has come. `e` is called again with the bytes of before, `now` among them: else this
    // would not end well.
    check(&case, &[HEARS_ONE], "completed =e e w");
    assert_eq!(told(&case, &[HEARS_ONE]).steps["w"].output, json!({"by": "hand"}));
}

#[test]
fn a_time_out_that_the_workflow_sets_counts_rests() {
    let special = json!({
        "w": wait(60_000), "again": wait(60_000), "settings": {"timeout": "90s"}
    });
    let case = unattended(case(&["t>w", "w>again"], special));
    check(&case, &[], "timedout timeout =w ~again w");
}

#[test]
fn the_usual_time_out_does_not_count_rests() {
    let case = unattended(case(
        &["t>w", "w>again"],
        json!({"w": wait(3_000_000), "again": wait(3_000_000)}),
    ));
    check(&case, &[], "completed =again again w");
}

#[test]
fn a_rest_is_progress() {
    let still = Life {
        writes: 0,
        hears: true,
    };
    let case = unattended(case(
        &["t>w", "w>e"],
        json!({"w": wait(60_000), "e": {"script": [after(1, "succeed")]}}),
    ));
    // It dies twice before it rests, and once after.
    check(&case, &[HEARS_ONE, still, HEARS_ONE, still], "completed =e e w");
}
