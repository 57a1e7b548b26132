//! `/api/v1/connectors`: the catalogue of nodes.

use std::sync::OnceLock;

use flowmatic_executor::Role;
use flowmatic_executor::catalogue::Registered;
use flowmatic_openapi::{Connector, ConnectorExample, ConnectorRole, Json as AnyJson, Node, Page, Port};
use poem::web::Data;
use poem_openapi::param::{Header, Path};
use poem_openapi::types::{ParseFromJSON, ToJSON};
use poem_openapi::{ApiResponse, OpenApi};
use serde_json::Value;

use super::error::ApiError;
use super::payload::Json;
use super::{Tag, etag};
use crate::app::App;
use crate::auth::{Auth, may};

pub(super) struct Connectors;

#[derive(ApiResponse)]
enum Listed {
    /// Done
    #[oai(status = 200)]
    Whole(
        Json<Page<Connector>>,
        #[oai(header = "ETag")] String,
        #[oai(header = "Cache-Control")] String,
    ),
    /// It is as the caller has it
    #[oai(status = 304)]
    Known(
        #[oai(header = "ETag")] String,
        #[oai(header = "Cache-Control")] String,
    ),
}

/// It may be kept by whoever has asked, and is asked for again.
const KEPT: &str = "private, no-cache";

#[OpenApi(prefix_path = "/api/v1/connectors", tag = "Tag::Connectors")]
impl Connectors {
    /// List the types of nodes
    ///
    /// The whole catalogue on one page, in the order of the palette. It changes with the server's version only: with
    /// `If-None-Match` the answer is 304 until then.
    #[oai(path = "/", method = "get", operation_id = "listConnectors")]
    async fn list(
        &self,
        _auth: Auth<may::ReadWorkflows>,
        app: Data<&App>,
        /// The `ETag` of the answer before.
        #[oai(name = "If-None-Match", validator(max_length = 1000))]
        if_none_match: Header<Option<String>>,
    ) -> Result<Listed, ApiError> {
        static ETAG: OnceLock<String> = OnceLock::new();
        let page = || Page::new(app.catalogue.iter().map(connector).collect(), None);
        let etag = ETAG.get_or_init(|| etag::of(&page().to_json_string())).clone();
        Ok(match etag::is_known(if_none_match.as_deref(), &etag) {
            true => Listed::Known(etag, KEPT.to_owned()),
            false => Listed::Whole(Json(page()), etag, KEPT.to_owned()),
        })
    }

    /// Get a type of nodes
    #[oai(path = "/:type", method = "get", operation_id = "getConnector")]
    async fn get(
        &self,
        _auth: Auth<may::ReadWorkflows>,
        app: Data<&App>,
        /// A type, such as `http.request`.
        #[oai(name = "type", validator(max_length = 100))]
        kind: Path<String>,
    ) -> Result<Json<Connector>, ApiError> {
        match app.catalogue.get(&kind.0) {
            Some(registered) => Ok(Json(connector(registered))),
            None => Err(ApiError::not_found("connector", kind.0)),
        }
    }
}

fn connector(registered: &Registered) -> Connector {
    let about = registered.about;
    let ports = about.ports.iter().map(|(name, description)| Port {
        name: (*name).to_owned(),
        description: (*description).to_owned(),
    });
    Connector {
        kind: about.kind.to_owned(),
        title: about.title.to_owned(),
        group: about.group().to_owned(),
        summary: about.summary.to_owned(),
        documentation: about.documentation.to_owned(),
        icon: about.icon.to_owned(),
        role: match about.role {
            Role::Trigger => ConnectorRole::Trigger,
            Role::Pure => ConnectorRole::Pure,
            Role::Effect => ConnectorRole::Effect,
            Role::Control => ConnectorRole::Control,
            Role::Loop => ConnectorRole::Loop,
        },
        ports: ports.collect(),
        dynamic_ports: registered.has_dynamic_ports(),
        parameters: AnyJson(registered.schema.clone()),
        example: example(about.kind, about.example),
    }
}

/// The example of a node as a node of a graph; the catalogue's tests have run it.
fn example(kind: &str, text: &str) -> ConnectorExample {
    let mut parts: Value = serde_json::from_str(text).unwrap_or_default();
    let parameters = match parts["parameters"].take() {
        Value::Object(fields) => fields,
        _ => serde_json::Map::new(),
    };
    let key = kind.rsplit('.').next().unwrap_or(kind);
    let inside = parts.get_mut("inside").map(|inside| {
        let mut inside: Vec<Node> = Vec::parse_from_json(Some(inside.take())).unwrap_or_default();
        inside
            .iter_mut()
            .for_each(|node| node.parent = Some(key.to_owned()));
        inside
    });
    let output = parts.get_mut("output").map(|output| AnyJson(output.take()));
    ConnectorExample {
        node: Node {
            key: key.to_owned(),
            kind: kind.to_owned(),
            parameters: parameters.into(),
            ..Node::default()
        },
        inside,
        context: AnyJson(parts["context"].take()),
        output,
    }
}
