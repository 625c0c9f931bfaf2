//! "service": how a booted machine keeps the container.

use super::*;
use crate::plan::service::{LOG_CONSOLE, LOG_FILE, LOG_KMSG, OnFailure, Restart};

fn service(keys: &str) -> &'static mut Plan {
    good(&format!("{{\"namespaces\": [], \"service\": {{{keys}}}}}"))
}

fn fault(keys: &str) -> String {
    bad(&format!("{{\"service\": {{{keys}}}}}"))
}

#[test]
fn every_key_arrives() {
    let plan = service(
        r#""after": ["a", "b"], "restart": "always", "restart_max": 3, "on_failure": "reboot",
           "stop_signal": "SIGint", "grace": "500ms", "timeout": "2m", "log": ["kmsg", "file"],
           "log_size": "1M", "overlay": "/disk/a", "overlay_size": "10%""#,
    );
    let service = &plan.service;
    assert_eq!(service.after.as_slice(), [c"a", c"b"]);
    assert_eq!((service.overlay, service.overlay_size), (Some(c"/disk/a"), Some(c"10%")));
    let keep = &service.keep;
    assert_eq!((keep.restart, keep.restart_max), (Restart::Always, 3));
    assert_eq!((keep.on_failure, keep.stop_signal), (OnFailure::Reboot, 2));
    assert_eq!((keep.grace, keep.timeout), (500, 120_000));
    assert_eq!((keep.log, keep.log_size), (LOG_KMSG | LOG_FILE, 1 << 20));
}

#[test]
fn what_is_not_said_has_a_default() {
    let keep = good("{\"namespaces\": []}").service.keep;
    assert_eq!((keep.restart, keep.on_failure), (Restart::OnFailure, OnFailure::Stop));
    assert_eq!((keep.stop_signal, keep.grace, keep.timeout), (15, 5000, 0));
    assert_eq!((keep.log, keep.log_size), (LOG_CONSOLE | LOG_FILE, 65536));
}

#[test]
fn a_bare_number_is_seconds_or_bytes() {
    let keep =
        service(r#""grace": 7, "timeout": "8", "log_size": 9, "stop_signal": 34"#).service.keep;
    assert_eq!((keep.grace, keep.timeout, keep.log_size, keep.stop_signal), (7000, 8000, 9, 34));
}

#[test]
fn nonsense_is_refused_at_its_place() {
    for (keys, why) in [
        (
            r#""restart": "often""#,
            "c.json:1:25: service.restart: unknown value \"often\"; expected no, on-failure or always",
        ),
        (
            r#""log": ["disk"]"#,
            "c.json:1:22: service.log[0]: unknown value \"disk\"; expected console, kmsg, file or none",
        ),
        (r#""stop_signal": "NONE""#, "service.stop_signal: expected the name or the number"),
        (r#""stop_signal": 65"#, "service.stop_signal: expected an integer from 1 to 64"),
        (r#""grace": "5 s""#, "service.grace: expected a number with a unit"),
        (r#""grace": "s""#, "service.grace: expected a number with a unit"),
        (r#""grace": -1"#, "service.grace: expected a number with a unit"),
        (r#""grace": "1194h""#, "service.grace: expected a number with a unit"),
        (r#""log_size": true"#, "service.log_size: expected a number or a string, found a boolean"),
        (r#""overlay": "disk""#, "service.overlay: expected \"tmpfs\" or an absolute path"),
        (r#""after": "a""#, "service.after: expected an array, found a string"),
    ] {
        let said = fault(keys);
        assert!(said.contains(why), "{keys}: {said}");
    }
}

#[test]
fn the_longest_time_is_what_32_bits_of_milliseconds_hold() {
    assert_eq!(service(r#""grace": "1193h""#).service.keep.grace, 1193 * 3_600_000);
}

#[test]
fn it_is_printed_only_where_it_was_said() {
    let mut out = String::new();
    print(good("{\"namespaces\": []}"), &mut out).unwrap();
    assert!(!out.contains("service"), "{out}");
    let mut out = String::new();
    print(service(r#""log": [], "grace": 1"#), &mut out).unwrap();
    assert!(out.contains("\"grace\": \"1000ms\"") && out.contains("\"none\""), "{out}");
    let again = good(&out);
    assert_eq!((again.service.keep.log, again.service.keep.grace), (0, 1000));
}
