//! The source holds to the floors of `src/lib.rs` and to a few habits.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
};

/// The longest source file, in lines, without the tests at its end.
const LONGEST: usize = 450;
/// What may be imported within a floor; everything else there is independent of each other.
const WITHIN: [(&str, &[&str]); 4] = [
    ("ident", &["units"]),
    ("wire", &["units", "ident"]),
    ("clock", &["units", "ident", "wire"]),
    ("error", &["units", "ident", "wire", "clock"]),
];
/// Assembly is shown and measured, so the tour and the evaluation stand on it. A running gateway is asked in one way.
const ON_APP: [(&str, &[&str]); 3] = [
    ("tour", &["app"]),
    ("eval", &["app"]),
    ("console", &["transfer"]),
];

struct Source {
    path: PathBuf,
    text: String,
}

impl Source {
    /// The module of the crate's root that the file belongs to.
    fn module(&self) -> String {
        let inside = self.path.strip_prefix(root().join("src")).unwrap();
        let first = inside
            .components()
            .next()
            .unwrap()
            .as_os_str()
            .to_str()
            .unwrap();
        first.trim_end_matches(".rs").to_owned()
    }

    fn is_test(&self) -> bool {
        self.path
            .components()
            .any(|part| matches!(part.as_os_str().to_str(), Some("tests" | "tests.rs")))
    }

    /// The file without the tests at its end.
    fn code(&self) -> &str {
        let tests = self.text.find("\n#[cfg(test)]\nmod tests {");
        tests.map_or(&*self.text, |at| &self.text[..at])
    }

    fn shown(&self) -> String {
        self.path
            .strip_prefix(root())
            .unwrap()
            .display()
            .to_string()
    }
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The files below `directory` with one of these endings.
fn files(directory: &str, endings: &[&str]) -> Vec<Source> {
    let mut found = Vec::new();
    let mut directories = vec![root().join(directory)];
    while let Some(directory) = directories.pop() {
        let Ok(entries) = fs::read_dir(directory) else {
            continue;
        };
        for path in entries.map(|entry| entry.unwrap().path()) {
            let ending = path.extension().and_then(|ending| ending.to_str());
            if path.is_dir() {
                // Others' code, which is no file of ours.
                if !path.ends_with("node_modules") {
                    directories.push(path);
                }
            } else if ending.is_some_and(|ending| endings.contains(&ending)) {
                let text = fs::read_to_string(&path).unwrap();
                found.push(Source { path, text });
            }
        }
    }
    found
}

/// The floors by module, as the table of `src/lib.rs` has them.
fn floors() -> BTreeMap<String, u32> {
    let text = fs::read_to_string(root().join("src/lib.rs")).unwrap();
    let mut floors = BTreeMap::new();
    for row in text.lines().filter_map(|line| line.strip_prefix("//! | ")) {
        let (floor, modules) = row.split_once('|').unwrap();
        if let Ok(floor) = floor.trim().parse() {
            let names = modules.split('|').next().unwrap().split("[`").skip(1);
            floors.extend(names.map(|name| (name.split('`').next().unwrap().to_owned(), floor)));
        }
    }
    floors
}

/// The root modules that code names after `crate::`, alone or in a list.
fn imports(code: &str) -> BTreeSet<String> {
    let lines = code
        .lines()
        .filter(|line| !line.trim_start().starts_with("//"));
    let code = lines.collect::<Vec<_>>().join("\n");
    let mut found = BTreeSet::new();
    for (at, _) in code.match_indices("crate::") {
        let rest = &code[at + "crate::".len()..];
        if let Some(list) = rest.strip_prefix('{') {
            let mut depth = 0;
            let mut start = true;
            for (at, c) in list.char_indices() {
                match c {
                    '{' => depth += 1,
                    '}' if depth == 0 => break,
                    '}' => depth -= 1,
                    ',' if depth == 0 => start = true,
                    c if start && !c.is_whitespace() => {
                        found.insert(name(&list[at..]));
                        start = false;
                    }
                    _ => {}
                }
            }
        } else {
            found.insert(name(rest));
        }
    }
    found
}

fn name(text: &str) -> String {
    text.chars()
        .take_while(|c| c.is_alphanumeric() || *c == '_')
        .collect()
}

#[test]
fn imports_are_read_alone_and_in_lists() {
    let code = "use crate::a;\n// crate::no\nuse crate::{\n    b::{x, y},\n    c,\n    d::e,\n};\nlet f = crate::g::h();";
    let found: Vec<_> = imports(code).into_iter().collect();
    assert_eq!(found, ["a", "b", "c", "d", "g"]);
}

#[test]
fn every_module_has_a_floor() {
    let text = fs::read_to_string(root().join("src/lib.rs")).unwrap();
    let modules: BTreeSet<&str> = text
        .lines()
        .filter_map(|line| line.strip_prefix("pub mod ")?.strip_suffix(';'))
        .collect();
    let floors = floors();
    assert_eq!(
        floors.keys().map(String::as_str).collect::<BTreeSet<_>>(),
        modules
    );
    assert!(modules.len() > 10 && floors["app"] > floors["policy"]);
}

#[test]
fn modules_import_from_lower_floors_only() {
    let floors = floors();
    let mut wrong = Vec::new();
    let sources = files("src", &["rs"]);
    for source in sources.iter().filter(|source| !source.is_test()) {
        let module = source.module();
        let Some(floor) = floors.get(&module) else {
            assert!(
                ["lib", "main", "program"].contains(&&*module),
                "{}",
                source.shown()
            );
            continue;
        };
        for import in imports(source.code())
            .into_iter()
            .filter(|import| *import != module)
        {
            let known = WITHIN
                .iter()
                .chain(&ON_APP)
                .find(|(name, _)| *name == module);
            let within = known.is_some_and(|(_, others)| others.contains(&&*import));
            if floors.get(&import).is_none_or(|other| other >= floor) && !within {
                wrong.push(format!("{} imports crate::{import}", source.shown()));
            }
        }
    }
    assert_eq!(wrong, Vec::<String>::new());
}

#[test]
fn policy_neither_waits_nor_looks_at_the_world() {
    let sources = files("src/policy", &["rs"]);
    for source in sources.iter().filter(|source| !source.is_test()) {
        for word in [
            "async ", ".await", "std::fs", "std::net", "std::env", "tokio", "Instant", "fastrand",
        ] {
            assert!(
                !source.code().contains(word),
                "{} has {word:?}",
                source.shown()
            );
        }
    }
}

#[test]
fn every_file_says_what_it_is_for() {
    for source in files("src", &["rs"])
        .into_iter()
        .chain(files("tests", &["rs"]))
    {
        let is_for_a_module = source
            .path
            .file_name()
            .is_some_and(|name| name == "tests.rs");
        assert!(
            is_for_a_module || source.text.starts_with("//! "),
            "{}",
            source.shown()
        );
    }
}

#[test]
fn files_are_short_and_named_after_their_module() {
    for source in files("src", &["rs"])
        .into_iter()
        .chain(files("tests", &["rs"]))
    {
        let lines = source.code().lines().count();
        assert!(lines <= LONGEST, "{} has {lines} lines", source.shown());
        assert!(
            source.path.file_name().is_some_and(|name| name != "mod.rs"),
            "{}",
            source.shown()
        );
    }
}

#[test]
fn nothing_is_left_to_be_done_or_tied_to_one_machine() {
    // Put together here, so that this file does not hold them.
    let words = [
        ["TO", "DO"],
        ["FIX", "ME"],
        ["/ho", "me/"],
        ["/ro", "ot/"],
        ["/wo", "rk/"],
        ["/Us", "ers/"],
        ["/t", "mp/"],
    ];
    let endings = ["rs", "py", "toml", "md", "html", "js", "css", "txt", "sh"];
    for source in ["src", "tests", "benches", "scripts"]
        .iter()
        .flat_map(|directory| files(directory, &endings))
    {
        for word in words.map(|halves| halves.concat()) {
            assert!(
                !source.text.contains(&word),
                "{} has {word:?}",
                source.shown()
            );
        }
    }
}
