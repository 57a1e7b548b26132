//! Random graphs without mistakes. What is drawn is a list of plain specifications, each after those that lead to
//! it, so that it shrinks well; [`build`] makes the graph of it.

mod build;

use flowmatic_openapi::{Join, OnCrash, OnError};
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::world::{Act, Child, Does, PORTS};

/// How deep loops are drawn in each other.
const DEPTH: u32 = 2;

/// What is drawn.
#[derive(Debug, Clone)]
pub struct Draft {
    nodes: Vec<Spec>,
    timeout: Option<u64>,
    cancel_at: Option<u64>,
    is_awaited: bool,
    outage: u64,
}

#[derive(Debug, Clone)]
struct Spec {
    kind: Kind,
    /// From which node before, and by which of its ports; both are taken modulo how many there are.
    incoming: Vec<(usize, usize)>,
    /// What it sees, of what is decided before it for certain.
    of: Vec<(usize, Form)>,
    join: Option<Join>,
    on_error: Option<OnError>,
    on_crash: Option<OnCrash>,
    disabled: bool,
    retry: Option<Value>,
    timeout: Option<u64>,
}

#[derive(Debug, Clone)]
enum Kind {
    Trigger,
    Pure(Act),
    Work(Vec<Act>),
    Each {
        items: Items,
        concurrency: usize,
        goes_on: bool,
        body: Vec<Spec>,
    },
    While {
        count: usize,
        most: usize,
        body: Vec<Spec>,
    },
    Wait {
        ms: u64,
        /// When a signal comes for it, where it waits for one; in a loop, for the first iteration.
        signal: Option<Option<u64>>,
    },
    Call(Child),
}

#[derive(Debug, Clone)]
enum Items {
    Count(usize),
    /// Whatever a node gave: no list.
    NoList,
}

#[derive(Debug, Clone, Copy)]
enum Form {
    Plain,
    /// A field that its output has not.
    Missing,
    Default,
    Saved,
    /// What the iteration is about.
    Item,
    Index,
    Count,
}

pub fn drafts() -> impl Strategy<Value = Draft> {
    (
        vec(spec(DEPTH, true), 1..12),
        option::weighted(0.1, 100_u64..9_000),
        option::weighted(0.2, 1_u64..9_000),
        any::<bool>(),
        0_u64..3_000,
    )
        .prop_map(|(nodes, timeout, cancel_at, is_awaited, outage)| Draft {
            nodes,
            timeout,
            cancel_at,
            is_awaited,
            outage,
        })
}

fn spec(depth: u32, is_top: bool) -> BoxedStrategy<Spec> {
    let join = prop_oneof![
        5 => Just(None),
        1 => Just(Some(Join::AllDecided)),
        2 => Just(Some(Join::All)),
        2 => Just(Some(Join::First)),
    ];
    let on_error = prop_oneof![
        3 => Just(None),
        1 => Just(Some(OnError::Fail)),
        3 => Just(Some(OnError::Continue)),
        3 => Just(Some(OnError::Branch)),
    ];
    let port = prop_oneof![5 => Just(0_usize), 1 => Just(1), 2 => Just(2)];
    let edge = (0_usize..10_000, port);
    let incoming = prop_oneof![1 => Just(Vec::new()), 20 => vec(edge, 1..4)];
    let form = prop_oneof![
        6 => Just(Form::Plain),
        1 => Just(Form::Missing),
        6 => Just(Form::Default),
        6 => Just(Form::Saved),
        6 => Just(Form::Item),
        6 => Just(Form::Index),
        6 => Just(Form::Count),
    ];
    let frame = (
        option::weighted(0.1, Just(OnCrash::Fail)),
        prop::bool::weighted(0.07),
        option::weighted(0.4, retry()),
        option::weighted(0.2, 50_u64..2_000),
    );
    (
        kind(depth, is_top),
        incoming,
        vec((0_usize..100, form), 0..3),
        join,
        on_error,
        frame,
    )
        .prop_map(
            |(kind, incoming, of, join, on_error, (on_crash, disabled, retry, timeout))| Spec {
                kind,
                incoming,
                of,
                join,
                on_error,
                on_crash,
                disabled,
                retry,
                timeout,
            },
        )
        .boxed()
}

fn kind(depth: u32, is_top: bool) -> BoxedStrategy<Kind> {
    let pure = prop_oneof![
        12 => Just(Does::Succeed),
        1 => Just(Does::Answer),
        2 => Just(Does::FailForGood),
        1 => Just(Does::FailForNow),
        1 => Just(Does::Panic),
    ];
    let work = prop_oneof![
        8 => Just(Does::Succeed),
        1 => Just(Does::Answer),
        3 => Just(Does::FailForNow),
        1 => Just(Does::FailBusy),
        1 => Just(Does::FailForGood),
        1 => Just(Does::Panic),
        1 => Just(Does::Hang),
    ];
    let pure = act(pure, Just(0).boxed()).prop_map(Kind::Pure);
    let work = vec(act(work, (1_u64..3_000).boxed()), 1..4).prop_map(Kind::Work);
    let trigger = match is_top {
        true => Just(Kind::Trigger).boxed(),
        false => pure.clone().boxed(),
    };
    let simple = prop_oneof![1 => trigger, 15 => pure, 20 => work, 6 => wait(), 3 => call()];
    if depth == 0 {
        return simple.boxed();
    }
    prop_oneof![6 => simple, 1 => each(depth - 1), 1 => repeat(depth - 1)].boxed()
}

fn act(
    does: impl Strategy<Value = Does> + Clone,
    ms: BoxedStrategy<u64>,
) -> impl Strategy<Value = Act> + Clone {
    let ports = prop_oneof![
        8 => Just(vec![PORTS[0]]),
        3 => Just(vec![PORTS[1]]),
        2 => Just(PORTS.to_vec()),
        1 => Just(vec![]),
    ];
    (does, ms, ports).prop_map(|(does, ms, ports)| Act {
        does,
        ms,
        ports: ports.into_iter().map(str::to_owned).collect(),
    })
}

fn wait() -> impl Strategy<Value = Kind> {
    let signal = option::weighted(0.5, option::weighted(0.7, 1_u64..6_000));
    (0_u64..5_000, signal).prop_map(|(ms, signal)| Kind::Wait { ms, signal })
}

fn call() -> impl Strategy<Value = Kind> {
    (0_u64..5_000, prop::bool::weighted(0.8), prop::bool::weighted(0.7)).prop_map(
        |(ms, is_awaited, succeeds)| {
            Kind::Call(Child {
                ms,
                is_awaited,
                succeeds,
            })
        },
    )
}

fn each(depth: u32) -> impl Strategy<Value = Kind> {
    let items = prop_oneof![10 => (0_usize..4).prop_map(Items::Count), 1 => Just(Items::NoList)];
    (items, 1_usize..4, any::<bool>(), vec(spec(depth, false), 1..4)).prop_map(
        |(items, concurrency, goes_on, body)| Kind::Each {
            items,
            concurrency,
            goes_on,
            body,
        },
    )
}

fn repeat(depth: u32) -> impl Strategy<Value = Kind> {
    (0_usize..4, 1_usize..5, vec(spec(depth, false), 1..4)).prop_map(|(count, most, body)| Kind::While {
        count,
        most,
        body,
    })
}

fn retry() -> impl Strategy<Value = Value> {
    (
        1_u32..4,
        0_u64..2_000,
        1_u64..4_000,
        prop_oneof![Just(1.0), Just(1.5), Just(2.0)],
        prop_oneof![Just(0.0), Just(0.2), Just(1.0)],
    )
        .prop_map(|(max_attempts, initial, max, factor, jitter)| {
            json!({
                "max_attempts": max_attempts, "initial": format!("{initial}ms"), "max": format!("{max}ms"),
                "factor": factor, "jitter": jitter
            })
        })
}
