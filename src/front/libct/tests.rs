use super::*;

/// What a text gives.
pub(super) struct Parsed {
    pub plan: &'static mut Plan,
    pub result: Result<(), String>,
    pub warnings: Vec<String>,
}

use std::string::String;
use std::vec::Vec;

pub(super) fn read(text: &str, strict: bool) -> Parsed {
    let arena = Arena::new(Box::leak(vec![0; 1 << 20].into_boxed_slice()));
    let text = Box::leak(text.as_bytes().to_vec().into_boxed_slice());
    let plan = Box::leak(Box::new(Plan::new()));
    let mut warnings = Vec::new();
    let mut warn = |text: fmt::Arguments| warnings.push(text.to_string());
    let result = parse_with(text, "c.json", plan, &arena, strict, &mut warn);
    Parsed { plan, result: result.map_err(|fault| fault.error.to_string()), warnings }
}

#[test]
fn a_misplaced_type_is_named_with_its_place() {
    let text = "{\n \"mount_config\": {\"device_nodes\": [\n  {\"type\": \"c\", \"major_number\": \"1\"}]}}";
    let error = read(text, false).result.unwrap_err();
    let key = "mount_config.device_nodes[0].major_number";
    assert_eq!(error, format!("c.json:3:33: {key}: expected an integer, found a string"));
}

#[test]
fn the_union_of_both_generations() {
    let parsed = read(r#"{"namespaces": {"NEWNS": true}, "mask_paths": ["/proc/kcore"]}"#, false);
    assert_eq!(parsed.result, Ok(()));
    assert_eq!(parsed.plan.rootfs.masked.as_slice(), [c"/proc/kcore"]);
    let warning = "c.json:1:47: mask_paths: a key of libcontainer from 2.0, in a file for the other: read all the same";
    assert_eq!(parsed.warnings, [warning]);
}
