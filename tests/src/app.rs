//! The real binary, in a folder and on a port of its own.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::time::Duration;

use anyhow::{Context as _, bail};
use reqwest::{Client, Method, RequestBuilder};
use serde_json::Value;
use tempfile::TempDir;
use tokio::sync::OnceCell;

use crate::{PATIENCE, Postgres, eventually};

/// A running server. It is killed when it is dropped; a test that fails shows what it printed.
pub struct TestApp {
    settings: Settings,
    /// Holds the data and the output of each start.
    folder: TempDir,
    starts: usize,
    process: Option<Process>,
    client: Client,
    key: OnceCell<String>,
}

#[derive(Default)]
pub struct TestAppBuilder {
    database: Database,
    flags: Vec<String>,
    environment: BTreeMap<String, String>,
    binary: Option<PathBuf>,
    wrapper: Vec<String>,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Database {
    #[default]
    Sqlite,
    Postgres,
}

struct Settings {
    binary: PathBuf,
    /// A command that runs the binary.
    wrapper: Vec<String>,
    /// None is SQLite in the data folder.
    database_url: Option<String>,
    flags: Vec<String>,
    environment: BTreeMap<String, String>,
}

struct Process {
    child: Child,
    url: String,
}

/// The variable that names the point at which a server shall die.
const FAULT: &str = "FLOWMATIC_FAULT";

impl TestAppBuilder {
    pub fn database(mut self, database: Database) -> Self {
        self.database = database;
        self
    }

    /// Flags for `serve`, beside those for address and data.
    pub fn flags(mut self, flags: &[&str]) -> Self {
        self.flags.extend(flags.iter().map(|flag| (*flag).to_owned()));
        self
    }

    /// A variable for the server; it gets no other `FLOWMATIC_` variable than these.
    pub fn env(mut self, name: &str, value: &str) -> Self {
        self.environment.insert(name.to_owned(), value.to_owned());
        self
    }

    /// Where the first start shall die; [`TestApp::restart`] clears it.
    pub fn fault(self, point: &str) -> Self {
        self.env(FAULT, point)
    }

    /// A bound on the open files of the server.
    pub fn open_files(self, most: u32) -> Self {
        self.wrapper(&["prlimit", &format!("--nofile={most}:{most}"), "--"])
    }

    /// Runs the server by this command, which must become it or pass signals on to it.
    pub fn wrapper(mut self, command: &[&str]) -> Self {
        self.wrapper = command.iter().map(|part| (*part).to_owned()).collect();
        self
    }

    pub async fn start(self) -> TestApp {
        self.try_start().await.unwrap_or_else(|error| panic!("{error:?}"))
    }

    /// For a server that may refuse to start; the error holds what it printed.
    pub async fn try_start(self) -> anyhow::Result<TestApp> {
        let database_url = match self.database {
            Database::Sqlite => None,
            Database::Postgres => Some(Postgres::shared().await.database().await),
        };
        let binary = match self.binary {
            Some(binary) => binary,
            None => binary()?,
        };
        let (flags, environment) = (self.flags, self.environment);
        let mut app = TestApp {
            settings: Settings {
                binary,
                wrapper: self.wrapper,
                database_url,
                flags,
                environment,
            },
            folder: tempfile::tempdir().context("no temporary folder")?,
            starts: 0,
            process: None,
            client: client(),
            key: OnceCell::new(),
        };
        app.spawn().await?;
        Ok(app)
    }
}

impl TestApp {
    /// On SQLite, without further flags.
    pub async fn start() -> Self {
        Self::builder().start().await
    }

    pub fn builder() -> TestAppBuilder {
        TestAppBuilder::default()
    }

    /// Without a slash at the end. A restart changes it.
    pub fn url(&self) -> &str {
        &self.process.as_ref().expect("the server was not stopped").url
    }

    pub fn data_dir(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    /// None on SQLite.
    pub fn database_url(&self) -> Option<&str> {
        self.settings.database_url.as_deref()
    }

    /// An API key with every scope.
    pub async fn key(&self) -> &str {
        let create = async || {
            let output = self
                .run(&["keys", "create", "--name", "test", "--scope", "*"])
                .await;
            assert!(
                output.status.success(),
                "no key: {}",
                String::from_utf8_lossy(&output.stderr)
            );
            String::from_utf8(output.stdout)
                .expect("a key is text")
                .trim()
                .to_owned()
        };
        self.key.get_or_init(create).await
    }

    /// A call of the API with the key of [`TestApp::key`]. `path` is whole, as `/api/v1/workflows`; `Value::Null`
    /// sends no body. An answer that is not JSON comes back as a JSON string.
    pub async fn api(&self, method: &str, path: &str, body: Value) -> (u16, Value) {
        let mut request = self.request(method, path).bearer_auth(self.key().await);
        if !body.is_null() {
            request = request.json(&body);
        }
        read(request, &format!("{method} {path}")).await
    }

    /// Posts JSON to a webhook.
    pub async fn webhook(&self, webhook_id: &str, body: &Value) -> (u16, Value) {
        let path = format!("/api/webhooks/{webhook_id}");
        read(self.request("POST", &path).json(body), &path).await
    }

    /// Any request to the server, without a key.
    pub fn request(&self, method: &str, path: &str) -> RequestBuilder {
        let method = Method::from_bytes(method.as_bytes()).expect("a test names a valid method");
        self.client.request(method, format!("{}{path}", self.url()))
    }

    /// The execution, as soon as it has one of these statuses.
    pub async fn wait_for(&self, execution: &str, statuses: &[&str]) -> Value {
        let path = format!("/api/v1/executions/{execution}");
        eventually(
            &format!("execution {execution} to become {statuses:?}"),
            async || {
                let (code, body) = self.api("GET", &path, Value::Null).await;
                assert_eq!(code, 200, "{path}: {body}");
                let status = body["status"].as_str().unwrap_or_default();
                statuses.contains(&status).then_some(body)
            },
        )
        .await
    }

    /// Runs another command of the binary on the same data, such as `&["migrate"]`.
    pub async fn run(&self, arguments: &[&str]) -> Output {
        let mut command = tokio::process::Command::from(self.command(arguments));
        command.stdin(Stdio::null()).kill_on_drop(true);
        match tokio::time::timeout(PATIENCE, command.output()).await {
            Ok(output) => output.expect("the binary runs"),
            Err(_) => panic!("`flowmatic {}` does not end", arguments.join(" ")),
        }
    }

    /// SIGKILL: nothing is finished or flushed.
    pub fn kill(&mut self) {
        if let Some(mut process) = self.process.take() {
            process.child.kill().expect("the server is ours to kill");
            process.child.wait().expect("the server is our child");
        }
    }

    /// SIGTERM, and waits for the end.
    pub async fn terminate(&mut self) -> ExitStatus {
        let id = self.process.as_ref().expect("the server runs").child.id();
        // Rust's own library sends SIGKILL only; the shell has `kill` built in.
        let sent = Command::new("sh")
            .args(["-c", &format!("kill -TERM {id}")])
            .status();
        assert!(
            sent.expect("sh runs").success(),
            "the server ended before it was told to"
        );
        self.wait_for_exit().await
    }

    /// Waits for a server that dies by itself, at a fault.
    pub async fn wait_for_exit(&mut self) -> ExitStatus {
        let process = self.process.as_mut().expect("the server runs");
        let child = &mut process.child;
        let ended = async || child.try_wait().expect("the server is our child");
        let status = eventually("the server to end", ended).await;
        self.process = None;
        status
    }

    /// Starts again on the same data, without a fault. Kills the server if it runs.
    pub async fn restart(&mut self) {
        self.kill();
        self.settings.environment.remove(FAULT);
        self.spawn().await.unwrap_or_else(|error| panic!("{error:?}"));
    }

    /// Starts again on the same data, to die at this point. Kills the server if it runs.
    pub async fn restart_with_fault(&mut self, point: &str) {
        self.kill();
        self.settings
            .environment
            .insert(FAULT.to_owned(), point.to_owned());
        self.spawn().await.unwrap_or_else(|error| panic!("{error:?}"));
    }

    /// The server's process.
    pub fn id(&self) -> u32 {
        self.process.as_ref().expect("the server runs").child.id()
    }

    /// The memory that the server holds, in KiB.
    pub fn resident_kib(&self) -> usize {
        let id = self.id();
        let status = fs::read_to_string(format!("/proc/{id}/status")).expect("Linux says how a process is");
        let line = status
            .lines()
            .find(|line| line.starts_with("VmRSS:"))
            .expect("a process has memory");
        let digits: String = line.chars().filter(char::is_ascii_digit).collect();
        digits.parse().expect("a number")
    }

    /// What all starts printed.
    pub fn output(&self) -> String {
        let mut output = String::new();
        for start in 1..=self.starts {
            for stream in ["stdout", "stderr"] {
                let text = fs::read_to_string(self.log(start, stream)).unwrap_or_default();
                output.push_str(&format!("--- start {start}, {stream}\n{text}"));
            }
        }
        output
    }

    async fn spawn(&mut self) -> anyhow::Result<()> {
        self.starts += 1;
        let stdout = self.log(self.starts, "stdout");
        let mut arguments = vec!["serve", "--listen", "127.0.0.1:0"];
        arguments.extend(self.settings.flags.iter().map(String::as_str));
        let mut child = self
            .command(&arguments)
            .stdin(Stdio::null())
            .stdout(File::create(&stdout)?)
            .stderr(File::create(self.log(self.starts, "stderr"))?)
            .spawn()
            .with_context(|| format!("cannot run `{}`", self.settings.binary.display()))?;
        let started = eventually("the server to print its address", async || {
            // In this order: what a server printed before it ended is there once it has ended.
            let ended = child.try_wait().expect("the server is our child");
            match fs::read_to_string(&stdout).ok().as_deref().and_then(address) {
                Some(url) => Some(Ok(url)),
                None => ended.map(Err),
            }
        })
        .await;
        match started {
            Ok(url) => self.process = Some(Process { child, url }),
            Err(status) => bail!("the server ended with {status}\n{}", self.output()),
        }
        Ok(())
    }

    /// The binary with what says where the data is.
    fn command(&self, arguments: &[&str]) -> Command {
        let serves = arguments.first() == Some(&"serve");
        let wrapper: &[String] = if serves { &self.settings.wrapper } else { &[] };
        let mut command = ending_with_us(wrapper, &self.settings.binary);
        command.args(arguments).arg("--data-dir").arg(self.data_dir());
        if let Some(url) = &self.settings.database_url {
            command.args(["--database-url", url]);
        }
        for (name, _) in std::env::vars_os() {
            if name.to_string_lossy().starts_with("FLOWMATIC_") {
                command.env_remove(name);
            }
        }
        command
            .env("FLOWMATIC_LOG", "warn")
            .envs(&self.settings.environment)
            .current_dir(self.folder.path());
        command
    }

    fn log(&self, start: usize, stream: &str) -> PathBuf {
        self.folder.path().join(format!("{stream}-{start}.log"))
    }
}

impl Drop for TestApp {
    fn drop(&mut self) {
        self.kill();
        if std::thread::panicking() {
            eprintln!("{}", self.output());
        }
    }
}

/// The server's address in what it printed, once the line is whole.
fn address(output: &str) -> Option<String> {
    let (line, _) = output.split_once('\n')?;
    let start = line.find("http://127.0.0.1:")?;
    let rest = &line[start + "http://".len()..];
    let end = rest
        .find(|character: char| !matches!(character, '0'..='9' | '.' | ':'))
        .unwrap_or(rest.len());
    Some(format!("http://{}", rest[..end].trim_end_matches(['.', ':'])))
}

/// A command that is killed when the thread that started it ends. (That thread ends after the test's own.)
fn ending_with_us(wrapper: &[String], binary: &Path) -> Command {
    let mut parts: Vec<&std::ffi::OsStr> = Vec::new();
    if cfg!(target_os = "linux") {
        parts.extend(["setpriv", "--pdeathsig", "KILL", "--"].map(std::ffi::OsStr::new));
    }
    parts.extend(wrapper.iter().map(std::ffi::OsStr::new));
    parts.push(binary.as_os_str());
    let mut command = Command::new(parts[0]);
    command.args(&parts[1..]);
    command
}

/// The server that is tested. Cargo puts it beside the folder of the test programs.
pub fn binary() -> anyhow::Result<PathBuf> {
    let program = std::env::current_exe().context("this program has no path")?;
    let binary = program
        .ancestors()
        .skip(1)
        .take(2)
        .map(|folder| folder.join("flowmatic"))
        .find(|binary| binary.is_file());
    binary.context("there is no server binary; build it with `cargo build -p flowmatic`")
}

/// A client that takes each answer as it is, redirects too.
pub fn client() -> Client {
    // A second test in the same process finds it installed.
    let _ = rustls::crypto::ring::default_provider().install_default();
    Client::builder()
        .no_proxy()
        .redirect(reqwest::redirect::Policy::none())
        .timeout(PATIENCE)
        .connect_timeout(Duration::from_secs(10))
        .build()
        .expect("a client without special settings")
}

async fn read(request: RequestBuilder, what: &str) -> (u16, Value) {
    let response = request
        .send()
        .await
        .unwrap_or_else(|error| panic!("{what}: {error:?}"));
    let status = response.status().as_u16();
    let text = response
        .text()
        .await
        .unwrap_or_else(|error| panic!("{what}: {error:?}"));
    let body = match text.as_str() {
        "" => Value::Null,
        text => serde_json::from_str(text).unwrap_or_else(|_| Value::String(text.to_owned())),
    };
    (status, body)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    /// A start of a program that stands for the server, and the folder it is in.
    async fn stand_in(script: &str) -> anyhow::Result<(TestApp, TempDir)> {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let binary = folder.path().join("flowmatic");
        fs::write(&binary, format!("#!/bin/sh\n{script}")).expect("the folder is ours");
        fs::set_permissions(&binary, fs::Permissions::from_mode(0o700)).expect("the file is ours");
        let builder = TestApp::builder()
            .flags(&["--max-body", "1KiB"])
            .env("FLOWMATIC_MINE", "a")
            .fault("here");
        let app = TestAppBuilder {
            binary: Some(binary),
            ..builder
        }
        .try_start()
        .await?;
        Ok((app, folder))
    }

    const SERVING: &str = r#"
        if [ "$1" = keys ]; then echo "fm_$*"; exit; fi
        echo "listening on http://127.0.0.1:4711, set up at http://127.0.0.1:4711/setup?x=1"
        echo "$*|$FLOWMATIC_MINE|$FLOWMATIC_LOG|$FLOWMATIC_FAULT"
        trap 'exit 7' TERM
        while :; do sleep 0.01; done
    "#;

    #[tokio::test]
    async fn starts_with_the_flags_and_variables_of_the_test() {
        let (app, _folder) = stand_in(SERVING).await.expect("it starts");
        assert_eq!(app.url(), "http://127.0.0.1:4711");
        let data = app.data_dir();
        let line = format!(
            "serve --listen 127.0.0.1:0 --max-body 1KiB --data-dir {}|a|warn|here",
            data.display()
        );
        eventually("the second line", async || {
            app.output().contains(&line).then_some(())
        })
        .await;
        let key = app.key().await;
        assert_eq!(
            key,
            format!(
                "fm_keys create --name test --scope * --data-dir {}",
                data.display()
            )
        );
    }

    #[tokio::test]
    async fn terminates_and_starts_again_without_the_fault() {
        let (mut app, _folder) = stand_in(SERVING).await.expect("it starts");
        assert_eq!(app.terminate().await.code(), Some(7));
        app.restart().await;
        eventually("the second start", async || {
            app.output().contains("|a|warn|\n").then_some(())
        })
        .await;
        app.kill();
        app.kill();
    }

    #[tokio::test]
    async fn a_failed_start_says_what_the_server_said() {
        let error = stand_in("echo 'port taken' >&2; exit 3")
            .await
            .err()
            .expect("it fails");
        let text = format!("{error:?}");
        assert!(
            text.contains("exit status: 3") && text.contains("port taken"),
            "{text}"
        );
    }

    #[test]
    fn finds_the_address_in_a_whole_line_only() {
        for (output, expected) in [
            ("", None),
            ("http://127.0.0.1:80", None),
            ("http://127.0.0.1:8080\n", Some("http://127.0.0.1:8080")),
            ("at http://127.0.0.1:8080.\nmore", Some("http://127.0.0.1:8080")),
            (
                "open http://127.0.0.1:8080/setup\n",
                Some("http://127.0.0.1:8080"),
            ),
            ("nothing\nhttp://127.0.0.1:8080\n", None),
        ] {
            assert_eq!(address(output).as_deref(), expected, "{output:?}");
        }
    }
}
