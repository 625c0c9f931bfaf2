//! The reaper.
