//! Link flags of the libc-free binary. `rustc-link-arg-bins` reaches nothing else: build scripts,
//! procedural macros and test harnesses keep the host's libc.

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-changed=src/rt/discard.ld");
    let env = |name: &str| std::env::var(name).unwrap_or_default();
    // A debugger wants the tables that this leaves out.
    if env("PROFILE") == "release" {
        println!("cargo::rustc-link-arg-bins=-T{}/src/rt/discard.ld", env("CARGO_MANIFEST_DIR"));
    }
    if env("CARGO_CFG_TARGET_ENV") == "musl" {
        // The flags of the musl triples are in .cargo/config.toml, in the words of ld.lld.
        return;
    }
    for arg in [
        "-nostartfiles", // src/rt is the start-up code
        "-nostdlib",     // no libc, no libgcc
        "-static",       // no dynamic section, no interpreter
        "-no-pie",       // fixed addresses: nothing to relocate at start
        "-Wl,--build-id=none",
        "-Wl,-z,norelro", // RELRO would cost a page and an mprotect that nobody makes
        "-Wl,-z,noseparate-code", // headers, read-only data and text share pages of the file
        "-Wl,-z,noexecstack",
        "-Wl,--hash-style=gnu",
        "-Wl,-O2", // a text that ends as another does lies in it
    ] {
        println!("cargo::rustc-link-arg-bins={arg}");
    }
}
