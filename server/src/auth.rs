//! Who is calling, and what they may do.
//!
//! An operation takes an [`Auth`] of the scope it needs as its first argument: there is no other way to a
//! [`Principal`], and no description can be made of an operation that is neither guarded nor listed as open.

use std::collections::HashMap;
use std::marker::PhantomData;
use std::net::IpAddr;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use flowmatic_openapi::{Role, Scope, Time};
use poem::http::header;
use poem::{Request, RequestBody, Result};
use poem_openapi::registry::{MetaSecurityScheme, Registry};
use poem_openapi::{ApiExtractor, ApiExtractorType, ExtractParamOptions};
use sha2::{Digest, Sha256};
use tokio::sync::watch;
use uuid::Uuid;

pub mod cookie;
mod lapse;
mod limiter;
mod password;
pub use password::hash_password;

use self::cookie::AnswerCookie;
use self::limiter::Limiter;
use self::password::Passwords;
use crate::api::error::ApiError;
use crate::app::App;

/// Who is calling.
#[derive(Debug, Clone)]
pub struct Principal {
    pub workspace_id: i64,
    pub caller: Caller,
    pub scopes: Vec<Scope>,
    /// When the session or the key is good no more; a key may last for ever.
    pub expires_at: Option<Time>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Caller {
    /// By a session.
    User {
        id: i64,
    },
    Key(Uuid),
}

impl Principal {
    pub fn may(&self, scope: Scope) -> bool {
        self.scopes.contains(&scope)
    }

    /// The person who is calling: what they are and where they are logged in is no business of an API key.
    pub fn person(&self) -> Result<i64, ApiError> {
        match self.caller {
            Caller::User { id, .. } => Ok(id),
            Caller::Key(_) => Err(ApiError::forbidden(
                "an API key is nobody in person; log in, and send the session's token",
            )),
        }
    }
}

/// What a role may do.
pub fn scopes_of(role: Role) -> Vec<Scope> {
    let may = |scope: &Scope| match role {
        Role::Owner => true,
        Role::Editor => !matches!(scope, Scope::KeysManage | Scope::WorkspaceAdmin),
        Role::Viewer => scope.as_str().ends_with(":read"),
    };
    Scope::ALL.into_iter().filter(may).collect()
}

/// What an operation needs of its caller.
pub trait Needs: Send + Sync + 'static {
    /// Any valid token will do where `None`.
    const SCOPE: Option<Scope>;
}

macro_rules! needs {
    ($($name:ident: $scope:expr,)*) => {
        /// One type for each thing that an operation can need.
        pub mod may {
            use flowmatic_openapi::Scope;
            $(
                pub struct $name;
                impl super::Needs for $name {
                    const SCOPE: Option<Scope> = $scope;
                }
            )*
        }
    };
}

needs! {
    Enter: None,
    ReadWorkflows: Some(Scope::WorkflowsRead),
    WriteWorkflows: Some(Scope::WorkflowsWrite),
    ExecuteWorkflows: Some(Scope::WorkflowsExecute),
    ReadExecutions: Some(Scope::ExecutionsRead),
    WriteExecutions: Some(Scope::ExecutionsWrite),
    ManageKeys: Some(Scope::KeysManage),
    AdministerWorkspace: Some(Scope::WorkspaceAdmin),
}

/// The caller, who has the scope `N` needs.
pub struct Auth<N> {
    pub principal: Principal,
    /// What stands for the token in the store.
    pub token: TokenHash,
    /// Whether the session came in a cookie.
    pub by_cookie: bool,
    needs: PhantomData<N>,
}

impl<N> std::ops::Deref for Auth<N> {
    type Target = Principal;

    fn deref(&self) -> &Principal {
        &self.principal
    }
}

impl<N: Needs> Auth<N> {
    /// How the description's maker learns the scope: it stands where the name of the scheme would.
    pub const SCHEME: &'static str = match N::SCOPE {
        Some(scope) => scope.as_str(),
        None => ANY_TOKEN,
    };
}

/// Stands for a valid token with whatever scopes.
pub const ANY_TOKEN: &str = "any";

impl<'a, N: Needs> ApiExtractor<'a> for Auth<N> {
    const TYPES: &'static [ApiExtractorType] = &[ApiExtractorType::SecurityScheme];
    type ParamType = ();
    type ParamRawType = ();

    fn register(registry: &mut Registry) {
        registry.create_security_scheme(
            Self::SCHEME,
            MetaSecurityScheme {
                ty: "http",
                description: None,
                name: None,
                key_in: None,
                scheme: Some("bearer"),
                bearer_format: None,
                flows: None,
                openid_connect_url: None,
            },
        );
    }

    fn security_schemes() -> Vec<&'static str> {
        vec![Self::SCHEME]
    }

    async fn from_request(
        request: &'a Request,
        _: &mut RequestBody,
        _: ExtractParamOptions<()>,
    ) -> Result<Self> {
        let app = request
            .data::<App>()
            .ok_or_else(|| ApiError::internal("the app is not at hand"))?;
        let Shown {
            token,
            by_cookie,
            principal,
        } = app.auth.check(app, request).await?;
        if let Some(scope) = N::SCOPE
            && !principal.may(scope)
        {
            return Err(ApiError::forbidden(format!("this needs the scope `{}`", scope.as_str())).into());
        }
        Ok(Self {
            principal,
            token,
            by_cookie,
            needs: PhantomData,
        })
    }
}

/// A token that was found good.
struct Shown {
    token: TokenHash,
    by_cookie: bool,
    principal: Principal,
}

/// The SHA-256 of a token; a token has 256 random bits, so that a plain hash is enough.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct TokenHash(pub [u8; 32]);

impl TokenHash {
    pub fn of(token: &str) -> Self {
        Self(Sha256::digest(token.as_bytes()).into())
    }
}

/// What begins an API key.
pub const KEY_PREFIX: &str = "fm_";
/// What begins the token of a session.
pub const SESSION_PREFIX: &str = "fs_";
/// What begins the token of an invitation.
pub const INVITATION_PREFIX: &str = "fi_";
/// How many characters of a key are kept to tell keys apart.
const SHOWN_PREFIX: usize = 9;

/// Makes a token of 256 random bits.
pub fn new_token(prefix: &str) -> String {
    format!("{prefix}{}", URL_SAFE_NO_PAD.encode(rand::random::<[u8; 32]>()))
}

/// The characters of a key that are kept in the clear.
pub fn shown_prefix(key: &str) -> &str {
    key.get(..SHOWN_PREFIX).unwrap_or(key)
}

/// How long the link of an invitation works.
pub const INVITATION_LIFETIME: Duration = Duration::from_secs(7 * 24 * 60 * 60);

/// How long a log-in lasts.
pub const SESSION_LIFETIME: Duration = Duration::from_secs(14 * 24 * 60 * 60);

/// How long a token that was found in the store is believed without asking again.
const CACHE_LIFETIME: Duration = Duration::from_secs(30);
const CACHE_SIZE: usize = 1024;

/// What this process remembers to check callers fast, and to slow guessers down.
pub struct Checks {
    cache: Mutex<Cache>,
    /// Told of with each new generation.
    forgotten: watch::Sender<()>,
    used: Mutex<Used>,
    bad_tokens: Limiter<IpAddr>,
    log_ins_by_address: Limiter<IpAddr>,
    log_ins_by_email: Limiter<String>,
    pub passwords: Passwords,
}

/// What was used since that was last written to the store, and when.
#[derive(Default)]
pub struct Used {
    pub keys: HashMap<Uuid, Time>,
    /// With the people whose they are.
    pub sessions: HashMap<TokenHash, (i64, Time)>,
}

#[derive(Default)]
struct Cache {
    principals: HashMap<TokenHash, (Principal, Instant)>,
    /// Raised when what was found may have become wrong.
    generation: u64,
}

impl Default for Checks {
    fn default() -> Self {
        Self {
            cache: Mutex::default(),
            forgotten: watch::Sender::new(()),
            used: Mutex::default(),
            bad_tokens: Limiter::new(600, 300),
            log_ins_by_address: Limiter::new(60, 30),
            log_ins_by_email: Limiter::new(10, 10),
            passwords: Passwords::default(),
        }
    }
}

impl Checks {
    async fn check(&self, app: &App, request: &Request) -> Result<Shown, ApiError> {
        let (token, by_cookie) = match bearer(request) {
            Some(token) => (token, false),
            None => match app.cookie.token(request.headers()) {
                Some(token) => {
                    app.cookie.check_change(request)?;
                    (token, true)
                }
                None => {
                    let message = "send `Authorization: Bearer` and an API key or a session's token";
                    return Err(ApiError::unauthorized(message));
                }
            },
        };
        let hash = TokenHash::of(token);
        let now = app.now();
        let found = match (token.starts_with(KEY_PREFIX), token.starts_with(SESSION_PREFIX)) {
            (false, false) => None,
            (is_key, _) => self.find(app, is_key, hash, now).await?,
        };
        let principal = match found {
            Some(principal) if principal.expires_at.is_none_or(|end| end > now) => principal,
            found => {
                self.bad_tokens.take(&address(request))?;
                return Err(match found {
                    Some(Principal {
                        caller: Caller::Key(_),
                        expires_at: Some(end),
                        ..
                    }) => ApiError::key_expired(end),
                    _ => ApiError::unauthorized("the token is not valid, was revoked or has expired"),
                });
            }
        };
        match principal.caller {
            Caller::Key(id) => _ = lock(&self.used).keys.insert(id, now),
            Caller::User { id, .. } => _ = lock(&self.used).sessions.insert(hash, (id, now)),
        }
        if by_cookie && self.lengthen(app, hash, &principal, now).await {
            AnswerCookie::set(request, app.cookie.set(token));
        }
        Ok(Shown {
            token: hash,
            by_cookie,
            principal,
        })
    }

    /// Lets a session that is in its second half last as long again as a new one; says whether it was.
    async fn lengthen(&self, app: &App, token: TokenHash, principal: &Principal, now: Time) -> bool {
        if principal
            .expires_at
            .is_none_or(|end| end > now + SESSION_LIFETIME / 2)
        {
            return false;
        }
        let generation = lock(&self.cache).generation;
        let end = now + SESSION_LIFETIME;
        match app.store.lengthen_session(token, end).await {
            Ok(true) => {}
            Ok(false) => return false,
            Err(error) => {
                // It is good for now.
                tracing::warn!(%error, "a session could not be lengthened");
                return false;
            }
        }
        let principal = Principal {
            expires_at: Some(end),
            ..principal.clone()
        };
        self.remember(token, principal, generation);
        true
    }

    fn cached(&self, hash: TokenHash) -> Option<Principal> {
        let cache = lock(&self.cache);
        let (principal, until) = cache.principals.get(&hash)?;
        (*until > Instant::now()).then(|| principal.clone())
    }

    /// Whose a key or a session's token is, as it was found lately or as the store has it.
    async fn find(
        &self,
        app: &App,
        is_key: bool,
        hash: TokenHash,
        now: Time,
    ) -> Result<Option<Principal>, ApiError> {
        if let Some(principal) = self.cached(hash) {
            return Ok(Some(principal));
        }
        let generation = lock(&self.cache).generation;
        let found = match is_key {
            true => app.store.key_by_hash(hash).await?,
            false => app.store.session_by_hash(hash, now).await?,
        };
        if let Some(principal) = &found {
            self.remember(hash, principal.clone(), generation);
        }
        Ok(found)
    }

    /// What was found at this generation; what was revoked while the store was asked is not kept.
    fn remember(&self, hash: TokenHash, principal: Principal, generation: u64) {
        let mut cache = lock(&self.cache);
        if cache.generation == generation {
            if cache.principals.len() >= CACHE_SIZE {
                cache.principals.clear();
            }
            let until = Instant::now() + CACHE_LIFETIME;
            cache.principals.insert(hash, (principal, until));
        }
    }

    /// Call after a key or a session has gone, or a person may do other things.
    pub fn forget(&self) {
        let mut cache = lock(&self.cache);
        cache.generation += 1;
        cache.principals.clear();
        self.forgotten.send_replace(());
    }

    /// What was used since the last call; whoever takes it writes it down.
    pub fn take_used(&self) -> Used {
        std::mem::take(&mut *lock(&self.used))
    }

    /// Counts an attempt to log in or to set up; refuses when there were too many.
    pub fn count_log_in(&self, request: &Request, email: &str) -> Result<(), ApiError> {
        self.count_attempt(request)?;
        self.log_ins_by_email.take(&email.to_owned())
    }

    /// The same for an attempt with a token that nobody guesses.
    pub fn count_attempt(&self, request: &Request) -> Result<(), ApiError> {
        self.log_ins_by_address.take(&address(request))
    }
}

fn bearer(request: &Request) -> Option<&str> {
    let (scheme, token) = request.header(header::AUTHORIZATION)?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

fn address(request: &Request) -> IpAddr {
    let address = request.remote_addr().as_socket_addr();
    address.map_or(IpAddr::from([0, 0, 0, 0]), std::net::SocketAddr::ip)
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // Each change under these locks is whole at any moment.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use flowmatic_openapi::{Role, Scope};

    use super::{KEY_PREFIX, new_token, scopes_of, shown_prefix};

    #[test]
    fn gives_each_role_its_scopes() {
        assert_eq!(scopes_of(Role::Owner), Scope::ALL);
        assert!(!scopes_of(Role::Editor).contains(&Scope::KeysManage));
        assert!(scopes_of(Role::Editor).contains(&Scope::WorkflowsExecute));
        assert!(
            scopes_of(Role::Viewer)
                .iter()
                .all(|scope| scope.as_str().ends_with(":read"))
        );
        assert!(!scopes_of(Role::Viewer).is_empty());
    }

    #[test]
    fn makes_tokens_that_are_long_and_never_the_same() {
        let token = new_token(KEY_PREFIX);
        assert_eq!(token.len(), KEY_PREFIX.len() + 43);
        assert_ne!(token, new_token(KEY_PREFIX));
        assert!(shown_prefix(&token).len() < 12);
    }
}
