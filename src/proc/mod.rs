//! Readers of /proc.

pub mod lines;
pub mod process;
