//! The one error body.

use poem_openapi::Object;

/// Every error of the API.
#[derive(Debug, Clone, Object)]
pub struct ErrorBody {
    #[oai(default)]
    pub success: bool,
    pub error: ErrorDetail,
}

#[derive(Debug, Clone, Object)]
pub struct ErrorDetail {
    /// A stable word to branch on, such as `NOT_FOUND`.
    pub code: String,
    /// For the person who must act.
    pub message: String,
    /// Each thing that is wrong with the request.
    #[oai(default)]
    pub details: Vec<Problem>,
    /// The id to quote to whoever runs the server; also in `X-Request-Id`.
    pub request_id: String,
}

/// One thing that is wrong, and where.
#[derive(Debug, Clone, PartialEq, Object)]
#[oai(skip_serializing_if_is_none)]
pub struct Problem {
    /// A JSON pointer (RFC 6901) into the request's body.
    pub pointer: String,
    /// The key of the node concerned.
    pub node: Option<String>,
    pub message: String,
}
