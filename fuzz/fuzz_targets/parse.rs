//! container.json: any bytes are read or refused, and what is read prints as something that is read
//! as the same. `cargo +nightly fuzz run parse fuzz/corpus/parse sample_configs` starts from the
//! samples.
#![no_main]

use libfuzzer_sys::fuzz_target;
use nsinit::bytes::Arena;
use nsinit::front::libct::{parse_with, print};
use nsinit::plan::check::check;
use nsinit::plan::unbuilt::unbuilt;
use nsinit::plan::Plan;

/// Memory that `with` has for its run: nsinit's own never ends.
struct Lent(*mut [u8]);

impl Lent {
    fn new(bytes: Vec<u8>) -> Lent {
        Lent(Box::into_raw(bytes.into_boxed_slice()))
    }

    fn get(&self) -> &'static mut [u8] {
        // SAFETY: called once, and what it lends is not looked at after the drop (`read_once`).
        unsafe { &mut *self.0 }
    }
}

impl Drop for Lent {
    fn drop(&mut self) {
        // SAFETY: from `Box::into_raw` in `new`.
        drop(unsafe { Box::from_raw(self.0) });
    }
}

/// The printed plan, if the text is a good one.
fn read_once(text: &[u8]) -> Option<String> {
    let (text, memory) = (Lent::new(text.to_vec()), Lent::new(vec![0; 64 << 10]));
    let mut plan = Box::new(Plan::new());
    let arena = Arena::new(memory.get());
    let mut faults = 0;
    parse_with(text.get(), "fuzz", &mut plan, &arena, false, &mut |_| {}, &mut |_| faults += 1);
    check(&plan, &mut |_| {});
    unbuilt(&plan, &mut |_| {});
    let mut printed = String::new();
    print(&mut plan, &mut printed).expect("a String takes everything");
    (faults == 0).then_some(printed)
}

fuzz_target!(|text: &[u8]| {
    if let Some(printed) = read_once(text) {
        let again = read_once(printed.as_bytes());
        assert_eq!(again.as_deref(), Some(printed.as_str()));
    }
});
