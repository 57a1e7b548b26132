//! What is printed: Markdown.

use std::collections::BTreeSet;
use std::fs;
use std::process::Command;
use std::time::Duration;

use anyhow::Context as _;
use flowmatic_tests::Database;

use crate::bench::{MANY, Report, Run, Side};
use crate::measure::GENERATOR;
use crate::workload::Call;

/// The machine, in a line.
pub fn machine() -> anyhow::Result<String> {
    let field = |text: &str, name: &str| {
        let line = text.lines().find_map(|line| line.strip_prefix(name));
        line.map_or("?".to_owned(), |line| {
            line.trim_start_matches([':', ' ', '\t']).to_owned()
        })
    };
    let processor = field(&fs::read_to_string("/proc/cpuinfo")?, "model name");
    let memory = field(&fs::read_to_string("/proc/meminfo")?, "MemTotal");
    let kibibytes: f64 = memory
        .trim_end_matches(" kB")
        .parse()
        .context("`MemTotal` is a number")?;
    let files = Command::new("stat")
        .args(["-f", "--format=%T"])
        .arg(std::env::temp_dir())
        .output()?;
    Ok(format!(
        "{} cores ({processor}), {:.0} GiB of memory, {}, Linux {}",
        std::thread::available_parallelism()?,
        kibibytes / 1024.0 / 1024.0,
        String::from_utf8_lossy(&files.stdout).trim(),
        fs::read_to_string("/proc/sys/kernel/osrelease")?.trim()
    ))
}

pub fn of(report: &Report) -> String {
    format!(
        "## {}\n\n{}\n{}\n{}",
        name(report),
        figures(report),
        processor_time(report),
        runs(report)
    )
}

/// The figures that are wanted, the medians of all rounds.
fn figures(report: &Report) -> String {
    let asynchronous = match report.database {
        Database::Sqlite => "at least 70 % and at least 5 000",
        Database::Postgres => "at least 60 %",
    };
    let mut lines = vec![
        "| | floor | Flowmatic | compared | wanted |".to_owned(),
        "|---|--:|--:|--:|---|".to_owned(),
    ];
    for (call, wanted) in [
        (Call::Asynchronous, asynchronous),
        (Call::Synchronous, "at least 60 %"),
    ] {
        let pairs = Pairs::of(report, call, MANY);
        let rate = |run: &Run| run.finished_per_second();
        let ratio = pairs.compare(|floor, flowmatic| rate(flowmatic) / rate(floor));
        lines.push(format!(
            "| {call:?}, {MANY} callers: executions finished per second | {} | {} | {:.0} % | {wanted} |",
            number(pairs.floor(rate)),
            number(pairs.flowmatic(rate)),
            ratio * 100.0
        ));
        for (name, part) in [("median", 0.5), ("99 % within", 0.99)] {
            let latency = |run: &Run| milliseconds(run.outcome.percentile(part));
            let (floor, flowmatic) = (pairs.floor(latency), pairs.flowmatic(latency));
            lines.push(format!(
                "| … latency in ms, {name} | {floor:.1} | {flowmatic:.1} | | |"
            ));
        }
        let backlog = |run: &Run| run.backlog as f64;
        lines.push(format!(
            "| … not ended with the last answer | {} | {} | | no growing backlog |",
            number(pairs.floor(backlog)),
            number(pairs.flowmatic(backlog))
        ));
        let memory = |run: &Run| megabytes(run.memory.peak);
        lines.push(format!(
            "| … memory in MB, peak | {:.0} | {:.0} | | at most 100 |",
            pairs.floor(memory),
            pairs.flowmatic(memory)
        ));
    }
    let pairs = Pairs::of(report, Call::Synchronous, 1);
    let latency = |run: &Run| milliseconds(run.outcome.percentile(0.5));
    lines.push(format!(
        "| Synchronous, 1 caller: latency in ms, median | {:.2} | {:.2} | {:+.2} ms | within 1 ms |",
        pairs.floor(latency),
        pairs.flowmatic(latency),
        pairs.compare(|floor, flowmatic| latency(flowmatic) - latency(floor))
    ));
    let rest = &report.rest;
    let executions = number(rest.executions as f64);
    let [fastest, slowest] = [rest.starts.first(), rest.starts.last()]
        .map(|start| milliseconds(start.copied().unwrap_or_default()));
    lines.push(format!(
        "| Start to ready in ms, on {executions} executions ({fastest:.0} to {slowest:.0}) | | {:.0} | | under 100 |",
        median(rest.starts.iter().copied().map(milliseconds))
    ));
    lines.push(format!(
        "| Memory in MB, idle after a start | | {:.0} | | at most 30 |",
        megabytes(rest.idle.now)
    ));
    lines.push(format!(
        "| Memory in MB, idle after the load | | {:.0} | | |",
        megabytes(rest.after_load.now)
    ));
    lines.join("\n") + "\n"
}

/// Processor time by thread, over all rounds.
fn processor_time(report: &Report) -> String {
    let columns = [Call::Asynchronous, Call::Synchronous].map(|call| {
        let pairs = Pairs::of(report, call, MANY);
        let (floors, flowmatics): (Vec<_>, Vec<_>) = pairs.0.into_iter().unzip();
        [floors, flowmatics]
    });
    let columns = columns.as_flattened();
    let names: BTreeSet<_> = columns
        .iter()
        .flatten()
        .flat_map(|run| run.spent.by_name.keys())
        .collect();
    let mut lines = vec![
        "| processor time in µs per execution | floor, asynchronous | Flowmatic, asynchronous | floor, synchronous | \
         Flowmatic, synchronous |"
            .to_owned(),
        "|---|--:|--:|--:|--:|".to_owned(),
    ];
    let mut line = |name: &str, of: &dyn Fn(&Run) -> Duration| {
        let cells = columns.iter().map(|runs| {
            let spent: Duration = runs.iter().map(|run| of(run)).sum();
            let finished: u64 = runs.iter().map(|run| run.finished).sum();
            format!("{:.1}", spent.as_secs_f64() * 1e6 / finished as f64)
        });
        lines.push(format!("| {name} | {} |", cells.collect::<Vec<_>>().join(" | ")));
    };
    for name in names.iter().filter(|name| **name != GENERATOR) {
        line(name, &|run| {
            run.spent.by_name.get(*name).copied().unwrap_or_default()
        });
    }
    let of_generator = |run: &Run| run.spent.by_name.get(GENERATOR).copied().unwrap_or_default();
    line("**all of these**", &|run| {
        run.spent.by_name.values().sum::<Duration>() - of_generator(run)
    });
    line(GENERATOR, &of_generator);
    line("(all else on the machine)", &|run| run.spent.elsewhere);
    let of_all = |runs: &[&Run]| {
        let spent: Duration = runs.iter().flat_map(|run| run.spent.by_name.values()).sum();
        spent.as_secs_f64() / runs.iter().map(|run| run.finished).sum::<u64>() as f64
    };
    let ratio =
        |floor: &[&Run], flowmatic: &[&Run]| format!("{:.0} %", of_all(floor) / of_all(flowmatic) * 100.0);
    let [asynchronous, synchronous] = [ratio(&columns[0], &columns[1]), ratio(&columns[2], &columns[3])];
    lines.push(format!(
        "| floor and its generator, of Flowmatic and its own | | {asynchronous} | | {synchronous} |"
    ));
    lines.join("\n") + "\n"
}

/// Each run, in the order of time.
fn runs(report: &Report) -> String {
    let mut lines = vec![
        "| run | callers | finished per second | median, 99 % in ms | not 2xx | backlog, drained in s | all else, cores |"
            .to_owned(),
        "|---|--:|--:|--:|--:|--:|--:|".to_owned(),
    ];
    for (way, rate) in &report.ways {
        lines.push(format!(
            "| floor, {way:?}, asynchronous, to choose the way | {MANY} | {} | | | | |",
            number(*rate)
        ));
    }
    for run in &report.runs {
        let refused = match &run.outcome.refusal {
            None => "0".to_owned(),
            Some(answer) => {
                let head = answer.lines().next().unwrap_or_default();
                format!("{} such as `{head}`", run.outcome.refused)
            }
        };
        lines.push(format!(
            "| {}, {:?} | {} | {} | {:.2}, {:.1} | {refused} | {}, {:.1} | {:.2} |",
            if run.side == Side::Flowmatic {
                "Flowmatic"
            } else {
                "floor"
            },
            run.call,
            run.connections,
            number(run.finished_per_second()),
            milliseconds(run.outcome.percentile(0.5)),
            milliseconds(run.outcome.percentile(0.99)),
            run.backlog,
            run.drain.as_secs_f64(),
            run.spent.elsewhere.as_secs_f64() / run.outcome.elapsed.as_secs_f64()
        ));
    }
    lines.join("\n") + "\n"
}

fn name(report: &Report) -> &'static str {
    match report.database {
        Database::Sqlite => "SQLite",
        Database::Postgres => "PostgreSQL",
    }
}

/// A run of the floor and the run of Flowmatic that followed it, for each round.
struct Pairs<'a>(Vec<(&'a Run, &'a Run)>);

impl<'a> Pairs<'a> {
    fn of(report: &'a Report, call: Call, connections: usize) -> Self {
        let runs: Vec<_> = report
            .runs
            .iter()
            .filter(|run| run.call == call && run.connections == connections)
            .collect();
        let (flowmatic, floor): (Vec<_>, Vec<_>) =
            runs.into_iter().partition(|run| run.side == Side::Flowmatic);
        Self(floor.into_iter().zip(flowmatic).collect())
    }

    fn floor(&self, figure: impl Fn(&Run) -> f64) -> f64 {
        median(self.0.iter().map(|(floor, _)| figure(floor)))
    }

    fn flowmatic(&self, figure: impl Fn(&Run) -> f64) -> f64 {
        median(self.0.iter().map(|(_, flowmatic)| figure(flowmatic)))
    }

    fn compare(&self, figure: impl Fn(&Run, &Run) -> f64) -> f64 {
        median(self.0.iter().map(|(floor, flowmatic)| figure(floor, flowmatic)))
    }
}

/// The middle one, or the mean of the two in the middle.
fn median(figures: impl Iterator<Item = f64>) -> f64 {
    let mut figures: Vec<f64> = figures.collect();
    figures.sort_by(f64::total_cmp);
    let middle = figures.len() / 2;
    if figures.len() % 2 == 1 {
        figures[middle]
    } else {
        (figures[middle - 1] + figures[middle]) / 2.0
    }
}

pub fn milliseconds(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1000.0
}

pub fn megabytes(bytes: u64) -> f64 {
    bytes as f64 / 1e6
}

/// With a space between the thousands.
pub fn number(figure: f64) -> String {
    let digits = format!("{figure:.0}");
    let mut text = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(' ');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn groups_digits() {
        for (figure, text) in [
            (0.0, "0"),
            (999.4, "999"),
            (1000.0, "1 000"),
            (1_234_567.0, "1 234 567"),
        ] {
            assert_eq!(number(figure), text);
        }
    }

    #[test]
    fn takes_the_one_in_the_middle() {
        assert_eq!(median([3.0, 1.0, 2.0].into_iter()), 2.0);
        assert_eq!(median([4.0, 1.0, 2.0, 3.0].into_iter()), 2.5);
    }
}
