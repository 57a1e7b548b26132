//! The engine against a model that follows the sentences of `executor/README.md`: random graphs, and a crash at
//! every write of the journal in turn. How to try more of them is written there.

mod drive;
mod graphs;
mod kinds;
mod laws;
mod simulate;
mod told;
mod world;

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, Once};

use flowmatic_executor::Catalogue;
use flowmatic_openapi::ExecutionStatus;
use proptest::test_runner::{Config, RngSeed, TestCaseError, TestError, TestRunner};
use serde_json::Value;

use crate::graphs::drafts;
use crate::kinds::{Kinds, Run};
use crate::simulate::foretell;
use crate::told::{Case, Life};
use crate::world::lock;

/// How many graphs are tried where nobody says how many.
const CASES: u64 = 600;

#[test]
fn the_engine_does_what_the_model_foretells_and_a_crash_changes_nothing() {
    quiet_scripted_panics();
    if let Ok(path) = std::env::var("FLOWMATIC_MODEL_CASE") {
        return try_file(&path);
    }
    let number = |name: &str| {
        let text = std::env::var(name).ok()?;
        Some(text.parse::<u64>().expect("a number"))
    };
    let seeds = match (number("FLOWMATIC_MODEL_SEED"), number("FLOWMATIC_MODEL_CASES")) {
        (Some(seed), _) => seed..seed + 1,
        (None, cases) => 0..cases.unwrap_or(CASES),
    };
    let (trial, next) = (Trial::new(), AtomicU64::new(seeds.start));
    let work = || {
        loop {
            let seed = next.fetch_add(1, Ordering::Relaxed);
            if seed >= seeds.end {
                return Ok(());
            }
            let tried = try_seed(seed, |case| trial.check(case));
            tried.inspect_err(|_| next.store(seeds.end, Ordering::Relaxed))?;
        }
    };
    let failures: Vec<String> = std::thread::scope(|scope| {
        let count = std::thread::available_parallelism().map_or(1, usize::from);
        let workers: Vec<_> = (0..count).map(|_| scope.spawn(work)).collect();
        let ended = workers.into_iter().map(|worker| worker.join());
        ended
            .filter_map(|ended| ended.expect("what fails is told of, not a panic").err())
            .collect()
    });
    assert!(failures.is_empty(), "{}", failures.join("\n\n"));
    let Seen { runs, ties, kinds } = &*lock(&trial.seen);
    println!(
        "{runs} runs; {ties} not tried, because two things would have happened in the same moment; runs with"
    );
    print!("{}", kinds.list());
    if seeds.end - seeds.start >= CASES {
        assert!(ties * 50 < *runs, "too many ties");
        assert_eq!(kinds.missing(), Vec::<&str>::new(), "these hardly ever happen");
    }
}

#[test]
fn a_failing_seed_is_shrunk_and_printed_as_a_graph() {
    let fails = |case: &Case| {
        let is_inner = |key: &Option<String>| key.is_some();
        match case
            .graph
            .nodes
            .iter()
            .filter(|node| is_inner(&node.parent))
            .count()
        {
            0 | 1 => Ok(()),
            _ => Err("two nodes in loops".to_owned()),
        }
    };
    let told = (0..100).find_map(|seed| try_seed(seed, fails).err());
    let told = told.expect("a graph has loops");
    let (reason, case) = told.split_once('\n').expect("a reason and a case");
    assert!(reason.ends_with("two nodes in loops"), "{reason}");
    let (_, case) = case.split_once('\n').expect("a line of words before it");
    let case = Case::from_json(&serde_json::from_str(case).expect("JSON"));
    assert!(fails(&case).is_err());
    // A trigger, two nodes in loops, and one or two loops.
    assert!(case.graph.nodes.len() <= 5, "{}", case.to_json());
}

/// A case as a failing seed prints it.
fn try_file(path: &str) {
    let text = std::fs::read_to_string(path).expect("the case can be read");
    let case: Value = serde_json::from_str(&text).expect("JSON");
    if let Err(difference) = Trial::new().check(&Case::from_json(&case)) {
        panic!("{difference}");
    }
}

/// One graph; if it fails, the smallest one like it is told of.
fn try_seed(seed: u64, check: impl Fn(&Case) -> Result<(), String>) -> Result<(), String> {
    let config = Config {
        cases: 1,
        failure_persistence: None,
        rng_seed: RngSeed::Fixed(seed),
        max_shrink_iters: 20_000,
        ..Config::default()
    };
    let outcome = TestRunner::new(config).run(&drafts(), |draft| {
        check(&draft.build()).map_err(TestCaseError::fail)
    });
    match outcome {
        Ok(()) => Ok(()),
        Err(TestError::Fail(reason, draft)) => {
            let case = draft.build().to_json();
            Err(format!(
                "seed {seed}: {reason}\nthe smallest case like it:\n{case:#}"
            ))
        }
        Err(TestError::Abort(reason)) => Err(format!("seed {seed}: {reason}")),
    }
}

/// What is tried, and what that has led to.
struct Trial {
    catalogue: Arc<Catalogue>,
    seen: Mutex<Seen>,
}

#[derive(Default)]
struct Seen {
    runs: usize,
    ties: usize,
    kinds: Kinds,
}

impl Seen {
    fn note(&mut self, run: &Run) {
        self.runs += 1;
        self.kinds.note(run);
    }
}

impl Trial {
    fn new() -> Self {
        Self {
            catalogue: world::catalogue(),
            seen: Mutex::default(),
        }
    }

    /// The case as it is, with a crash at each write in turn, and with one after the other.
    fn check(&self, case: &Case) -> Result<(), String> {
        let Some(writes) = self.compare(case, &[])? else {
            return Ok(());
        };
        let life = |writes, hears| Life { writes, hears };
        for last in 1..=writes {
            for hears in [false, true] {
                self.compare(case, &[life(last, hears)])?;
            }
        }
        self.compare(case, &vec![life(1, true); writes])?;
        self.compare(case, &[life(1, true), life(0, true), life(0, true)])?;
        Ok(())
    }

    /// Gives the number of writes; none where the model cannot tell what happens.
    fn compare(&self, case: &Case, lives: &[Life]) -> Result<Option<usize>, String> {
        let Ok(model) = foretell(case, lives) else {
            lock(&self.seen).ties += 1;
            return Ok(None);
        };
        let fails = |error| format!("lives {lives:?}: {error}");
        let ran = drive::run(case, &self.catalogue, lives).map_err(fails)?;
        if let Some(difference) = ran.told.differs_from(&model) {
            return Err(fails(difference));
        }
        let told = &ran.told;
        let run = Run { case, lives, told };
        lock(&self.seen).note(&run);
        if told.status != ExecutionStatus::Completed {
            let retried = drive::retry(case, &self.catalogue, ran);
            retried.map_err(|error| fails(format!("a retry from where it failed: {error}")))?;
        }
        Ok(Some(model.writes.len()))
    }
}

/// Panics that a script asks for are not printed.
fn quiet_scripted_panics() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let usual = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| {
            if panic.payload_as_str() != Some(world::SCRIPTED) {
                usual(panic);
            }
        }));
    });
}
