//! Encrypts what must be kept secret, with XChaCha20-Poly1305 under the server's key.
//!
//! Each text is bound to the id of its row: moved to another row it does not open.

use std::fs;
use std::io::{ErrorKind, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use anyhow::{Context, bail};
use chacha20poly1305::aead::{Aead, Payload};
use chacha20poly1305::{KeyInit, XChaCha20Poly1305, XNonce};
use hmac::{Hmac, Mac};
use sha2::Sha256;
use uuid::Uuid;

use crate::store::make_private_folder;

const KEY_LENGTH: usize = 32;
const NONCE_LENGTH: usize = 24;
const LINK_TOKEN_LENGTH: usize = 16;

/// The server's key. It never prints.
#[derive(Clone)]
pub struct SecretKey {
    cipher: XChaCha20Poly1305,
    /// For links that nobody can make up.
    links: Hmac<Sha256>,
}

impl std::fmt::Debug for SecretKey {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("SecretKey")
    }
}

/// The text was changed, belongs to another row or was sealed under another key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a secret does not open: it was sealed with another `--secret-key`")]
pub struct Sealed;

impl SecretKey {
    /// Takes the configured key, else the one in the data folder, which is made where missing if it may be.
    pub fn open(configured: Option<&str>, data_dir: &Path, may_make: bool) -> anyhow::Result<Self> {
        let hex = match configured {
            Some(hex) => hex.to_owned(),
            None => read_or_make(data_dir, may_make)?,
        };
        let bytes = hex::decode(hex.trim())
            .ok()
            .filter(|bytes| bytes.len() == KEY_LENGTH);
        let Some(bytes) = bytes else {
            bail!("the secret key is not 64 hex digits; `openssl rand -hex 32` makes one");
        };
        let cipher = XChaCha20Poly1305::new_from_slice(&bytes).context("the key has the right length")?;
        let links = Hmac::new_from_slice(&[&bytes[..], b"links"].concat()).context("any length will do")?;
        Ok(Self { cipher, links })
    }

    /// A token for a link to this execution: 32 hex digits that nobody can make up.
    pub fn link_token(&self, execution: Uuid) -> String {
        let mut mac = self.links.clone();
        mac.update(execution.as_bytes());
        hex::encode(&mac.finalize().into_bytes()[..LINK_TOKEN_LENGTH])
    }

    pub fn is_link_token(&self, execution: Uuid, token: &str) -> bool {
        let mut mac = self.links.clone();
        mac.update(execution.as_bytes());
        // In constant time.
        hex::decode(token)
            .is_ok_and(|token| token.len() == LINK_TOKEN_LENGTH && mac.verify_truncated_left(&token).is_ok())
    }

    /// Encrypts a secret for the row of this id.
    pub fn seal(&self, row: Uuid, text: &str) -> Vec<u8> {
        let nonce: [u8; NONCE_LENGTH] = rand::random();
        let payload = Payload {
            msg: text.as_bytes(),
            aad: row.as_bytes(),
        };
        let sealed = self
            .cipher
            .encrypt(&XNonce::from(nonce), payload)
            .expect("only texts beyond 256 GiB fail");
        [&nonce[..], &sealed].concat()
    }

    /// Decrypts the secret of the row of this id.
    pub fn unseal(&self, row: Uuid, sealed: &[u8]) -> Result<String, Sealed> {
        let (nonce, message) = sealed.split_first_chunk::<NONCE_LENGTH>().ok_or(Sealed)?;
        let payload = Payload {
            msg: message,
            aad: row.as_bytes(),
        };
        let text = self
            .cipher
            .decrypt(&XNonce::from(*nonce), payload)
            .map_err(|_| Sealed)?;
        String::from_utf8(text).map_err(|_| Sealed)
    }
}

fn read_or_make(data_dir: &Path, may_make: bool) -> anyhow::Result<String> {
    let path = data_dir.join("secret.key");
    let shown = path.display();
    match fs::read_to_string(&path) {
        Ok(hex) => return Ok(hex),
        Err(error) if error.kind() == ErrorKind::NotFound && may_make => {}
        Err(error) => return Err(error).with_context(|| format!("cannot read the secret key `{shown}`")),
    }
    let making = || format!("cannot make the secret key `{shown}`");
    make_private_folder(data_dir).with_context(making)?;
    let hex = hex::encode(rand::random::<[u8; KEY_LENGTH]>());
    // Written aside and linked into place: a process beside this one sees a whole key or none.
    let aside = data_dir.join(format!("secret.key.{}", Uuid::new_v4()));
    let write = || -> std::io::Result<()> {
        let mut file = fs::OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&aside)?;
        file.write_all(hex.as_bytes())?;
        file.sync_all()?;
        match fs::hard_link(&aside, &path) {
            Err(error) if error.kind() == ErrorKind::AlreadyExists => Ok(()),
            other => other,
        }?;
        fs::File::open(data_dir)?.sync_all()
    };
    let written = write();
    let _ = fs::remove_file(&aside);
    written.with_context(making)?;
    fs::read_to_string(&path).with_context(|| format!("cannot read the secret key `{shown}`"))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use uuid::Uuid;

    use super::{Sealed, SecretKey};

    #[test]
    fn opens_what_it_sealed_for_the_same_row_only() {
        let key = SecretKey::open(Some(&"ab".repeat(32)), ".".as_ref(), true).expect("a good key");
        let row = Uuid::now_v7();
        let sealed = key.seal(row, "hunter2");
        assert_eq!(key.unseal(row, &sealed), Ok("hunter2".to_owned()));
        assert_eq!(key.unseal(Uuid::now_v7(), &sealed), Err(Sealed));
        let other = SecretKey::open(Some(&"cd".repeat(32)), ".".as_ref(), true).expect("a good key");
        assert_eq!(other.unseal(row, &sealed), Err(Sealed));
        let mut changed = sealed.clone();
        changed[30] ^= 1;
        assert_eq!(key.unseal(row, &changed), Err(Sealed));
        assert_eq!(key.unseal(row, b"short"), Err(Sealed));
        assert_ne!(key.seal(row, "hunter2"), sealed, "a nonce of its own each time");
    }

    #[test]
    fn makes_a_key_once_that_only_its_owner_reads() {
        let folder = tempfile::tempdir().expect("a folder");
        let data = folder.path().join("data");
        let first = SecretKey::open(None, &data, true).expect("made");
        let second = SecretKey::open(None, &data, true).expect("read");
        let row = Uuid::now_v7();
        assert_eq!(second.unseal(row, &first.seal(row, "x")), Ok("x".to_owned()));
        let mode = std::fs::metadata(data.join("secret.key"))
            .expect("there")
            .permissions()
            .mode();
        assert_eq!(mode & 0o777, 0o600);
        assert_eq!(std::fs::read_dir(&data).expect("a folder").count(), 1);
    }

    #[test]
    fn knows_the_tokens_of_its_links() {
        let key = SecretKey::open(Some(&"ab".repeat(32)), ".".as_ref(), true).expect("a good key");
        let (one, other) = (Uuid::now_v7(), Uuid::now_v7());
        let token = key.link_token(one);
        assert!(key.is_link_token(one, &token));
        for (execution, token) in [(other, &*token), (one, &token[..30]), (one, ""), (one, "zz")] {
            assert!(!key.is_link_token(execution, token), "{token}");
        }
        let another = SecretKey::open(Some(&"cd".repeat(32)), ".".as_ref(), true).expect("a good key");
        assert!(!another.is_link_token(one, &token));
    }

    #[test]
    fn refuses_a_key_of_the_wrong_length() {
        for key in ["", "ab", &"zz".repeat(32)] {
            assert!(SecretKey::open(Some(key), ".".as_ref(), true).is_err(), "{key}");
        }
    }
}
