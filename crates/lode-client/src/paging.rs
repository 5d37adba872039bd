//! Lists that come in pages: page by page, or all of them at once.

use std::fmt;
use std::future::Future;
use std::pin::Pin;

use crate::Result;

type Fetched<T> = Pin<Box<dyn Future<Output = Result<(Vec<T>, String)>> + Send>>;

/// A list that is read page by page.
pub struct Pager<T> {
    fetch: Box<dyn Fn(String) -> Fetched<T> + Send + Sync>,
    /// Token of the next page; none after the last.
    token: Option<String>,
}

impl<T> Pager<T> {
    pub(crate) fn new<F, Fut>(fetch: F) -> Self
    where
        F: Fn(String) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<(Vec<T>, String)>> + Send + 'static,
    {
        Self {
            fetch: Box::new(move |token| Box::pin(fetch(token))),
            token: Some(String::new()),
        }
    }

    /// The next page; none after the last.
    ///
    /// # Errors
    /// What the call met; the same page is asked for again by the next call.
    pub async fn next_page(&mut self) -> Result<Option<Vec<T>>> {
        let Some(token) = &self.token else {
            return Ok(None);
        };
        let (items, next) = (self.fetch)(token.clone()).await?;
        self.token = (!next.is_empty()).then_some(next);
        Ok(Some(items))
    }

    /// The items of all pages that are left.
    ///
    /// # Errors
    /// What the first failing call met.
    pub async fn all(mut self) -> Result<Vec<T>> {
        let mut all = Vec::new();
        while let Some(page) = self.next_page().await? {
            all.extend(page);
        }
        Ok(all)
    }

    /// The first `limit` items, reading no more pages than they need.
    ///
    /// # Errors
    /// What the first failing call met.
    pub async fn take(mut self, limit: usize) -> Result<Vec<T>> {
        let mut taken = Vec::new();
        while taken.len() < limit {
            let Some(page) = self.next_page().await? else {
                break;
            };
            taken.extend(page);
        }
        taken.truncate(limit);
        Ok(taken)
    }
}

impl<T> fmt::Debug for Pager<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pager")
            .field("token", &self.token)
            .finish_non_exhaustive()
    }
}
