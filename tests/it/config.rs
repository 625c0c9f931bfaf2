//! A container.json to change: keys with dots lead into objects, values are JSON text.

use std::fmt::Write;

/// A configuration of the seed's form, in the order in which it was set.
#[derive(Clone)]
pub struct Config {
    keys: Vec<(String, String)>,
    mounts: Vec<String>,
}

/// A device node of the seed's form; also a device rule.
pub fn device(path: &str, major: i32, minor: i32) -> String {
    format!(
        r#"{{"type": 99, "path": "{path}", "major_number": {major}, "minor_number": {minor}, "cgroup_permissions": "rwm", "file_mode": 438}}"#
    )
}

/// A rule for devices: letter of the type, numbers (-1 is any), permissions.
pub fn rule(kind: char, major: i32, minor: i32, permissions: &str) -> String {
    let kind = kind as u32;
    format!(
        r#"{{"type": {kind}, "major_number": {major}, "minor_number": {minor}, "cgroup_permissions": "{permissions}"}}"#
    )
}

/// The nodes that every container gets.
pub fn default_devices() -> Vec<String> {
    [
        ("null", 1, 3),
        ("zero", 1, 5),
        ("full", 1, 7),
        ("random", 1, 8),
        ("urandom", 1, 9),
        ("tty", 5, 0),
    ]
    .iter()
    .map(|(name, major, minor)| device(&format!("/dev/{name}"), *major, *minor))
    .collect()
}

/// JSON text of a list of strings.
pub fn strings(list: &[&str]) -> String {
    let quoted: Vec<String> = list.iter().map(|s| quote(s)).collect();
    format!("[{}]", quoted.join(", "))
}

/// JSON text of a string.
pub fn quote(s: &str) -> String {
    let mut out = String::from("\"");
    for c in s.chars() {
        match c {
            '"' | '\\' => out.extend(['\\', c]),
            c if (c as u32) < 32 => write!(out, "\\u{:04x}", c as u32).unwrap(),
            c => out.push(c),
        }
    }
    out + "\""
}

/// What the sample keeps.
pub const CAPABILITIES: [&str; 12] = [
    "CHOWN",
    "DAC_OVERRIDE",
    "FOWNER",
    "MKNOD",
    "NET_RAW",
    "SETGID",
    "SETUID",
    "SETFCAP",
    "SETPCAP",
    "NET_BIND_SERVICE",
    "SYS_CHROOT",
    "KILL",
];

impl Config {
    /// As the sample `minimal.json`, without a terminal and as root.
    pub fn new(cgroup: &str) -> Config {
        let mut c = Config { keys: Vec::new(), mounts: Vec::new() };
        c.set("capabilities", strings(&CAPABILITIES));
        c.set("cgroups.name", quote(cgroup));
        c.set("cgroups.parent", quote("nsinit-test"));
        let mut rules = default_devices();
        rules.extend([
            rule('c', -1, -1, "m"),
            rule('b', -1, -1, "m"),
            rule('c', 5, 2, "rwm"),
            rule('c', 136, -1, "rwm"),
        ]);
        c.set("cgroups.allowed_devices", format!("[{}]", rules.join(", ")));
        let path = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
        c.set("environment", strings(&["HOME=/", path, "TERM=xterm"]));
        c.set("hostname", quote("koye"));
        c.set("mount_config.device_nodes", format!("[{}]", default_devices().join(", ")));
        for name in ["NEWIPC", "NEWNET", "NEWNS", "NEWPID", "NEWUTS"] {
            c.set(&format!("namespaces.{name}"), "true");
        }
        c.set("networks", r#"[{"type": "loopback", "address": "127.0.0.1/0", "gateway": "localhost", "mtu": 1500}]"#);
        c.set("restrict_sys", "true");
        c.set("tty", "false");
        c
    }

    /// One with nothing in it.
    pub fn empty() -> Config {
        Config { keys: Vec::new(), mounts: Vec::new() }
    }

    /// Sets a key, or an object's key with a dot, to JSON text.
    pub fn set(&mut self, key: &str, json: impl Into<String>) -> &mut Config {
        let json = json.into();
        match self.keys.iter_mut().find(|(k, _)| k == key) {
            Some((_, value)) => *value = json,
            None => self.keys.push((key.to_owned(), json)),
        }
        self
    }

    /// Without control groups, and so without the right to make nodes of devices, which nothing would limit.
    pub fn without_groups(&mut self) -> &mut Config {
        let kept: Vec<&str> = CAPABILITIES.into_iter().filter(|name| *name != "MKNOD").collect();
        self.unset("cgroups").set("capabilities", strings(&kept))
    }

    /// Removes a key, or all of an object's.
    pub fn unset(&mut self, key: &str) -> &mut Config {
        let below = format!("{key}.");
        self.keys.retain(|(k, _)| k != key && !k.starts_with(&below));
        self
    }

    /// Adds one of the seed's mounts.
    pub fn mount(&mut self, json: impl Into<String>) -> &mut Config {
        self.mounts.push(json.into());
        self
    }

    /// Adds a bind mount; `more` is the rest of the object, such as `, "writable": true`.
    pub fn bind(&mut self, source: &str, destination: &str, more: &str) -> &mut Config {
        let (source, destination) = (quote(source), quote(destination));
        self.mount(format!(
            r#"{{"type": "bind", "source": {source}, "destination": {destination}{more}}}"#
        ))
    }

    /// The file's text.
    pub fn text(&self) -> String {
        let mut keys = self.keys.clone();
        if !self.mounts.is_empty() {
            keys.push(("mount_config.mounts".into(), format!("[{}]", self.mounts.join(", "))));
        }
        let mut tops: Vec<&str> = Vec::new();
        for (key, _) in &keys {
            let top = key.split('.').next().unwrap();
            if !tops.contains(&top) {
                tops.push(top);
            }
        }
        let mut items = Vec::new();
        for top in tops {
            let below = format!("{top}.");
            let inner: Vec<String> = keys
                .iter()
                .filter_map(|(k, v)| Some(format!("{}: {v}", quote(k.strip_prefix(&below)?))))
                .collect();
            match keys.iter().find(|(k, _)| k == top) {
                Some((_, value)) => items.push(format!("  {}: {value}", quote(top))),
                None => items.push(format!("  {}: {{{}}}", quote(top), inner.join(", "))),
            }
        }
        format!("{{\n{}\n}}\n", items.join(",\n"))
    }
}
