//! A plan as container.json again: in the words of libcontainer 2 with nsinit's own keys, every
//! default written out, so that reading it gives the same plan.

use core::ffi::CStr;
use core::fmt::{self, Write};

use linux_raw_sys::general::{MS_BIND, MS_PRIVATE};

use super::names::capabilities;
use super::print_cgroup::cgroup;
use super::service::print as service;
use super::settle::beneath;
use crate::inet::Address;
use crate::json::Json;
use crate::plan::{
    Device, DeviceKind, IdMap, Init, Kind, Mount, MountCommands, Network, NetworkKind, Plan,
    Process, Relabel, Rootfs, Route, Seccomp, Source,
};

/// Prints the configuration as understood.
pub fn print(plan: &Plan, out: &mut dyn Write) -> fmt::Result {
    let mut json = Json::new(out);
    let j = &mut json;
    j.open('{', true);
    rootfs(j, &plan.rootfs);
    j.opt("hostname", plan.hostname);
    namespaces(j, plan);
    process(j, plan);
    j.begin("networks", '[');
    plan.networks.iter().for_each(|net| network(j, net));
    j.close();
    j.begin("routes", '[');
    plan.routes.iter().for_each(|entry| route(j, entry));
    j.close();
    if let Some(c) = &plan.cgroup {
        cgroup(j, c);
    }
    if !plan.sysctls.is_empty() {
        j.begin("system_properties", '{');
        for (name, value) in &plan.sysctls {
            j.key_cstr(name);
            j.cstr(value);
        }
        j.close();
    }
    if plan.mark("service", 0).is_some() {
        service(j, &plan.service);
    }
    id_maps(j, "uid_mappings", &plan.uid_maps);
    id_maps(j, "gid_mappings", &plan.gid_maps);
    j.close();
    json.end()
}

fn rootfs(j: &mut Json, rootfs: &Rootfs) {
    j.opt("rootfs", rootfs.path);
    j.bool("readonlyfs", rootfs.readonly);
    j.bool("no_pivot_root", rootfs.no_pivot_root);
    j.bool("privatefs", rootfs.propagation & MS_PRIVATE != 0);
    j.opt("mount_label", rootfs.mount_label);
    j.begin("mounts", '[');
    rootfs.mounts.iter().for_each(|entry| mount(j, entry, rootfs.path));
    j.close();
    j.begin("devices", '[');
    rootfs.devices.iter().for_each(|entry| device(j, entry));
    j.close();
    j.strings("mask_paths", rootfs.masked.iter().copied());
    j.strings("readonly_paths", rootfs.readonly_paths.iter().copied());
}

fn mount(j: &mut Json, mount: &Mount, root: Option<&CStr>) {
    let bind = if mount.fstype == c"bind" { MS_BIND } else { 0 };
    j.open('{', false);
    j.key("source");
    j.cstr(mount.source);
    j.key("destination");
    // A destination that begins like the root's own path is read as one on the host.
    let root = root.filter(|root| beneath(root, mount.target).is_some()).unwrap_or(c"");
    j.bytes(&[root.to_bytes(), mount.target.to_bytes()]);
    j.key("device");
    j.cstr(mount.fstype);
    j.number("flags", i64::from(mount.flags | mount.propagation | bind));
    j.key("data");
    j.cstr(mount.data);
    match mount.relabel {
        Relabel::No => {}
        Relabel::Shared => j.opt("relabel", Some(c"z")),
        Relabel::Private => j.opt("relabel", Some(c"Z")),
    }
    let MountCommands { before, after } = mount.commands;
    for (name, there) in [("premount_cmds", before), ("postmount_cmds", after)] {
        if there {
            // What they are is not in a plan: nsinit runs none.
            j.key(name);
            j.open('[', false);
            j.open('{', false);
            j.close();
            j.close();
        }
    }
    j.close();
}

pub(super) fn kind_number(kind: DeviceKind) -> i64 {
    i64::from(match kind {
        DeviceKind::Char => b'c',
        DeviceKind::Block => b'b',
        DeviceKind::Fifo => b'p',
    })
}

fn device(j: &mut Json, device: &Device) {
    j.open('{', false);
    j.number("type", kind_number(device.kind));
    j.opt("path", Some(device.path));
    j.number("major", device.major.into());
    j.number("minor", device.minor.into());
    j.number("file_mode", device.mode.into());
    j.number("uid", device.uid.into());
    j.number("gid", device.gid.into());
    j.close();
}

fn namespaces(j: &mut Json, plan: &Plan) {
    j.begin("namespaces", '[');
    for kind in Kind::ALL {
        let path = match plan.namespaces.get(kind) {
            Source::Keep => continue,
            Source::New => c"",
            Source::Join(path) => path,
        };
        j.open('{', false);
        j.key("type");
        j.raw(format_args!("\"{}\"", kind.name()));
        j.key("path");
        j.cstr(path);
        j.close();
    }
    j.close();
}

fn process(j: &mut Json, plan: &Plan) {
    let process = &plan.process;
    command(j, process);
    j.opt("user", Some(process.user).filter(|user| !user.is_empty()));
    j.opt("working_dir", process.cwd);
    j.strings("environment", process.env.iter().flatten().map(|entry| entry.get()));
    j.strings("additional_groups", process.groups.iter().copied());
    j.bool("tty", process.tty);
    j.key("init");
    j.cstr(if plan.init == Init::Reap { c"reap" } else { c"exec" });
    j.begin("capabilities", '[');
    for name in capabilities(process.capabilities) {
        j.item();
        j.raw(format_args!("\"{name}\""));
    }
    j.close();
    j.bool("no_new_privs", process.no_new_privs);
    j.number("parent_death_signal", process.parent_death_signal.into());
    j.opt("apparmor_profile", process.apparmor_profile);
    j.opt("process_label", process.process_label);
    j.begin("rlimits", '[');
    for limit in &process.rlimits {
        j.open('{', false);
        j.number("type", limit.resource.into());
        j.unsigned("hard", limit.hard);
        j.unsigned("soft", limit.soft);
        j.close();
    }
    j.close();
    if let Some(filter) = &process.seccomp {
        seccomp(j, filter);
    }
}

fn command(j: &mut Json, process: &Process) {
    let words = if process.argv.is_empty() { process.command.as_slice() } else { process.argv };
    if words.is_empty() {
        return;
    }
    j.begin("command", '{');
    j.strings("args", words.iter().flatten().map(|word| word.get()));
    j.close();
}

fn seccomp(j: &mut Json, seccomp: &Seccomp) {
    j.begin("seccomp", '{');
    j.begin("syscalls", '[');
    for rule in &seccomp.rules {
        j.open('{', false);
        j.number("value", rule.number.into());
        j.number("action", rule.action.into());
        j.key("args");
        j.open('[', false);
        for arg in rule.args.iter().take(rule.conditions.into()) {
            j.open('{', false);
            j.number("index", arg.index.into());
            j.number("value", arg.value.into());
            j.number("op", arg.op.into());
            j.close();
        }
        j.close();
        j.close();
    }
    j.close();
    j.close();
}

fn network(j: &mut Json, net: &Network) {
    j.open('{', false);
    j.key("type");
    j.cstr(net.kind.name());
    let mode = net.kind.modes().iter().find(|(_, mode)| *mode == net.mode);
    let texts = [
        ("name", Some(net.name).filter(|_| net.kind != NetworkKind::Loopback)),
        ("bridge", net.bridge),
        ("veth_prefix", net.veth_prefix),
        ("host_interface_name", net.host_interface_name),
        ("parent", net.parent),
        ("mode", mode.map(|(name, _)| *name)),
        ("address", text(&net.address)),
        ("gateway", text(&net.gateway)),
        ("ipv6_address", text(&net.ipv6_address)),
        ("ipv6_gateway", text(&net.ipv6_gateway)),
    ];
    for (name, value) in texts {
        j.opt(name, value);
    }
    if let Some(mac) = net.mac_address {
        j.key("mac_address");
        for (n, byte) in mac.iter().enumerate() {
            j.raw(format_args!("{}{byte:02x}", if n == 0 { "\"" } else { ":" }));
        }
        j.raw(format_args!("\""));
    }
    for (name, number) in [("id", net.id.into()), ("mtu", net.mtu), ("txqueuelen", net.txqueuelen)]
    {
        if number != 0 {
            j.number(name, number.into());
        }
    }
    let flags =
        [("hairpin_mode", net.hairpin_mode), ("create", net.create), ("on_link", net.on_link)];
    for (name, _) in flags.into_iter().filter(|(_, on)| *on) {
        j.bool(name, true);
    }
    j.close();
}

fn text(address: &Option<Address>) -> Option<&'static CStr> {
    address.as_ref().map(|address| address.text)
}

fn route(j: &mut Json, route: &Route) {
    j.open('{', false);
    j.opt("destination", text(&route.destination));
    j.opt("source", text(&route.source));
    j.opt("gateway", text(&route.gateway));
    j.opt("interface_name", route.interface_name);
    if route.on_link {
        j.bool("on_link", true);
    }
    j.close();
}

fn id_maps(j: &mut Json, name: &str, maps: &[IdMap]) {
    if maps.is_empty() {
        return;
    }
    j.begin(name, '[');
    for map in maps {
        j.open('{', false);
        j.number("container_id", map.container_id.into());
        j.number("host_id", map.host_id.into());
        j.number("size", map.size.into());
        j.close();
    }
    j.close();
}
