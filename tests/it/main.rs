//! The real binary, as root, in real root file systems. A module per subject; `world` is the
//! harness. Each test ends with a proof that nothing is left (`Place`'s drop).
//!
//! Run by `scripts/test`, which also says which program is tested (`NSINIT`). By hand:
//! `cargo nextest run`; the harness counts on one process per test.

mod booted;
mod config;
mod hostnet;
mod machine;
mod named;
mod pty;
mod trace;
mod world;

mod bench;
mod boot_cgroup;
mod boot_check;
mod boot_console;
mod boot_crash;
mod boot_initramfs;
mod boot_inside;
mod boot_kmsg;
mod boot_power;
mod boot_readonly;
mod boot_root;
mod boot_rootwait;
mod boot_watchdog;
mod cgroup;
mod cgroup_limits;
mod cgroup_v2;
mod cli;
mod dialects;
mod dropin_catatonit;
mod dropin_dumb_init;
mod dropin_tini;
mod fallbacks;
mod faults;
mod hostile_join;
mod hostile_root;
mod hostile_state;
mod images;
mod init;
mod join;
mod kill;
mod life;
mod mkinitramfs;
mod net_after;
mod net_cleanup;
mod net_errors;
mod net_killed;
mod net_types;
mod net_veth;
mod net_vm;
mod oom;
mod pause;
mod process;
mod ps;
mod reaper;
mod reaper_rest;
mod reaper_self;
mod reaper_signals;
mod reaper_status;
mod reaper_tty;
mod rootfs;
mod samples;
mod services;
mod services_crash;
mod services_stuck;
mod services_vm;
mod shape;
mod state;
mod stats;
mod storm;
mod systemd;
mod tty;
mod user;
mod vm;
