//! How the released program is linked. What of it is resident counts as the server's memory at rest: functions that
//! are alike are one, and relocations are packed. Both are options of LLD, the linker of Rust's own toolchains for this
//! target; packed relocations need glibc 2.36. `FLOWMATIC_LINK=plain` leaves both out.

use std::env;

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    println!("cargo:rerun-if-env-changed=FLOWMATIC_LINK");
    let is = |name: &str, value: &str| env::var(name).is_ok_and(|actual| actual == value);
    let has_lld = is("CARGO_CFG_TARGET_OS", "linux")
        && is("CARGO_CFG_TARGET_ARCH", "x86_64")
        && is("CARGO_CFG_TARGET_ENV", "gnu");
    if has_lld && is("PROFILE", "release") && !is("FLOWMATIC_LINK", "plain") {
        println!("cargo:rustc-link-arg-bins=-Wl,--icf=all");
        println!("cargo:rustc-link-arg-bins=-Wl,-z,pack-relative-relocs");
    }
}
