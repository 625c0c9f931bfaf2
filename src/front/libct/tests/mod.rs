mod decoder;
mod generations;
mod interfaces;
mod mutations;
mod refusals;
mod round_trip;
mod seccomp;
mod service;
mod unknown;
mod values;

use super::*;
use crate::plan::Kind;
use crate::plan::check::check;
use crate::plan::unbuilt::unbuilt;
use std::string::String;
use std::vec::Vec;

/// What a text gives.
struct Parsed {
    plan: &'static mut Plan,
    /// The first of the faults.
    result: Result<(), String>,
    faults: Vec<String>,
    warnings: Vec<String>,
}

fn read_bytes(text: &[u8], strict: bool) -> Parsed {
    let arena = Arena::new(Box::leak(vec![0; 16 << 10].into_boxed_slice()));
    let text = Box::leak(text.to_vec().into_boxed_slice());
    let plan = Box::leak(Box::new(Plan::new()));
    let mut warnings = Vec::new();
    let mut warn = |text: fmt::Arguments| warnings.push(text.to_string());
    let mut faults = Vec::new();
    let mut tell = |fault: Fault| faults.push(fault.error.to_string());
    parse_with(text, "c.json", plan, &arena, strict, &mut warn, &mut tell);
    if plan.whole {
        check(plan, &mut |finding| tell(place(plan, "c.json", finding, &arena)));
    }
    let result = faults.first().cloned().map_or(Ok(()), Err);
    Parsed { plan, result, faults, warnings }
}

/// A file that is read and passes `check`, and its warnings.
fn warned(text: &str) -> (&'static mut Plan, Vec<String>) {
    let parsed = read_bytes(text.as_bytes(), false);
    assert_eq!(parsed.result, Ok(()), "{text}");
    (parsed.plan, parsed.warnings)
}

/// A file without fault or warning.
fn good(text: &str) -> &'static mut Plan {
    let (plan, warnings) = warned(text);
    assert!(warnings.is_empty(), "{text}: {warnings:?}");
    plan
}

/// The error of a file.
fn bad(text: &str) -> String {
    read_bytes(text.as_bytes(), false).result.expect_err(text)
}

/// What is not built yet in a good file.
fn later(text: &str) -> String {
    let arena = Arena::new(Box::leak(vec![0; 1 << 10].into_boxed_slice()));
    let (plan, _) = warned(text);
    let mut findings = Vec::new();
    unbuilt(plan, &mut |finding| findings.push(finding));
    let first = *findings.first().expect(text);
    place(plan, "c.json", first, &arena).error.to_string()
}
