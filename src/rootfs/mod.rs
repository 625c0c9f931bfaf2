//! The root file system.
