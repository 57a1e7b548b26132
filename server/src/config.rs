//! What can be set: each thing once, as a flag and a `FLOWMATIC_` variable.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::{ArgGroup, Args, Parser, Subcommand, ValueEnum};
use flowmatic_openapi::{Scope, Settings};
use ipnet::IpNet;
use url::Url;
use uuid::Uuid;

/// Flowmatic runs workflows: webhooks in, durable runs, answers out.
#[derive(Debug, Parser)]
#[command(version, max_term_width = 100)]
pub struct Command {
    #[command(flatten)]
    pub config: Config,
    #[command(subcommand)]
    pub role: Option<Role>,
}

#[derive(Debug, Subcommand)]
pub enum Role {
    /// Run the server; the same as no sub-command
    Serve,
    /// Bring the database to this version's schema, and end
    Migrate,
    /// Print the OpenAPI description
    Openapi,
    /// Manage API keys beside a running server
    #[command(subcommand)]
    Keys(Keys),
    /// Take workflows out to a file, bring them in, run one
    #[command(subcommand)]
    Workflows(Workflows),
}

#[derive(Debug, Subcommand)]
pub enum Workflows {
    /// Write the drafts of workflows to a file, without their secrets; works beside a running server
    #[command(group(ArgGroup::new("which").args(["ids", "all"]).required(true)))]
    Export {
        /// The ids of the workflows
        #[arg(value_name = "ID")]
        ids: Vec<Uuid>,
        /// All workflows there are, the oldest first
        #[arg(long)]
        all: bool,
        /// The file to write; standard output where missing
        #[arg(long)]
        output: Option<PathBuf>,
    },
    /// Make a workflow of each one in a file, and print what was made as JSON; works beside a running server
    Import {
        /// The file to read; `-` is standard input
        file: PathBuf,
    },
    /// Run a workflow from a file once, without a server, and print its result as JSON
    ///
    /// Ends with 0 where the execution completed, 1 where it failed, 2 where it could not be started, 3 where it
    /// timed out and 4 where it was cancelled.
    Run(Run),
}

#[derive(Debug, Args)]
pub struct Run {
    /// An export of one workflow, a workflow as the API takes it, or a graph; `-` is standard input
    pub file: PathBuf,
    /// The fields it is started with, as a JSON object
    #[arg(long, value_name = "JSON", default_value = "{}")]
    pub input: String,
    /// The key of the trigger to start at; the manual one, else the only one where missing
    #[arg(long, value_name = "KEY")]
    pub trigger: Option<String>,
    /// Print the whole execution, with its steps, in place of its result
    #[arg(long)]
    pub steps: bool,
}

#[derive(Debug, Subcommand)]
pub enum Keys {
    /// Make an API key and print it alone; it is never shown again
    Create {
        /// What the key is for
        #[arg(long)]
        name: String,
        /// What the key may do, such as `workflows:read`; `'*'` for everything; several by commas
        #[arg(long = "scope", required = true, num_args = 1.., value_delimiter = ',', value_parser = parse_scopes)]
        scopes: Vec<Scopes>,
    },
}

/// One `--scope`: a scope, or all.
#[derive(Debug, Clone)]
pub struct Scopes(pub Vec<Scope>);

fn parse_scopes(text: &str) -> Result<Scopes, String> {
    if text == "*" {
        return Ok(Scopes(Scope::ALL.to_vec()));
    }
    let known = || Scope::ALL.map(Scope::as_str).join(", ");
    Scope::parse(text)
        .map(|scope| Scopes(vec![scope]))
        .ok_or_else(|| format!("there is no such scope; there are `*`, {}", known()))
}

/// Where the data is if nothing else is said.
pub const DATA_DIR: &str = "./data";

#[derive(Debug, Clone, Args)]
pub struct Config {
    /// The address to listen on; port 0 takes a free one
    #[arg(
        long,
        env = "FLOWMATIC_LISTEN",
        global = true,
        default_value = "127.0.0.1:8080"
    )]
    pub listen: SocketAddr,

    /// The folder of the SQLite database and of the secret key
    #[arg(long, env = "FLOWMATIC_DATA_DIR", global = true, default_value = DATA_DIR)]
    pub data_dir: PathBuf,

    /// A database other than SQLite in the data folder: `postgres://…` or `sqlite://…`
    #[arg(long, env = "FLOWMATIC_DATABASE_URL", global = true, hide_env_values = true)]
    pub database_url: Option<String>,

    /// The address under which callers reach this server, where a proxy stands before it
    #[arg(long, env = "FLOWMATIC_PUBLIC_URL", global = true, value_parser = parse_public_url)]
    pub public_url: Option<Url>,

    /// The key that secrets are encrypted with, as 64 hex digits; made in the data folder where missing
    #[arg(long, env = "FLOWMATIC_SECRET_KEY", global = true, hide_env_values = true)]
    pub secret_key: Option<String>,

    /// Private networks that workflows may reach, such as `10.0.0.0/8`
    #[arg(
        long,
        env = "FLOWMATIC_ALLOW_NETWORK",
        global = true,
        value_name = "CIDR",
        value_delimiter = ','
    )]
    pub allow_network: Vec<IpNet>,

    /// The largest body of a request
    #[arg(long, env = "FLOWMATIC_MAX_BODY", global = true, default_value = "1MiB", value_parser = parse_size)]
    pub max_body: usize,

    /// How long a caller may take to send the head of a request, and as long again for its body; a connection
    /// that asks nothing is kept this long
    #[arg(long, env = "FLOWMATIC_REQUEST_TIMEOUT", global = true, default_value = "30s", value_parser = parse_duration)]
    pub request_timeout: Duration,

    /// Executions in memory at a time; what is accepted beyond waits on disk for its turn
    #[arg(long, env = "FLOWMATIC_MAX_RUNNING", global = true, default_value = "10000", value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub max_running: u32,

    /// How long a webhook waits for its workflow's answer
    #[arg(long, env = "FLOWMATIC_SYNC_TIMEOUT", global = true, default_value = "30s", value_parser = parse_duration)]
    pub sync_timeout: Duration,

    /// How long executions are kept after they have ended, where their workflow does not say it
    #[arg(long, env = "FLOWMATIC_RETENTION", global = true, default_value = "30d", value_parser = parse_retention)]
    pub retention: Duration,

    /// How many executions of a workflow are kept after they have ended, where it does not say it itself
    #[arg(long, env = "FLOWMATIC_KEEP_EXECUTIONS", global = true, default_value = "10000", value_parser = clap::value_parser!(u32).range(1..=1_000_000_000))]
    pub keep_executions: u32,

    /// What is logged to stderr: `error`, `warn`, `info`, `debug`, `trace` or a filter such as
    /// `info,flowmatic=debug`
    #[arg(long, env = "FLOWMATIC_LOG", global = true, default_value = "info")]
    pub log: String,

    /// How log lines are written
    #[arg(long, env = "FLOWMATIC_LOG_FORMAT", global = true, default_value = "text")]
    pub log_format: LogFormat,

    /// The owner's e-mail, to set the server up without the one-time link
    #[arg(
        long,
        env = "FLOWMATIC_OWNER_EMAIL",
        global = true,
        requires = "owner_password"
    )]
    pub owner_email: Option<String>,

    /// The owner's password, for the same
    #[arg(
        long,
        env = "FLOWMATIC_OWNER_PASSWORD",
        global = true,
        hide_env_values = true,
        requires = "owner_email"
    )]
    pub owner_password: Option<String>,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
pub enum LogFormat {
    Text,
    Json,
}

fn parse_duration(text: &str) -> Result<Duration, String> {
    text.parse::<flowmatic_openapi::Duration>().map(Into::into)
}

fn parse_retention(text: &str) -> Result<Duration, String> {
    let bounds = Settings::RETENTION;
    let retention = text.parse::<flowmatic_openapi::Duration>()?;
    if !bounds.contains(&retention) {
        return Err(format!(
            "write a duration from `{}` to `{}`",
            bounds.start(),
            bounds.end()
        ));
    }
    Ok(retention.into())
}

/// Reads a number of bytes: `4096`, `64KiB`, `1MiB`.
fn parse_size(text: &str) -> Result<usize, String> {
    let units = [("KiB", 1 << 10), ("MiB", 1 << 20), ("GiB", 1 << 30), ("", 1)];
    units
        .into_iter()
        .find_map(|(unit, factor)| Some((text.strip_suffix(unit)?, factor)))
        .and_then(|(number, factor)| number.trim().parse::<usize>().ok()?.checked_mul(factor))
        .filter(|size| *size > 0)
        .ok_or_else(|| "write a number of bytes, such as `4096`, `64KiB` or `1MiB`".to_owned())
}

fn parse_public_url(text: &str) -> Result<Url, String> {
    let url: Url = text.parse().map_err(|error| format!("{error}"))?;
    if !matches!(url.scheme(), "http" | "https") || url.host().is_none() {
        return Err("write an address such as `https://flows.example.com`".to_owned());
    }
    if url.query().is_some() || url.fragment().is_some() {
        return Err("the address has no query and no fragment".to_owned());
    }
    Ok(url)
}

#[cfg(test)]
mod tests {
    use clap::{CommandFactory, Parser};

    use super::{Command, Keys, Role, parse_size};

    #[test]
    fn is_well_formed() {
        Command::command().debug_assert();
    }

    #[test]
    fn reads_sizes() {
        assert_eq!(parse_size("4096"), Ok(4096));
        assert_eq!(parse_size("64KiB"), Ok(65_536));
        assert_eq!(parse_size("1MiB"), Ok(1_048_576));
        for text in [
            "",
            "0",
            "1MB",
            "-1",
            "1.5MiB",
            "99999999999999999999",
            "18446744073709551615KiB",
        ] {
            assert!(parse_size(text).is_err(), "{text}");
        }
    }

    #[test]
    fn bounds_what_is_kept() {
        let config = |flag: &str, value: &str| {
            let command = Command::try_parse_from(["flowmatic", flag, value]);
            command
                .map(|command| command.config)
                .map_err(|error| error.to_string())
        };
        for (flag, good, bad) in [
            ("--retention", ["10s", "3650d"], ["9s", "3651d"]),
            ("--keep-executions", ["1", "1000000000"], ["0", "1000000001"]),
        ] {
            for value in good {
                config(flag, value).expect(value);
            }
            for value in bad {
                config(flag, value).expect_err(value);
            }
        }
        let refused = config("--retention", "1s").expect_err("too short");
        assert!(
            refused.contains("write a duration from `10s` to `3650d`"),
            "{refused}"
        );
    }

    #[test]
    fn takes_a_star_for_all_scopes() {
        let command =
            Command::try_parse_from(["flowmatic", "keys", "create", "--name", "me", "--scope", "*"])
                .expect("valid arguments");
        let Some(Role::Keys(Keys::Create { scopes, .. })) = command.role else {
            panic!("another role: {:?}", command.role);
        };
        assert_eq!(scopes[0].0.len(), 18);
        assert!(
            Command::try_parse_from(["flowmatic", "keys", "create", "--name", "me", "--scope", "all"])
                .is_err()
        );
    }

    #[test]
    fn takes_flags_before_and_after_the_sub_command() {
        for arguments in [
            ["flowmatic", "--listen", "127.0.0.1:0", "serve"],
            ["flowmatic", "serve", "--listen", "127.0.0.1:0"],
        ] {
            let command = Command::try_parse_from(arguments).expect("valid arguments");
            assert_eq!(command.config.listen.port(), 0);
        }
    }
}
