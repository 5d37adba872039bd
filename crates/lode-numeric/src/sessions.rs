//! What comes next in a session: by past sessions like it, and by what followed each item.
//!
//! Does not know who had a session, nor times: sessions come oldest first. Invariant: scores are
//! sums over items of the session, so that each part can be told.

mod follow;
mod index;
mod near;

pub use follow::FollowParams;
pub use follow::follow;
pub use index::Sessions;
pub use near::Near;
pub use near::NearParams;
pub use near::near;
pub use near::parts;

#[cfg(test)]
mod tests;
