//! `flow.wait`: goes on at a time, or when somebody says so.

use chrono::{DateTime, Utc};
use flowmatic_executor::{About, Node, NodeContext, NodeError, Output, Param, Role, Then};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::text::Text;

/// The longest wait: ten years and some days.
const MAX_DAYS: i64 = 3_660;
const MAX_MESSAGE: usize = 2_000;

#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Wait {
    /// How long, such as `30s`, `2h` or `14d`; at most `3660d`.
    pub duration: Option<Param<Text>>,
    /// Until when: a time as in RFC 3339, such as `2027-01-31T09:00:00+01:00`, or milliseconds since 1970. One that is
    /// past does not wait.
    pub until: Option<Param<Text>>,
    /// Until somebody says so: a program that calls the resume address, or a person who decides on a page.
    pub resume: Option<Resume>,
    /// With `resume`: after how long it goes on by the port `timeout`. Missing: it waits as long as it takes.
    pub timeout: Option<Param<Text>>,
    /// With `resume: approval`: what the person reads who is asked, at most 2000 characters.
    pub message: Option<Param<Text>>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Resume {
    /// A request to the resume address; its body is the output.
    Webhook,
    /// A person approves or rejects on the page at the resume address.
    Approval,
}

impl Node for Wait {
    const ABOUT: About = About {
        kind: "flow.wait",
        title: "Wait",
        summary: "Go on later, or when somebody says so",
        documentation: "Waits for a `duration`, `until` a time, or for somebody to `resume` it; give one of the three. \
            An execution that waits needs no memory, and goes on after a restart of the server.\n\n\
            For `resume`, send `{{_execution.resumeUrl}}` to whoever is to decide, before or beside this node. With \
            `webhook` a POST to that address goes on by the port `out`; the output is `{body, query, resumed_at}`. With \
            `approval` the address shows a page with `message`, and the person who confirms there goes on by `approved` or \
            `rejected`; the output is `{approved, comment, resumed_at}`. An address counts once, also before the node is \
            reached. Where several nodes of a workflow wait, add `/` and the node's key to the address. After \
            `timeout` it goes on by the port `timeout`.\n\n\
            The output of a time is `{waited_until}`. A duration or time that cannot be read fails the node with \
            `parameters`, one more than ten years away with `wait_too_long`.",
        icon: include_str!("../../icons/flow.wait.svg"),
        role: Role::Control,
        ports: &[],
        example: r#"{
            "parameters": {"duration": "{{delay}}"},
            "context": {"delay": "2s"},
            "output": {"waited_until": "1970-01-01T00:00:02.000Z"}
        }"#,
    };

    async fn run(self, context: NodeContext) -> Result<Output, NodeError> {
        let now = context.now();
        let duration = self.duration.or(self.timeout);
        let until = match (&duration, &self.until) {
            (Some(Param(Text(text))), _) => {
                let duration: flowmatic_openapi::Duration = text.parse().map_err(unreadable)?;
                now.checked_add_signed(chrono::Duration::milliseconds(millis(duration)))
            }
            (None, Some(Param(Text(text)))) => Some(moment(text)?),
            (None, None) if self.resume.is_none() => {
                return Err(unreadable("`duration`, or `until`, is null".to_owned()));
            }
            (None, None) => None,
        };
        if until.is_some_and(|until| until - now > chrono::Duration::days(MAX_DAYS)) {
            let message = format!("the wait is longer than {MAX_DAYS} days");
            return Err(NodeError::terminal("wait_too_long", message));
        }
        let message = self
            .message
            .map(|Param(Text(message))| message.chars().take(MAX_MESSAGE).collect::<String>());
        Ok(Output::then(Then::Wait(flowmatic_executor::Wait {
            until,
            signal: self.resume.is_some(),
            about: json!({"message": message}),
        })))
    }

    fn ports(parameters: &Map<String, Value>) -> Vec<String> {
        let ports: &[&str] = match parameters.get("resume").and_then(Value::as_str) {
            Some("webhook") => &["out", "timeout"],
            Some("approval") => &["approved", "rejected", "timeout"],
            _ => &["out"],
        };
        ports.iter().map(|port| (*port).to_owned()).collect()
    }

    fn check(parameters: &Map<String, Value>) -> Vec<(String, String)> {
        let given = |name: &str| parameters.get(name).is_some_and(|value| !value.is_null());
        let mut problems = Vec::new();
        let ways = ["duration", "until", "resume"]
            .into_iter()
            .filter(|name| given(name));
        if ways.count() != 1 {
            let message = "give one of `duration`, `until` and `resume`";
            problems.push((String::new(), message.to_owned()));
        }
        if given("timeout") && !given("resume") {
            let message = "a time-out is for a wait that somebody ends: set `resume`";
            problems.push(("/timeout".to_owned(), message.to_owned()));
        }
        let text = |name: &str| parameters.get(name).and_then(Value::as_str);
        if given("message") && text("resume") != Some("approval") {
            let message = "a message is for the person who is asked: set `resume` to `approval`";
            problems.push(("/message".to_owned(), message.to_owned()));
        }
        if text("message").is_some_and(|message| message.chars().count() > MAX_MESSAGE) {
            let message = format!("it has more than {MAX_MESSAGE} characters");
            problems.push(("/message".to_owned(), message));
        }
        for name in ["duration", "timeout"] {
            let wrong = text(name).filter(|text| !text.contains("{{")).and_then(|text| {
                text.parse::<flowmatic_openapi::Duration>()
                    .map_or_else(Some, too_long)
            });
            problems.extend(wrong.map(|message| (format!("/{name}"), message)));
        }
        let wrong = text("until").filter(|text| !text.contains("{{")).map(moment);
        if let Some(Err(error)) = wrong {
            problems.push(("/until".to_owned(), error.message));
        }
        problems
    }
}

fn too_long(duration: flowmatic_openapi::Duration) -> Option<String> {
    let is_long = millis(duration) > chrono::Duration::days(MAX_DAYS).num_milliseconds();
    is_long.then(|| format!("`{duration}` is longer than {MAX_DAYS} days"))
}

fn millis(duration: flowmatic_openapi::Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}

fn moment(text: &str) -> Result<DateTime<Utc>, NodeError> {
    let read = match text.parse() {
        Ok(millis) => DateTime::from_timestamp_millis(millis),
        Err(_) => DateTime::parse_from_rfc3339(text).ok().map(|time| time.to_utc()),
    };
    read.ok_or_else(|| {
        unreadable(format!(
            "`{text}` is no time: write such as `2027-01-31T09:00:00Z`, or milliseconds since 1970"
        ))
    })
}

fn unreadable(message: String) -> NodeError {
    NodeError::terminal("parameters", message)
}

#[cfg(test)]
mod tests {
    use serde_json::{Map, Value, json};

    use super::Wait;
    use crate::tidy::{fails_in_a_graph, runs_in_a_graph, runs_its_example_in_a_graph};
    use flowmatic_executor::Node;

    #[tokio::test(start_paused = true)]
    async fn its_example_holds() {
        runs_its_example_in_a_graph("flow.wait").await;
    }

    #[tokio::test(start_paused = true)]
    async fn waits_until_a_time_and_not_for_one_that_is_past() {
        for (until, told) in [
            (json!("1970-01-01T01:00:00+01:00"), "1970-01-01T00:00:00.000Z"),
            (json!("1969-07-20T20:17:40Z"), "1969-07-20T20:17:40.000Z"),
            (json!(1500), "1970-01-01T00:00:01.500Z"),
        ] {
            let output = json!({"waited_until": told});
            runs_in_a_graph("flow.wait", json!({"until": until}), json!([]), json!({}), output).await;
        }
    }

    #[tokio::test(start_paused = true)]
    async fn refuses_what_it_cannot_read_and_a_thousand_years() {
        for (parameters, code) in [
            (json!({"duration": "{{n}}"}), "parameters"),
            (json!({"until": "{{n}}"}), "parameters"),
            (json!({"duration": "{{d}}"}), "parameters"),
            (json!({"until": "{{d}}"}), "parameters"),
            (json!({"until": "2970-01-01T00:00:00Z"}), "wait_too_long"),
        ] {
            fails_in_a_graph(
                "flow.wait",
                parameters,
                json!([]),
                json!({"d": "soon", "n": null}),
                code,
            )
            .await;
        }
    }

    #[test]
    fn tells_what_does_not_go_together() {
        let places = |parameters: Value| -> Vec<String> {
            let fields = parameters.as_object().expect("an object");
            Wait::check(fields).into_iter().map(|(place, _)| place).collect()
        };
        assert_eq!(places(json!({})), [""]);
        assert_eq!(places(json!({"duration": "2s", "resume": "webhook"})), [""]);
        assert_eq!(
            places(json!({"duration": "2 s", "timeout": "2s"})),
            ["/timeout", "/duration"]
        );
        assert_eq!(places(json!({"duration": "3661d"})), ["/duration"]);
        assert_eq!(
            places(json!({"until": "tomorrow", "message": "x"})),
            ["/message", "/until"]
        );
        assert_eq!(
            places(json!({"resume": "approval", "message": "May it?", "timeout": "3d"})),
            [""; 0]
        );
        assert_eq!(places(json!({"duration": "{{d}}"})), [""; 0]);
    }

    #[test]
    fn has_the_ports_of_its_ways() {
        let ports = |resume: &str| Wait::ports(json!({"resume": resume}).as_object().expect("an object"));
        assert_eq!(ports("webhook"), ["out", "timeout"]);
        assert_eq!(Wait::ports(&Map::new()), ["out"]);
        assert_eq!(ports("approval"), ["approved", "rejected", "timeout"]);
    }
}
