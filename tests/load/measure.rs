//! Processes: how long they take to get ready, what processor time and memory they use, and how they end.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};

/// A server under measurement. It is killed when it is dropped, and when this program ends in any other way.
pub struct Server {
    child: Child,
    log: PathBuf,
    pub address: SocketAddr,
    /// From its start to the first answer that it is ready.
    pub ready_after: Duration,
}

/// The most that a start or an end may take.
const PATIENCE: Duration = Duration::from_secs(60);
const POLL: Duration = Duration::from_millis(1);

impl Server {
    /// Starts `program`, which is to listen on `address`, and asks until it is ready.
    pub fn start(
        program: &str,
        arguments: &[&str],
        address: SocketAddr,
        log: PathBuf,
    ) -> anyhow::Result<Self> {
        let begun = Instant::now();
        let mut command = Command::new("setpriv");
        command
            .args(["--pdeathsig", "KILL", "--", program])
            .args(arguments);
        for (name, _) in std::env::vars_os() {
            if name.to_string_lossy().starts_with("FLOWMATIC_") {
                command.env_remove(name);
            }
        }
        let output = File::create(&log).with_context(|| format!("cannot write `{}`", log.display()))?;
        let child = command
            .stdin(Stdio::null())
            .stdout(output.try_clone()?)
            .stderr(output)
            .spawn()
            .context("cannot run `setpriv`, a part of util-linux")?;
        let mut server = Self {
            child,
            log,
            address,
            ready_after: Duration::ZERO,
        };
        while !is_ready(address) {
            if let Some(status) = server.child.try_wait()? {
                bail!("`{program}` ended with {status}\n{}", server.output());
            }
            if begun.elapsed() > PATIENCE {
                bail!("`{program}` does not get ready\n{}", server.output());
            }
            std::thread::sleep(POLL);
        }
        server.ready_after = begun.elapsed();
        Ok(server)
    }

    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// What it printed.
    pub fn output(&self) -> String {
        fs::read_to_string(&self.log).unwrap_or_default()
    }

    /// Tells it to end, and waits until it has.
    pub fn stop(mut self) -> anyhow::Result<()> {
        // Rust's own library sends SIGKILL only; the shell has `kill` built in.
        let kill = format!("kill -TERM {}", self.child.id());
        Command::new("sh")
            .args(["-c", &kill])
            .status()
            .context("cannot run `sh`")?;
        let begun = Instant::now();
        loop {
            match self.child.try_wait()? {
                Some(status) if status.success() => return Ok(()),
                Some(status) => bail!("a server ended with {status}\n{}", self.output()),
                None if begun.elapsed() > PATIENCE => bail!("a server does not end\n{}", self.output()),
                None => std::thread::sleep(POLL),
            }
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn is_ready(address: SocketAddr) -> bool {
    let ask = || -> std::io::Result<bool> {
        let mut stream = TcpStream::connect_timeout(&address, PATIENCE)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        let request = format!("GET /readyz HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n");
        stream.write_all(request.as_bytes())?;
        let mut start = [0; 12];
        stream.read_exact(&mut start)?;
        Ok(start == *b"HTTP/1.1 200")
    };
    // As long as nobody listens.
    ask().unwrap_or(false)
}

/// Resident memory in bytes.
#[derive(Debug, Clone, Copy)]
pub struct Memory {
    pub now: u64,
    pub peak: u64,
}

impl Memory {
    pub fn of(process: u32) -> anyhow::Result<Self> {
        let status = fs::read_to_string(format!("/proc/{process}/status"))?;
        let bytes = |name| -> anyhow::Result<u64> {
            let line = status.lines().find_map(|line| line.strip_prefix(name));
            let kibibytes = line.and_then(|line| line.trim().strip_suffix(" kB"));
            Ok(kibibytes
                .with_context(|| format!("the system does not tell `{name}`"))?
                .parse::<u64>()?
                * 1024)
        };
        Ok(Self {
            now: bytes("VmRSS:")?,
            peak: bytes("VmHWM:")?,
        })
    }
}

/// Whose processor time is told.
#[derive(Debug, Clone)]
pub struct Watched {
    /// By the names of its threads.
    pub server: u32,
    /// PostgreSQL's first process: by the names of the processes under it.
    pub postgres: Option<u32>,
}

/// The processor time that was used up to a moment.
pub struct Usage {
    by_task: BTreeMap<(u32, u32), Task>,
    /// Of the server, with its threads that have ended.
    server: u64,
    machine: u64,
}

struct Task {
    name: String,
    ticks: u64,
}

/// The processor time that was used between two moments.
#[derive(Debug, Clone, Default)]
pub struct Spent {
    /// By the name of the thread or process.
    pub by_name: BTreeMap<String, Duration>,
    /// By all other programs and by the system on its own account.
    pub elsewhere: Duration,
}

impl Spent {
    /// By the server and its database.
    pub fn of_server(&self) -> Duration {
        let of_server = self.by_name.iter().filter(|(name, _)| *name != GENERATOR);
        of_server.map(|(_, time)| *time).sum()
    }
}

/// What Linux counts in, on every architecture (`USER_HZ`).
const TICK: Duration = Duration::from_millis(10);
/// The name of this process, whose only work is to send requests.
pub const GENERATOR: &str = "(generator)";
const ENDED: &str = "(ended threads)";

impl Usage {
    pub fn read(watched: &Watched) -> anyhow::Result<Self> {
        let mut by_task = BTreeMap::new();
        let generator = std::process::id();
        let name = GENERATOR.to_owned();
        let ticks = ticks(&format!("/proc/{generator}/stat"))?;
        by_task.insert((generator, 0), Task { name, ticks });
        for thread in numbers(&format!("/proc/{}/task", watched.server))? {
            if let Some(task) = thread_task(watched.server, thread) {
                by_task.insert((watched.server, thread), task);
            }
        }
        if let Some(postgres) = watched.postgres {
            for process in processes_under(postgres)? {
                if let Some(task) = postgres_task(process) {
                    by_task.insert((process, 0), task);
                }
            }
        }
        Ok(Self {
            by_task,
            server: self::ticks(&format!("/proc/{}/stat", watched.server))?,
            machine: machine_ticks()?,
        })
    }

    pub fn since(&self, before: &Self, watched: &Watched) -> Spent {
        let mut by_name = BTreeMap::<String, u64>::new();
        let (mut all, mut of_threads) = (0, 0);
        for (id, task) in &self.by_task {
            let ticks = task
                .ticks
                .saturating_sub(before.by_task.get(id).map_or(0, |task| task.ticks));
            *by_name.entry(task.name.clone()).or_default() += ticks;
            all += ticks;
            if id.0 == watched.server {
                of_threads += ticks;
            }
        }
        // The whole is rounded otherwise than its parts.
        let ended = (self.server - before.server).saturating_sub(of_threads);
        by_name.insert(ENDED.to_owned(), ended);
        let duration = |ticks: u64| TICK * u32::try_from(ticks).unwrap_or(u32::MAX);
        let by_name = by_name.into_iter().filter(|(_, ticks)| *ticks > 0);
        Spent {
            by_name: by_name.map(|(name, ticks)| (name, duration(ticks))).collect(),
            elsewhere: duration((self.machine - before.machine).saturating_sub(all + ended)),
        }
    }
}

fn thread_task(process: u32, thread: u32) -> Option<Task> {
    // A thread may end at any time.
    let folder = format!("/proc/{process}/task/{thread}");
    let name = fs::read_to_string(format!("{folder}/comm")).ok()?;
    let ticks = ticks(&format!("{folder}/stat")).ok()?;
    Some(Task {
        name: name.trim().to_owned(),
        ticks,
    })
}

/// PostgreSQL's processes say what they are: `postgres: walwriter`, or `postgres: <user> <database> <address>(<port>)
/// <command>` where they serve a connection.
fn postgres_task(process: u32) -> Option<Task> {
    let title = fs::read_to_string(format!("/proc/{process}/cmdline")).ok()?;
    let title = title.trim_end_matches(['\0', ' ']);
    let name = match title.strip_prefix("postgres: ") {
        Some(title) if title.contains('(') => "connection".to_owned(),
        Some(title) => title.split_whitespace().take(2).collect::<Vec<_>>().join(" "),
        None => "first process".to_owned(),
    };
    Some(Task {
        name: format!("PostgreSQL: {name}"),
        ticks: ticks(&format!("/proc/{process}/stat")).ok()?,
    })
}

fn processes_under(first: u32) -> anyhow::Result<Vec<u32>> {
    let children = fs::read_to_string(format!("/proc/{first}/task/{first}/children"));
    let children = children.context("the system does not tell which processes PostgreSQL has")?;
    let mut processes = vec![first];
    for child in children.split_whitespace() {
        processes.push(child.parse()?);
    }
    Ok(processes)
}

fn numbers(folder: &str) -> anyhow::Result<Vec<u32>> {
    let entries = fs::read_dir(folder).with_context(|| format!("cannot read `{folder}`"))?;
    Ok(entries
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
        .collect())
}

/// User and system time of a process or thread: fields 14 and 15 of `stat` (proc_pid_stat(5)).
fn ticks(path: &str) -> anyhow::Result<u64> {
    let stat = fs::read_to_string(path).with_context(|| format!("cannot read `{path}`"))?;
    // The name, in brackets, may hold anything.
    let (_, fields) = stat.rsplit_once(')').context("`stat` has a name in brackets")?;
    let fields = fields.split_whitespace().skip(11).take(2);
    fields.map(|field| Ok(field.parse::<u64>()?)).sum()
}

/// All that was not idle or waiting: the first line of `/proc/stat` (proc_stat(5)) without fields 4 and 5, and without
/// the guests' time, which is in the first two already.
fn machine_ticks() -> anyhow::Result<u64> {
    let stat = fs::read_to_string("/proc/stat")?;
    let line = stat.lines().next().unwrap_or_default();
    let fields = line.split_whitespace().skip(1).take(8).enumerate();
    fields
        .filter(|(place, _)| !matches!(place, 3 | 4))
        .map(|(_, field)| Ok(field.parse::<u64>()?))
        .sum()
}
