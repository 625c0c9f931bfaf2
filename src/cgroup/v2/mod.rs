//! Version 2: one group in the one hierarchy (Documentation/admin-guide/cgroup-v2.rst).

pub mod devices;
mod limits;
mod path;

pub use limits::{limit, swap};
pub use path::{above, base, give_down};
