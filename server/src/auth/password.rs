//! Passwords: hashed and checked off the async threads, a few at a time.

use argon2::Argon2;
use argon2::password_hash::phc::PasswordHash;
use argon2::password_hash::{PasswordHasher, PasswordVerifier};
use tokio::sync::Semaphore;

use crate::api::error::ApiError;

/// Each password check takes 19 MiB and a core for some 20 ms.
const AT_ONCE: usize = 2;

pub struct Passwords(Semaphore);

impl Default for Passwords {
    fn default() -> Self {
        Self(Semaphore::new(AT_ONCE))
    }
}

impl Passwords {
    /// Whether the password is the one that was hashed. Takes the same time where there is no hash.
    pub async fn verify(&self, password: String, hash: Option<String>) -> Result<bool, ApiError> {
        self.in_turn(move || {
            let known = hash.is_some();
            // Of no password: it has been made from random bytes.
            let hash = hash.unwrap_or_else(|| NOBODY.to_owned());
            let hash = PasswordHash::new(&hash).map_err(ApiError::internal)?;
            Ok(Argon2::default()
                .verify_password(password.as_bytes(), &hash)
                .is_ok()
                && known)
        })
        .await
    }

    pub async fn hash(&self, password: String) -> Result<String, ApiError> {
        self.in_turn(move || hash_password(&password).map_err(ApiError::internal))
            .await
    }

    async fn in_turn<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> Result<T, ApiError> + Send + 'static,
    ) -> Result<T, ApiError> {
        let _turn = self.0.acquire().await.map_err(ApiError::internal)?;
        tokio::task::spawn_blocking(work)
            .await
            .map_err(ApiError::internal)?
    }
}

/// An argon2id hash with the parameters of today's.
const NOBODY: &str =
    "$argon2id$v=19$m=19456,t=2,p=1$c29tZSBvdGhlciBzYWx0$PNpNLIZfb0f0cXAkFzYtmwn8OqOaqxIKRK0jnwFPnaE";

/// Takes some 20 ms: not for an async task.
pub fn hash_password(password: &str) -> anyhow::Result<String> {
    let hash = Argon2::default()
        .hash_password(password.as_bytes())
        .map_err(|error| anyhow::anyhow!("the password cannot be hashed: {error}"))?;
    Ok(hash.to_string())
}

#[cfg(test)]
mod tests {
    use super::{Passwords, hash_password};

    #[tokio::test]
    async fn checks_passwords() {
        let passwords = Passwords::default();
        let hash = hash_password("correct horse").expect("hashed");
        let verify = |password: &str, hash: Option<&str>| {
            passwords.verify(password.to_owned(), hash.map(str::to_owned))
        };
        assert!(verify("correct horse", Some(&hash)).await.expect("checked"));
        assert!(!verify("wrong horse", Some(&hash)).await.expect("checked"));
        assert!(
            !verify("correct horse", None)
                .await
                .expect("checked without a user")
        );
    }
}
