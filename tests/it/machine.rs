//! A virtual machine: a stock kernel that boots an initramfs which a test lays out. Its console is
//! the serial line, and what it said there is what a test looks at. What depends on the kind of
//! processor is tested on each, with `on_each_arch!`.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use crate::config::{Config, strings};
use crate::world::{
    Place, Running, lay_out, lay_out_with, nameless, nsinit, programs_by, script, skip, spawn,
};

/// Longest time that a machine may run: a stock kernel's start is most of it, and other tests run
/// meanwhile.
const BOOT: Duration = Duration::from_secs(150);

/// What the machine says before it ends, where a script is its /init.
const END: &str = "MACHINE ENDS";

/// The kind of a machine.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Arch {
    /// The host's own.
    X86_64,
    /// One for which all is built and fetched: scripts/cross, scripts/vm-kernel, scripts/vm-root.
    Aarch64,
}

/// Tests that are run on a machine of each kind: functions that take it.
#[macro_export]
macro_rules! on_each_arch {
    ($($name:ident),*) => {$(
        mod $name {
            #[test]
            fn x86_64() {
                super::$name($crate::machine::Arch::X86_64);
            }
            #[test]
            fn aarch64() {
                super::$name($crate::machine::Arch::Aarch64);
            }
        }
    )*};
}

impl Arch {
    /// The program that makes one, with its words.
    fn qemu(self) -> &'static [&'static str] {
        match self {
            // qemu 7.2 gets this instruction's flags wrong now and then; kernels since 6.4 crash by it.
            Arch::X86_64 => &["qemu-system-x86_64", "-cpu", "qemu64,-cx16"],
            Arch::Aarch64 => &["qemu-system-aarch64", "-machine", "virt", "-cpu", "cortex-a57"],
        }
    }

    /// Its first serial line.
    pub fn console(self) -> &'static str {
        match self {
            Arch::X86_64 => "ttyS0",
            Arch::Aarch64 => "ttyAMA0",
        }
    }

    /// The words for its kernel: the check of the timer of the one fails where the host is too busy.
    fn append(self) -> &'static str {
        match self {
            Arch::X86_64 => "console=ttyS0 no_timer_check",
            Arch::Aarch64 => "console=ttyAMA0",
        }
    }

    /// Where its kernel is: scripts/vm-kernel has put it there, or another one where these name it.
    fn vm(self) -> PathBuf {
        let (named, dir) = match self {
            Arch::X86_64 => ("NSINIT_VM_KERNEL", "vm"),
            Arch::Aarch64 => ("NSINIT_VM_KERNEL_AARCH64", "vm-arm64"),
        };
        std::env::var_os(named).map_or_else(|| target(dir), PathBuf::from)
    }

    /// The program that is tested.
    pub fn nsinit(self) -> PathBuf {
        match self {
            Arch::X86_64 => nsinit(),
            Arch::Aarch64 => std::env::var_os("NSINIT_AARCH64").unwrap_or_default().into(),
        }
    }

    /// Where a file of the host's is, or the one at this path in Debian's root for that kind.
    pub fn host(self, path: &Path) -> PathBuf {
        match self {
            Arch::X86_64 => path.to_owned(),
            Arch::Aarch64 => target("vm-root-arm64").join(path.strip_prefix("/").unwrap()),
        }
    }

    /// The shared libraries that a program of the host's needs to start.
    fn libraries(self, program: &Path) -> Vec<PathBuf> {
        if self == Arch::X86_64 {
            let list = output(Command::new("ldd").arg(program));
            let words = list.split_whitespace().filter(|word| word.starts_with('/'));
            return words.map(PathBuf::from).collect();
        }
        let mut files = vec![program.to_owned(), "/lib/ld-linux-aarch64.so.1".into()];
        for n in 0.. {
            let Some(file) = files.get(n) else { break };
            // "0x1 (NEEDED)  Shared library: [libc.so.6]"
            let list = output(Command::new("readelf").arg("-d").arg(self.host(file)));
            let names = list.lines().filter(|line| line.contains("(NEEDED)"));
            for name in names.filter_map(|line| line.split(['[', ']']).nth(1)) {
                let of_systemd = Path::new("/usr/lib/aarch64-linux-gnu/systemd").join(name);
                let usual = Path::new("/usr/lib/aarch64-linux-gnu").join(name);
                let here = self.host(&of_systemd).exists();
                let library = if here { of_systemd } else { usual };
                if !files.contains(&library) {
                    files.push(library);
                }
            }
        }
        files.split_off(1)
    }

    /// A BusyBox root file system that runs there.
    pub fn lay_out(self, root: &Path) {
        match self {
            Arch::X86_64 => lay_out(root),
            Arch::Aarch64 => {
                let busybox = self.host(Path::new("/bin/busybox"));
                let cc = script(&["cross-gcc", "aarch64-linux-gnu", "arm64"]);
                lay_out_with(root, &programs_by("programs-aarch64", &cc, &busybox));
            }
        }
    }
}

/// A machine that has not booted yet.
pub struct Machine {
    /// What it is.
    pub arch: Arch,
    /// The root of its initramfs.
    pub root: PathBuf,
    /// The words on the kernel's command line that name its console.
    pub console: &'static str,
    /// Words added to the kernel's command line.
    pub append: String,
    /// Longest time that it may run.
    pub limit: Duration,
    /// Words added to qemu's command line.
    pub qemu: Vec<String>,
    /// Kernel modules, in the order in which they are loaded.
    modules: Vec<String>,
}

impl Machine {
    /// A machine of the host's kind, with BusyBox in /bin and nsinit as /bin/nsinit. `None` where none
    /// can be had: the test is skipped then.
    pub fn new(place: &Place) -> Option<Machine> {
        Machine::of(place, Arch::X86_64)
    }

    /// One of any kind.
    pub fn of(place: &Place, arch: Arch) -> Option<Machine> {
        let qemu = Command::new(arch.qemu()[0]).arg("--version").output().is_ok();
        if !(arch.vm().join("vmlinuz").exists() && qemu && cfg!(target_arch = "x86_64")) {
            skip("no kernel or no qemu: scripts/vm-kernel");
            return None;
        }
        if !arch.nsinit().exists() {
            skip("not built for it: scripts/test aarch64");
            return None;
        }
        let root = place.dir.join("initramfs");
        arch.lay_out(&root);
        for link in ["poweroff", "sh"] {
            // `lay_out` may have made it.
            let _ = symlink("busybox", root.join("bin").join(link));
        }
        fs::copy(arch.nsinit(), root.join("bin/nsinit")).unwrap();
        let (append, modules, qemu) = (String::new(), Vec::new(), Vec::new());
        let console = arch.append();
        Some(Machine { arch, root, console, append, limit: BOOT, qemu, modules })
    }

    /// Whether its kernel has all of version 1 of control groups: Linux 6.12 may lack half of it. The
    /// test is skipped if it does.
    pub fn has_version_1(&self) -> bool {
        // A kernel that was unpacked without its configuration is an older one.
        let config = fs::read_to_string(self.arch.vm().join("config")).unwrap_or_default();
        let has = !config.contains("# CONFIG_MEMCG_V1 is not set");
        if !has {
            skip("the machine's kernel has no memory and cpuset groups of version 1");
        }
        has
    }

    /// Lays out a container at `path` in the machine: a root file system with its container.json.
    pub fn container(&self, path: &str, config: &Config) {
        let container = self.root.join(path);
        self.arch.lay_out(&container);
        fs::write(container.join("container.json"), config.text()).unwrap();
    }

    /// nsinit is the machine's /init.
    pub fn nsinit_is_init(&self) {
        fs::copy(self.arch.nsinit(), self.root.join("init")).unwrap();
    }

    /// A script that runs as the rescue shell, before the first container.
    pub fn rescue(&mut self, script: &str) {
        self.program("script", &format!("#!/bin/sh\nexport PATH=/bin\n{script}\n"));
        self.append += " nsinit.shell=/script";
    }

    /// The same, and the machine ends then.
    pub fn only(&mut self, script: &str) {
        self.rescue(&format!("{script}\nkill -USR2 1"));
    }

    /// Lays out a container of the machine: a root file system with its container.json beside it,
    /// and what it runs.
    pub fn boots(&self, kind: &str, name: &str, script: &str) {
        let dir = self.root.join("containers").join(kind).join(name);
        self.arch.lay_out(&dir.join("rootfs"));
        let mut config = Config::new(name);
        // The stock kernel's controllers are all of version 2.
        config.without_groups().set("rootfs", "\"rootfs\"");
        config.set("command", format!("{{\"args\": {}}}", strings(&["/bin/sh", "-c", script])));
        fs::write(dir.join("container.json"), config.text()).unwrap();
    }

    /// Writes an executable file.
    pub fn program(&self, path: &str, text: &str) {
        let path = self.root.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, text).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    }

    /// Takes a kernel module along, after the modules that it needs; `script` loads them.
    /// One that is part of the kernel is there as it is.
    pub fn module(&mut self, name: &str) {
        let dir = self.arch.vm().join("modules");
        let Some(bytes) = module(&dir, name) else {
            let list = fs::read_to_string(dir.join("modules.builtin")).unwrap();
            let is_in = list.replace('-', "_").contains(&format!("/{name}.ko\n"));
            return assert!(is_in, "the kernel has no module {name}");
        };
        for needed in needs(&bytes) {
            self.module(&needed.replace('-', "_"));
        }
        if !self.modules.iter().any(|module| module == name) {
            fs::create_dir_all(self.root.join("modules")).unwrap();
            fs::write(self.root.join(format!("modules/{name}.ko")), bytes).unwrap();
            self.modules.push(name.to_owned());
        }
    }

    /// It has a keyboard.
    pub fn keyboard(&mut self) {
        // A PC's is there as it is.
        if self.arch == Arch::Aarch64 {
            self.module("virtio_pci");
            self.module("virtio_input");
            self.qemu.extend(["-device", "virtio-keyboard-pci"].map(str::to_owned));
        }
    }

    /// Takes a program of the host along, or of Debian's for the machine's kind, at its path, with the
    /// shared libraries that it is linked with.
    pub fn host_program(&self, path: &Path) {
        for file in self.arch.libraries(path).iter().map(PathBuf::as_path).chain([path]) {
            let target = self.root.join(file.strip_prefix("/").unwrap());
            fs::create_dir_all(target.parent().unwrap()).unwrap();
            fs::copy(self.arch.host(file), target).unwrap();
        }
    }

    /// Boots it with a shell script as /init, which finds /proc, /sys and /dev mounted and the
    /// modules loaded; what it said.
    #[track_caller]
    pub fn script(&self, script: &str) -> String {
        let mut insmod = String::new();
        for module in &self.modules {
            insmod += &format!("insmod /modules/{module}.ko\n");
        }
        self.program(
            "init",
            &format!(
                "#!/bin/sh\nexport PATH=/bin\nmount -t proc proc /proc\nmount -t sysfs sys /sys\n\
                 mount -t devtmpfs dev /dev\n{insmod}{script}\necho {END}\npoweroff -f\n"
            ),
        );
        let said = self.boot();
        assert!(said.contains(END), "{said}");
        said
    }

    /// Boots what is /init; what it said until it powered off.
    #[track_caller]
    pub fn boot(&self) -> String {
        let run = spawn(&mut self.command()).end_within(self.limit);
        run.out.replace('\r', "") + &run.err
    }

    /// Boots it with qemu's monitor at hand: back when it has said `word`.
    #[track_caller]
    pub fn boot_until(&mut self, place: &Place, word: &str) -> (Running, UnixStream) {
        let socket = place.dir.join("monitor");
        let monitor = format!("unix:{},server=on,wait=off", socket.display());
        self.qemu.extend(["-serial", "stdio", "-monitor", &monitor].map(str::to_owned));
        let mut running = spawn(&mut self.command());
        running.wait_for_within(word, self.limit);
        (running, UnixStream::connect(socket).unwrap())
    }

    /// Packs the initramfs; the command that boots it, with the serial line on its output.
    pub fn command(&self) -> Command {
        let image = self.root.with_extension("cpio");
        let pack = Command::new("sh")
            .args(["-c", "find . | cpio -o -H newc --quiet > \"$1\"", "sh"])
            .arg(&image)
            .current_dir(&self.root)
            .status()
            .unwrap();
        assert!(pack.success(), "apt-get install cpio");
        let (program, words) = self.arch.qemu().split_first().unwrap();
        let mut qemu = Command::new(program);
        qemu.args(words);
        let common = "-accel tcg -m 512 -nographic -nic none -no-reboot -kernel";
        qemu.args(common.split(' '))
            .arg(self.arch.vm().join("vmlinuz"))
            .arg("-initrd")
            .arg(&image)
            .arg("-append")
            .arg(format!("{} panic=-1 quiet {}", self.console, self.append))
            .args(&self.qemu)
            .stdin(Stdio::from(nameless()));
        qemu
    }
}

/// What scripts/test has put below the target directory.
fn target(name: &str) -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).join("..").join(name)
}

/// What a program says.
fn output(command: &mut Command) -> String {
    String::from_utf8(command.output().unwrap().stdout).unwrap()
}

/// The kernel module of this name below `dir`; newer kernels have them compressed.
fn module(dir: &Path, name: &str) -> Option<Vec<u8>> {
    if let Some(file) = find(dir, &format!("{name}.ko")) {
        return Some(fs::read(file).unwrap());
    }
    let file = find(dir, &format!("{name}.ko.xz"))?;
    let xz = Command::new("xz").arg("-dc").arg(file).output().unwrap();
    assert!(xz.status.success(), "apt-get install xz-utils");
    Some(xz.stdout)
}

/// The file of this name below `dir`; a dash in it is as good as an underscore.
fn find(dir: &Path, name: &str) -> Option<PathBuf> {
    for entry in fs::read_dir(dir).unwrap().flatten() {
        let path = entry.path();
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            if let Some(found) = find(&path, name) {
                return Some(found);
            }
        } else if entry.file_name().to_string_lossy().replace('-', "_") == name {
            return Some(path);
        }
    }
    None
}

/// The modules that a module says it depends on: "depends=a,b" in its .modinfo section.
fn needs(module: &[u8]) -> Vec<String> {
    let mut entries = module.split(|byte| *byte == 0);
    let list = entries.find_map(|entry| entry.strip_prefix(b"depends=")).unwrap_or_default();
    let list = String::from_utf8_lossy(list);
    list.split(',').filter(|name| !name.is_empty()).map(str::to_owned).collect()
}
