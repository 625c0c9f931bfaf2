//! Readers of /proc.

pub mod lines;
pub mod mountinfo;
pub mod process;
