//! What the sources and the program must keep to: layers, where `unsafe` may be, size.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::world::{nsinit, spawn};

/// Imports point down only; rooms of one layer don't know each other.
const LAYERS: [&[&str]; 9] = [
    &["syscall"],
    &["error", "errno", "say", "near", "bytes", "inet", "signame", "step", "json", "visible"],
    &["jsonmin", "proc", "beneath", "trust", "exec"],
    &["plan"],
    &["rootfs", "net", "cgroup", "seccomp", "security", "tty", "state", "init"],
    &["launch"],
    &["front", "boot"],
    &["lib"],
    &["main", "rt"],
];

/// Layers whose rooms may use each other: the small words of layer 1, and readers.
const OPEN: [usize; 4] = [0, 1, 2, 6];

/// Largest program, in bytes: what a release may weigh (docs/design.md, "The file's size").
const SIZE: u64 = 490_000;

fn layer(room: &str) -> Option<usize> {
    LAYERS.iter().position(|rooms| rooms.contains(&room))
}

fn sources() -> Vec<PathBuf> {
    let mut files = Vec::new();
    let mut todo = vec![Path::new(env!("CARGO_MANIFEST_DIR")).join("src")];
    while let Some(dir) = todo.pop() {
        for entry in fs::read_dir(dir).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                todo.push(path);
            } else if path.extension().is_some_and(|e| e == "rs") {
                files.push(path);
            }
        }
    }
    files.sort();
    files
}

/// The path below src/, and the room it belongs to.
fn room(path: &Path) -> (String, String) {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let below = path.strip_prefix(src).unwrap().to_str().unwrap().to_owned();
    let room = below.split('/').next().unwrap().trim_end_matches(".rs").to_owned();
    (below, room)
}

/// The code without its unit tests and comments.
fn code(text: &str) -> Vec<&str> {
    text.lines()
        .take_while(|l| l.trim() != "mod tests {")
        .map(|l| l.split("//").next().unwrap())
        .collect()
}

/// The rooms named by `crate::` in a file, `use crate::{a, b::c}` included.
fn imports(text: &str) -> Vec<String> {
    let joined = code(text).join(" ");
    let mut rooms = Vec::new();
    for rest in joined.split("crate::").skip(1) {
        let list = match rest.strip_prefix('{') {
            Some(inner) => top_level(inner),
            None => vec![rest.to_owned()],
        };
        for item in list {
            let word: String = item
                .trim()
                .chars()
                .take_while(|c| c.is_ascii_alphanumeric() || *c == '_')
                .collect();
            if !word.is_empty() {
                rooms.push(word);
            }
        }
    }
    rooms
}

/// The items of a brace list, up to its end, inner lists unsplit.
fn top_level(text: &str) -> Vec<String> {
    let (mut depth, mut items, mut item) = (0, Vec::new(), String::new());
    for c in text.chars() {
        match c {
            '{' => depth += 1,
            '}' if depth == 0 => break,
            '}' => depth -= 1,
            ',' if depth == 0 => {
                items.push(std::mem::take(&mut item));
                continue;
            }
            _ => {}
        }
        item.push(c);
    }
    items.push(item);
    items
}

#[test]
fn imports_point_down() {
    let mut wrong = Vec::new();
    for path in sources() {
        let (below, room) = room(&path);
        let own = layer(&room).unwrap_or_else(|| panic!("{below}: room {room} is in no layer"));
        for used in imports(&fs::read_to_string(&path).unwrap()) {
            if used == room || own >= 7 {
                continue;
            }
            match layer(&used) {
                Some(l) if l < own || l == own && OPEN.contains(&own) => {}
                Some(_) => wrong.push(format!("{below} uses {used}")),
                None => wrong.push(format!("{below} uses {used}, which is in no layer")),
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn the_layer_test_sees_what_it_should() {
    let text = "use crate::{error::{A, B}, plan};\nuse crate::say;\nfn f() { crate::tty::g() } // crate::no";
    assert_eq!(imports(text), ["error", "plan", "say", "tty"]);
    assert_eq!(layer("tty"), layer("init"));
}

#[test]
fn unsafe_is_only_where_it_may_be_and_says_why() {
    let mut wrong = Vec::new();
    for path in sources() {
        let (below, room) = room(&path);
        let text = fs::read_to_string(&path).unwrap();
        for (n, line) in text.lines().enumerate() {
            let bare = line.split("//").next().unwrap();
            let word = bare
                .split(|c: char| !c.is_ascii_alphanumeric() && c != '_')
                .any(|word| word == "unsafe");
            if word && room != "syscall" && room != "rt" {
                wrong.push(format!("{below}:{}: {}", n + 1, line.trim()));
            }
            if bare.contains("allow(unsafe_code")
                && room != "syscall"
                && room != "rt"
                && below != "lib.rs"
            {
                wrong.push(format!("{below}:{}: {}", n + 1, line.trim()));
            }
        }
        let blocks = text.matches("unsafe {").count();
        let reasons = text.matches("SAFETY:").count();
        if blocks > reasons {
            wrong.push(format!("{below}: {blocks} unsafe blocks, {reasons} SAFETY lines"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn the_program_is_small() {
    let release = Path::new(env!("CARGO_TARGET_TMPDIR")).join("../release/nsinit");
    let file = if release.exists() { release } else { nsinit() };
    let size = fs::metadata(&file).unwrap().len();
    println!("{}: {size} bytes", file.display());
    if file.components().any(|c| c.as_os_str() == "release") {
        assert!(size <= SIZE, "{size} bytes, at most {SIZE}");
    }
}

#[test]
fn the_program_is_static_and_needs_nothing() {
    let bytes = fs::read(nsinit()).unwrap();
    assert_eq!(&bytes[..4], b"\x7fELF");
    assert_eq!(u16::from_le_bytes([bytes[16], bytes[17]]), 2, "not a fixed-address executable");
    let offset = u64::from_le_bytes(bytes[32..40].try_into().unwrap()) as usize;
    let count = u16::from_le_bytes([bytes[56], bytes[57]]) as usize;
    for i in 0..count {
        let header = &bytes[offset + i * 56..];
        let kind = u32::from_le_bytes(header[..4].try_into().unwrap());
        assert_ne!(kind, 3, "it names an interpreter");
        assert_ne!(kind, 2, "it has a dynamic section");
        let flags = u32::from_le_bytes(header[4..8].try_into().unwrap());
        assert_ne!(flags & 3, 3, "a segment is writable and executable");
    }
}

#[test]
fn files_stay_short() {
    let mut long = Vec::new();
    for path in sources() {
        let text = fs::read_to_string(&path).unwrap();
        let lines = code(&text).len();
        let tests =
            path.ends_with("tests.rs") || path.components().any(|c| c.as_os_str() == "tests");
        // A row for each system call of the kernel's.
        let table = path.ends_with("seccomp/calls.rs");
        if lines > 350 && !tests && !table {
            long.push(format!("{}: {lines}", room(&path).0));
        }
    }
    assert!(long.is_empty(), "more than some 300 lines: {}", long.join(", "));
}

/// A directory or file of the repository.
fn repository(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(name)
}

#[test]
fn every_script_is_executable_and_says_how_it_is_used() {
    use std::os::unix::fs::PermissionsExt;
    let scripts = fs::read_dir(repository("scripts")).unwrap().map(|entry| entry.unwrap().path());
    let scripts: Vec<PathBuf> = scripts.filter(|path| path.is_file()).collect();
    assert!(scripts.len() > 10, "{scripts:?}");
    for path in scripts.iter().chain([&repository(".ci/run")]) {
        let mode = fs::metadata(path).unwrap().permissions().mode();
        assert_ne!(mode & 0o111, 0, "{}", path.display());
    }
    for path in scripts {
        let name = path.file_name().unwrap().to_str().unwrap();
        let run = spawn(Command::new(&path).arg("--help").stdin(Stdio::null())).end();
        let usage = run.ok().lines().next().unwrap_or_default();
        let words = usage.strip_prefix("usage: ").unwrap_or_else(|| panic!("{name}: {usage:?}"));
        let first = words.split(' ').next().unwrap();
        assert_eq!(first.strip_prefix("scripts/").unwrap_or(first), name, "{usage:?}");
    }
}

#[test]
fn the_readme_names_the_oldest_rust() {
    let manifest = fs::read_to_string(repository("Cargo.toml")).unwrap();
    let line = manifest.lines().find_map(|line| line.strip_prefix("rust-version = \""));
    let oldest = line.expect("no rust-version").trim_end_matches('"');
    let readme = fs::read_to_string(repository("README.md")).unwrap();
    assert!(readme.contains(&format!("Rust {oldest} or newer")), "{oldest}");
}
