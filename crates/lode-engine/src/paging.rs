//! Pages of lists: a size within the limit and a token that is the last key shown.

use lode_types::Fault;

use crate::services::MAX_PAGE_SIZE;
use crate::status::invalid;

/// Entries on a page of a list that names no size.
const DEFAULT_PAGE_SIZE: usize = 100;

/// Checks a page size; 0 means the default, more than the limit means the limit.
///
/// # Errors
/// A negative size.
pub(crate) fn size(page_size: i32) -> Result<usize, Fault> {
    match usize::try_from(page_size) {
        Ok(0) => Ok(DEFAULT_PAGE_SIZE),
        Ok(size) => Ok(size.min(MAX_PAGE_SIZE)),
        Err(_) => Err(invalid(
            "page_size",
            format!("expected 0 or more, found {page_size}"),
        )),
    }
}

/// The number in a token; none on the first page.
///
/// # Errors
/// A token that this engine did not make.
pub(crate) fn number(page_token: &str) -> Result<Option<u64>, Fault> {
    if page_token.is_empty() {
        return Ok(None);
    }
    page_token.parse().map(Some).map_err(|_| {
        invalid(
            "page_token",
            format!("expected a token of the page before, found {page_token:?}"),
        )
    })
}

/// One page of a list that is in memory, and the token of the next.
///
/// # Errors
/// As [`size`] and [`number`].
pub(crate) fn slice<T>(
    all: Vec<T>,
    page_size: i32,
    page_token: &str,
) -> Result<(Vec<T>, String), Fault> {
    let size = size(page_size)?;
    let start = number(page_token)?.unwrap_or(0);
    let start = usize::try_from(start).unwrap_or(usize::MAX).min(all.len());
    let end = start.saturating_add(size).min(all.len());
    let token = if end < all.len() {
        end.to_string()
    } else {
        String::new()
    };
    let page = all.into_iter().skip(start).take(end - start).collect();
    Ok((page, token))
}
