//! `/api/v1/connectors`: the catalogue of nodes.

use flowmatic_executor::Role;
use flowmatic_executor::catalogue::Registered;
use flowmatic_openapi::{Connector, ConnectorExample, ConnectorRole, Json as AnyJson, Node, Page, Port};
use poem::web::Data;
use poem_openapi::OpenApi;
use poem_openapi::param::Path;
use poem_openapi::types::ParseFromJSON;
use serde_json::Value;

use super::Tag;
use super::error::ApiError;
use super::payload::Json;
use crate::app::App;
use crate::auth::{Auth, may};

pub(super) struct Connectors;

#[OpenApi(prefix_path = "/api/v1/connectors", tag = "Tag::Connectors")]
impl Connectors {
    /// List the types of nodes
    ///
    /// The whole catalogue on one page, in the order of the palette.
    #[oai(path = "/", method = "get", operation_id = "listConnectors")]
    async fn list(
        &self,
        _auth: Auth<may::ReadWorkflows>,
        app: Data<&App>,
    ) -> Result<Json<Page<Connector>>, ApiError> {
        let connectors = app.catalogue.iter().map(connector).collect();
        Ok(Json(Page::new(connectors, None)))
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
