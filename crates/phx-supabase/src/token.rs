//! Access tokens: a fixed one, or those of a function.

use std::error::Error;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures::future::{Either, select};
use phx_client::Runtime;

/// Time that a token function has beside the joins.
const TIMEOUT: Duration = Duration::from_secs(10);

/// Result of a token function. `None`: there is no token, for example since nobody is logged in.
pub(crate) type TokenResult = Result<Option<String>, Box<dyn Error + Send + Sync>>;

type TokenFunction =
    Arc<dyn Fn() -> Pin<Box<dyn Future<Output = TokenResult> + Send>> + Send + Sync>;

/// Source of the access token. `Debug` shows no token.
#[derive(Clone, Default)]
pub(crate) enum TokenSource {
    #[default]
    None,
    Fixed(String),
    Function(TokenFunction),
}

impl TokenSource {
    pub(crate) fn function<F, M>(make: F) -> Self
    where
        F: Fn() -> M + Send + Sync + 'static,
        M: Future<Output = TokenResult> + Send + 'static,
    {
        TokenSource::Function(Arc::new(move || Box::pin(make())))
    }

    pub(crate) fn is_function(&self) -> bool {
        matches!(self, TokenSource::Function(_))
    }

    /// The token now, as [`get`](Self::get) makes it, within [`TIMEOUT`].
    pub(crate) async fn get_in_time(self, runtime: &dyn Runtime) -> TokenResult {
        let limit = runtime.timer(runtime.now() + TIMEOUT);
        match select(Box::pin(self.get()), limit).await {
            Either::Left((token, _)) => token,
            Either::Right(_) => Err("the token function took too long".into()),
        }
    }

    /// The token now. A function is asked.
    pub(crate) async fn get(self) -> TokenResult {
        match self {
            TokenSource::None => Ok(None),
            TokenSource::Fixed(token) => Ok(Some(token)),
            TokenSource::Function(function) => function().await,
        }
    }
}

impl fmt::Debug for TokenSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            TokenSource::None => "None",
            TokenSource::Fixed(_) => "Fixed(..)",
            TokenSource::Function(_) => "Function(..)",
        })
    }
}

/// The token source of a client, which `set_auth` replaces.
#[derive(Debug, Default)]
pub(crate) struct Tokens(Mutex<TokenSource>);

impl Tokens {
    pub(crate) fn new(source: TokenSource) -> Self {
        Tokens(Mutex::new(source))
    }

    pub(crate) fn source(&self) -> TokenSource {
        self.lock().clone()
    }

    pub(crate) fn set(&self, source: TokenSource) {
        // The old function is foreign code: it is dropped outside the lock.
        let old = std::mem::replace(&mut *self.lock(), source);
        drop(old);
    }

    fn lock(&self) -> MutexGuard<'_, TokenSource> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
