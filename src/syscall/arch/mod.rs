//! One file per architecture: the instruction that enters the kernel.

#[cfg(target_arch = "aarch64")]
mod aarch64;
#[cfg(target_arch = "arm")]
mod arm;
#[cfg(target_arch = "riscv64")]
mod riscv64;
#[cfg(target_arch = "x86_64")]
mod x86_64;

#[cfg(target_arch = "aarch64")]
pub use aarch64::{syscall, vfork};
#[cfg(target_arch = "arm")]
pub use arm::{syscall, vfork};
#[cfg(target_arch = "riscv64")]
pub use riscv64::{syscall, vfork};
#[cfg(target_arch = "x86_64")]
pub use x86_64::{syscall, vfork};
