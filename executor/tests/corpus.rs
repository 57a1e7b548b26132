//! Texts that fuzzing found worth keeping are tried again: what `tests/fuzz` tries, without the fuzzer.

use std::path::Path;

#[path = "../../tests/fuzz/src/targets.rs"]
mod targets;

fn replay(name: &str, target: fn(&[u8])) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../tests/fuzz/corpus")
        .join(name);
    let mut count = 0;
    for entry in std::fs::read_dir(&folder).expect("there is a corpus") {
        let path = entry.expect("a folder can be read to its end").path();
        println!("{}", path.display());
        target(&std::fs::read(&path).expect("a file can be read"));
        count += 1;
    }
    assert!(count > 10, "{count} texts");
}

#[test]
fn graphs_of_the_corpus_hold() {
    replay("graph", targets::graph);
}

#[test]
fn expressions_of_the_corpus_hold() {
    replay("expression", targets::expression);
}

#[test]
fn cron_patterns_of_the_corpus_hold() {
    replay("cron", targets::cron);
}
