//! See `Target` for what is demanded of it.
#![no_main]

use tribunal_fuzz::Target;

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    Target::from_name("cobra").expect("a target").run(data);
});
