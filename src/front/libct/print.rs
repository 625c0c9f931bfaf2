//! A plan as container.json again: in the words of libcontainer 2 with nsinit's own keys, every
//! default written out, so that reading it gives the same plan.

use core::ffi::CStr;
use core::fmt::{self, Write};

use linux_raw_sys::general::{MS_BIND, MS_PRIVATE};

use super::cgroups::CGROUPS;
use super::keys;
use super::names::capabilities;
use super::networks::{NETWORK, text};
use super::print_cgroup::cgroup;
use super::process::ID_MAP;
use super::read::File;
use super::routes::ROUTE;
use super::service::{SERVICE, print as service};
use super::settle::beneath;
use super::table::{Keys, Slot, by};
use crate::bytes::{Arena, split_by};
use crate::json::Json;
use crate::jsonmin::Reader;
use crate::plan::{
    Device, DeviceKind, IdMap, Init, Kind, Mount, MountCommands, Plan, Process, Relabel, Rootfs,
    Source,
};

/// Prints the configuration as understood. (The plan is not changed: what tells where the value of a
/// plain key is serves reading too.)
pub fn print(plan: &mut Plan, out: &mut dyn Write) -> fmt::Result {
    let mut json = Json::new(out);
    let j = &mut json;
    let nothing = Arena::new(&mut []);
    let (mut warn, mut tell) = (|_: fmt::Arguments| {}, |_| {});
    let f = &mut File::new(Reader::new(&mut []), "", plan, &nothing, &mut warn, &mut tell);
    j.open('{', true);
    plain(j, f, keys::TOP, true);
    rootfs(j, &f.plan.rootfs);
    namespaces(j, f.plan);
    process(j, f.plan);
    j.begin("networks", '[');
    for n in 0..f.plan.networks.len() {
        network(j, f, n);
    }
    j.close();
    j.begin("routes", '[');
    for n in 0..f.plan.routes.len() {
        route(j, f, n);
    }
    j.close();
    if f.plan.cgroup.is_some() {
        j.begin("cgroups", '{');
        plain(j, f, CGROUPS, false);
        if let Some(c) = &f.plan.cgroup {
            cgroup(j, c);
        }
        j.close();
    }
    if !f.plan.sysctls.is_empty() {
        j.begin("system_properties", '{');
        for (name, value) in &f.plan.sysctls {
            j.key_cstr(name);
            j.cstr(value);
        }
        j.close();
    }
    if f.plan.mark("service", 0).is_some() {
        j.begin("service", '{');
        plain(j, f, SERVICE, true);
        service(j, &f.plan.service);
        j.close();
    }
    id_maps(j, f, "uid_mappings", |plan| &plan.uid_maps);
    id_maps(j, f, "gid_mappings", |plan| &plan.gid_maps);
    j.close();
    json.end()
}

/// The plain keys of an object; with `all` also what is false or 0.
fn plain(j: &mut Json, f: &mut File, keys: &'static Keys, all: bool) {
    for (row, place) in split_by(keys.names.as_bytes(), b',').zip(keys.plain) {
        let Ok(Some(name)) = str::from_utf8(row).map(|row| row.get(1..)) else { continue };
        // Older names of what has its own.
        if row.starts_with(by!(v1).as_bytes()) {
            continue;
        }
        match place(f) {
            Slot::Text(text) | Slot::Interface(text) => j.opt(name, *text),
            Slot::Flag(on) if all || *on => j.bool(name, *on),
            Slot::U32(n) if all || *n != 0 => j.number(name, (*n).into()),
            Slot::Amount(Some(n)) => j.unsigned(name, *n),
            Slot::Limit(Some(n)) => j.number(name, *n),
            _ => {}
        }
    }
}

fn rootfs(j: &mut Json, rootfs: &Rootfs) {
    j.bool("privatefs", rootfs.propagation & MS_PRIVATE != 0);
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
    j.strings("environment", process.env.iter().flatten().map(|entry| entry.get()));
    j.strings("additional_groups", process.groups.iter().copied());
    j.key("init");
    j.cstr(if plan.init == Init::Reap { c"reap" } else { c"exec" });
    j.begin("capabilities", '[');
    for name in capabilities(process.capabilities) {
        j.item();
        j.raw(format_args!("\"{name}\""));
    }
    j.close();
    j.number("parent_death_signal", process.parent_death_signal.into());
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
        super::print_seccomp::print(j, filter);
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

fn network(j: &mut Json, f: &mut File, n: usize) {
    let Some(net) = f.plan.networks.get(n) else { return };
    f.network.load(net);
    j.open('{', false);
    plain(j, f, NETWORK, false);
    let net = &f.network.net;
    if let Some(mac) = net.mac_address {
        j.key("mac_address");
        for (n, byte) in mac.iter().enumerate() {
            j.raw(format_args!("{}{byte:02x}", if n == 0 { "\"" } else { ":" }));
        }
        j.raw(format_args!("\""));
    }
    if net.id != 0 {
        j.number("id", net.id.into());
    }
    j.close();
}

fn route(j: &mut Json, f: &mut File, n: usize) {
    let Some(route) = f.plan.routes.get(n) else { return };
    f.route = *route;
    j.open('{', false);
    j.opt("destination", text(&route.destination));
    j.opt("source", text(&route.source));
    j.opt("gateway", text(&route.gateway));
    plain(j, f, ROUTE, false);
    j.close();
}

fn id_maps(j: &mut Json, f: &mut File, name: &str, maps: fn(&Plan) -> &[IdMap]) {
    if maps(f.plan).is_empty() {
        return;
    }
    j.begin(name, '[');
    for n in 0..maps(f.plan).len() {
        let Some(map) = maps(f.plan).get(n) else { break };
        f.id_map = *map;
        j.open('{', false);
        plain(j, f, ID_MAP, true);
        j.close();
    }
    j.close();
}
