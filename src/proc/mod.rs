//! Readers of /proc.

pub mod mountinfo;
