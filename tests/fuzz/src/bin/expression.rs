#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| flowmatic_fuzz::expression(bytes));
