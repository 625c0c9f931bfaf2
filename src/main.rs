//! The binary: start-up code and one call into the library (see `src/lib.rs` for the map).
#![no_std]
#![no_main]

mod rt;

use rt::start;
