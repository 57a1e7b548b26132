//! Builds the web application and writes down its files for `lib.rs` to embed.
//!
//! npm runs only when something that it reads has changed: cargo watches [`WATCHED`], and packages are installed anew only
//! for another lock file. `FLOWMATIC_WEB=skip` leaves the application out, for work on the rest.

use std::fmt::Write as _;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::{env, fs};

/// What the build reads.
const WATCHED: [&str; 8] = [
    ".npmrc",
    "index.html",
    "package-lock.json",
    "package.json",
    "public",
    "src",
    "tsconfig.json",
    "vite.config.ts",
];
const SWITCH: &str = "FLOWMATIC_WEB";
/// The lock file that the installed packages are of.
const INSTALLED: &str = "node_modules/installed.json";
const LEFT_OUT: &str = "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><title>Flowmatic</title>\
    <p>The web application was left out of this build. <a href=\"/docs\">Read the API reference</a></p></html>\n";

fn main() {
    println!("cargo::rerun-if-env-changed={SWITCH}");
    println!("cargo::rerun-if-changed=build.rs");
    for path in WATCHED {
        println!("cargo::rerun-if-changed={path}");
    }
    if let Err(error) = run() {
        println!("cargo::error={error}");
    }
}

fn run() -> Result<(), String> {
    let out = PathBuf::from(env::var_os("OUT_DIR").ok_or("cargo did not set OUT_DIR")?);
    let built = out.join("application");
    if built.exists() {
        fs::remove_dir_all(&built).map_err(|error| failed("cannot remove", &built, &error))?;
    }
    if env::var(SWITCH).is_ok_and(|value| value == "skip") {
        fs::create_dir_all(&built).map_err(|error| failed("cannot make", &built, &error))?;
        write(&built.join("index.html"), LEFT_OUT)?;
    } else {
        install()?;
        npm(&["run", "build", "--", "--outDir", &built.display().to_string()])?;
    }
    write(&out.join("application.rs"), &list(&built)?)
}

/// Installs the packages where those of another lock file, or none, are there.
fn install() -> Result<(), String> {
    let lock = read("package-lock.json".as_ref())?;
    if fs::read(INSTALLED).is_ok_and(|installed| installed == lock) {
        return Ok(());
    }
    npm(&["ci", "--no-audit", "--no-fund"])?;
    fs::write(INSTALLED, lock).map_err(|error| failed("cannot write", INSTALLED.as_ref(), &error))
}

fn npm(arguments: &[&str]) -> Result<(), String> {
    let program = if cfg!(windows) { "npm.cmd" } else { "npm" };
    let output = Command::new(program).args(arguments).output().map_err(|error| {
        format!("npm does not start ({error}): install Node 20.19 or newer, or set {SWITCH}=skip to leave the web application out")
    })?;
    if output.status.success() {
        return Ok(());
    }
    // On the standard output npm prints what its scripts do; both go to whoever reads why the build failed.
    eprintln!("{}", String::from_utf8_lossy(&output.stdout));
    eprintln!("{}", String::from_utf8_lossy(&output.stderr));
    Err(format!(
        "`npm {}` failed in web/ ({}); its output is above",
        arguments.join(" "),
        output.status
    ))
}

/// The files as Rust: `&[File]`, in the order of their paths.
fn list(built: &Path) -> Result<String, String> {
    let mut paths = Vec::new();
    walk(built, &mut paths)?;
    let name = |path: &Path| {
        let below = path.strip_prefix(built).unwrap_or(path);
        below.to_string_lossy().replace('\\', "/")
    };
    let names: Vec<String> = paths.iter().map(|path| name(path)).collect();
    let mut sorted: Vec<(&String, &PathBuf)> = names.iter().zip(&paths).collect();
    sorted.sort();
    let mut code = String::from("&[\n");
    for (name, path) in &sorted {
        // A variant of the file it is named after.
        if name.ends_with(".gz") {
            continue;
        }
        let gzip = if names.contains(&format!("{name}.gz")) {
            format!("Some(include_bytes!(\"application/{name}.gz\"))")
        } else {
            "None".to_owned()
        };
        let content_type = content_type(name)?;
        let mut hash = DefaultHasher::new();
        read(path)?.hash(&mut hash);
        let _ = writeln!(
            code,
            "    File {{ path: \"/{name}\", content_type: \"{content_type}\", etag: \"W/\\\"{:016x}\\\"\", bytes: \
             include_bytes!(\"application/{name}\"), gzip: {gzip} }},",
            hash.finish(),
        );
    }
    code.push_str("]\n");
    Ok(code)
}

fn content_type(name: &str) -> Result<&'static str, String> {
    Ok(match name.rsplit('.').next().unwrap_or_default() {
        "html" => "text/html; charset=utf-8",
        "js" => "text/javascript; charset=utf-8",
        "css" => "text/css; charset=utf-8",
        "svg" => "image/svg+xml",
        "woff2" => "font/woff2",
        _ => {
            return Err(format!(
                "what type is `{name}`? Say so in web/build.rs, or do not build it"
            ));
        }
    })
}

fn walk(folder: &Path, found: &mut Vec<PathBuf>) -> Result<(), String> {
    let entries = fs::read_dir(folder).map_err(|error| failed("cannot read", folder, &error))?;
    for entry in entries {
        let path = entry
            .map_err(|error| failed("cannot read", folder, &error))?
            .path();
        if path.is_dir() {
            walk(&path, found)?;
        } else {
            found.push(path);
        }
    }
    Ok(())
}

fn read(path: &Path) -> Result<Vec<u8>, String> {
    fs::read(path).map_err(|error| failed("cannot read", path, &error))
}

fn write(path: &Path, text: &str) -> Result<(), String> {
    fs::write(path, text).map_err(|error| failed("cannot write", path, &error))
}

fn failed(what: &str, path: &Path, error: &std::io::Error) -> String {
    format!("{what} `{}`: {error}", path.display())
}
