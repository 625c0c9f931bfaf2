//! Readers of /proc.
