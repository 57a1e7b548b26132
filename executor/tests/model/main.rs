//! The engine against a model that follows the sentences of `executor/README.md`: random graphs, and a crash at
//! every write of the journal in turn.
//!
//! `FLOWMATIC_MODEL_CASES=10000 cargo nextest run -p flowmatic-executor --test model` tries as many;
//! `FLOWMATIC_MODEL_SEED=17` tries that one alone.

mod drive;
mod graphs;
mod laws;
mod simulate;
mod told;
mod world;

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, Once};

use flowmatic_executor::Catalogue;
use proptest::test_runner::{Config, RngSeed, TestCaseError, TestError, TestRunner};

use crate::graphs::drafts;
use crate::simulate::foretell;
use crate::told::{Case, Life};
use crate::world::lock;

/// How many graphs are tried where nobody says how many.
const CASES: u64 = 400;

#[test]
fn the_engine_does_what_the_model_foretells_and_a_crash_changes_nothing() {
    quiet_scripted_panics();
    let number = |name: &str| {
        let text = std::env::var(name).ok()?;
        Some(text.parse::<u64>().expect("a number"))
    };
    let seeds = match (number("FLOWMATIC_MODEL_SEED"), number("FLOWMATIC_MODEL_CASES")) {
        (Some(seed), _) => seed..seed + 1,
        (None, cases) => 0..cases.unwrap_or(CASES),
    };
    let catalogue = world::catalogue();
    let (next, seen) = (AtomicU64::new(seeds.start), Mutex::new(Seen::default()));
    let work = || {
        loop {
            let seed = next.fetch_add(1, Ordering::Relaxed);
            if seed >= seeds.end {
                return Ok(());
            }
            try_seed(seed, &catalogue, &seen).inspect_err(|_| next.store(seeds.end, Ordering::Relaxed))?;
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
    let seen = lock(&seen);
    println!("{seen:#?}");
    if seeds.end - seeds.start >= CASES {
        seen.assert_varied();
    }
}

/// What was tried, to see that the graphs are worth it.
#[derive(Debug, Default)]
struct Seen {
    runs: usize,
    /// Not tried: two things would have happened in the same moment.
    ties: usize,
    /// How executions ended, and steps.
    ends: BTreeMap<String, usize>,
}

impl Seen {
    fn assert_varied(&self) {
        for end in ["Completed", "Failed", "Cancelled", "TimedOut"] {
            let count = self.ends.get(end).copied().unwrap_or_default();
            assert!(count * 100 > self.runs, "too few end as {end}");
        }
        assert!(self.ties * 20 < self.runs, "too many ties");
    }
}

/// One graph; if it fails, the smallest one like it is told of.
fn try_seed(seed: u64, catalogue: &Arc<Catalogue>, seen: &Mutex<Seen>) -> Result<(), String> {
    let config = Config {
        cases: 1,
        failure_persistence: None,
        rng_seed: RngSeed::Fixed(seed),
        max_shrink_iters: 20_000,
        ..Config::default()
    };
    let outcome = TestRunner::new(config).run(&drafts(), |draft| {
        check(&draft.build(), catalogue, seen).map_err(TestCaseError::fail)
    });
    match outcome {
        Ok(()) => Ok(()),
        Err(TestError::Fail(reason, draft)) => Err(format!("seed {seed}: {reason}\n{:?}", draft.build())),
        Err(TestError::Abort(reason)) => Err(format!("seed {seed}: {reason}")),
    }
}

/// The case as it is, and with a crash at each write in turn.
fn check(case: &Case, catalogue: &Arc<Catalogue>, seen: &Mutex<Seen>) -> Result<(), String> {
    let Some(writes) = agree(case, catalogue, &[], seen)? else {
        return Ok(());
    };
    let life = |writes, hears| Life { writes, hears };
    for last in 1..=writes {
        for hears in [false, true] {
            agree(case, catalogue, &[life(last, hears)], seen)?;
        }
    }
    agree(case, catalogue, &vec![life(1, true); writes], seen)?;
    agree(
        case,
        catalogue,
        &[life(1, true), life(0, true), life(0, true)],
        seen,
    )?;
    Ok(())
}

/// Gives the number of writes; none where the model cannot tell what happens.
fn agree(
    case: &Case,
    catalogue: &Arc<Catalogue>,
    lives: &[Life],
    seen: &Mutex<Seen>,
) -> Result<Option<usize>, String> {
    if std::env::var("FLOWMATIC_MODEL_TRACE").is_ok() {
        println!("{lives:?} {case:?}");
    }
    let Ok(model) = foretell(case, lives) else {
        lock(seen).ties += 1;
        return Ok(None);
    };
    let told = drive::run(case, catalogue, lives).map_err(|error| format!("lives {lives:?}: {error}"))?;
    let mut seen = lock(seen);
    seen.runs += 1;
    *seen.ends.entry(format!("{:?}", told.status)).or_default() += 1;
    for step in told.steps.values() {
        let end = format!("step {:?} {:?}", step.status, step.error);
        *seen.ends.entry(end).or_default() += 1;
    }
    match told.differs_from(&model) {
        None => Ok(Some(model.writes.len())),
        Some(difference) => {
            if std::env::var("FLOWMATIC_MODEL_SEED").is_ok() {
                println!("{told:#?}");
            }
            Err(format!("lives {lives:?}: {difference}"))
        }
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
