//! What the program carries with it: the script library, and the versions of the packages it is made of.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::{env, fs, io};

/// Folders of scripts, and the table each becomes.
const FOLDERS: [(&str, &str); 3] = [("stdlib", "STDLIB"), ("scripts", "SCRIPTS"), ("examples", "EXAMPLES")];

/// Packages whose versions can change a number.
const PACKAGES: [&str; 15] = [
    "candle-core",
    "candle-nn",
    "candle-transformers",
    "gemm",
    "half",
    "hf-hub",
    "minijinja",
    "plotters",
    "polars",
    "rayon",
    "rhai",
    "safetensors",
    "statrs",
    "tokenizers",
    "pulp",
];

fn main() -> io::Result<()> {
    let root = PathBuf::from(env::var_os("CARGO_MANIFEST_DIR").unwrap_or_default());
    let mut code = String::new();
    for (folder, table) in FOLDERS {
        scripts(&root.join(folder), folder, table, &mut code)?;
    }
    packages(&root.join("Cargo.lock"), &mut code)?;
    fs::write(PathBuf::from(env::var_os("OUT_DIR").unwrap_or_default()).join("carried.rs"), code)?;
    println!("cargo:rerun-if-changed=build.rs");
    Ok(())
}

fn scripts(folder: &Path, name: &str, table: &str, code: &mut String) -> io::Result<()> {
    let mut found = Vec::new();
    if folder.is_dir() {
        // Examples have their output beside them, which is not carried: only their texts, by `include_str!`, matter.
        if name != "examples" {
            println!("cargo:rerun-if-changed={name}");
        }
        for entry in fs::read_dir(folder)? {
            let path = entry?.path();
            if path.extension().is_some_and(|extension| extension == "rhai") {
                found.push(path);
            }
        }
    }
    found.sort();
    let _ = writeln!(code, "/// The scripts of `{name}/`: name and text.");
    let _ = writeln!(code, "pub static {table}: &[(&str, &str)] = &[");
    for path in found {
        let stem = path.file_stem().unwrap_or_default().to_string_lossy();
        // From the crate's root, so that a build folder outlives a move of the crate.
        let file = format!("/{name}/{stem}.rhai");
        let _ =
            writeln!(code, "    ({stem:?}, include_str!(concat!(env!(\"CARGO_MANIFEST_DIR\"), {file:?}))),");
    }
    let _ = writeln!(code, "];");
    Ok(())
}

fn packages(lock: &Path, code: &mut String) -> io::Result<()> {
    let _ = writeln!(
        code,
        "/// Packages that take part in numbers, with the versions this program was built from."
    );
    let _ = writeln!(code, "pub static PACKAGES: &[(&str, &str)] = &[");
    if lock.is_file() {
        println!("cargo:rerun-if-changed=Cargo.lock");
        let text = fs::read_to_string(lock)?;
        let value = |line: &str, key: &str| {
            line.strip_prefix(key)?
                .trim_start_matches([' ', '='])
                .trim()
                .strip_prefix('"')?
                .strip_suffix('"')
                .map(str::to_owned)
        };
        let mut found = Vec::new();
        let mut name = String::new();
        for line in text.lines() {
            if let Some(value) = value(line, "name ") {
                name = value;
            } else if let Some(version) =
                value(line, "version ").filter(|_| PACKAGES.contains(&name.as_str()))
            {
                found.push((name.clone(), version));
            }
        }
        found.sort();
        for (name, version) in found {
            let _ = writeln!(code, "    ({name:?}, {version:?}),");
        }
    }
    let _ = writeln!(code, "];");
    Ok(())
}
