//! What `make install` puts in place is complete, exports the API and nothing else, and is found by pkg-config and
//! CMake; `make uninstall` leaves nothing of it.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod common;

use common::{has_program, run, run_program, workspace};
use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Mutex, OnceLock};

const SHARED_LIBRARY_ABI: &str = concat!("libmojo_system.so.", env!("CARGO_PKG_VERSION_MAJOR"));
const SHARED_LIBRARY_FILE: &str = concat!("libmojo_system.so.", env!("CARGO_PKG_VERSION"));
const LIBRARIES: [&str; 5] =
    ["libmojo_system.a", "libmojo_system.so", SHARED_LIBRARY_ABI, SHARED_LIBRARY_FILE, "libmojo_system_thunks.a"];
const PACKAGE_FILES: [&str; 4] = [
    "cmake/mojo_system/mojo_system-config-version.cmake",
    "cmake/mojo_system/mojo_system-config.cmake",
    "pkgconfig/mojo_system.pc",
    "pkgconfig/mojo_system_thunks.pc",
];

/// A place for what is made here.
fn place(name: &str) -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).join("install").join(name)
}

fn headers() -> PathBuf {
    workspace().join("include/mojo/public/c/system")
}

fn program(name: &str) -> PathBuf {
    workspace().join("crates/c/tests/c").join(name)
}

/// Runs the makefile, of which only one can build at a time.
fn make(target: &str, settings: &[String]) {
    static BUILDING: Mutex<()> = Mutex::new(());
    let _building = BUILDING.lock();
    run(Command::new("make")
        .arg("-C")
        .arg(workspace())
        .arg(target)
        .arg(format!("TARGET_DIR={}", place("target").display()))
        .args(settings));
}

/// Installs into an empty directory.
fn install(root: &Path, settings: &[String]) {
    if root.exists() {
        fs::remove_dir_all(root).unwrap();
    }
    make("install", settings);
}

/// Where it is installed for those tests that change nothing there.
fn prefix() -> &'static Path {
    static PREFIX: OnceLock<PathBuf> = OnceLock::new();
    PREFIX.get_or_init(|| {
        let prefix = place("prefix");
        install(&prefix, &[format!("PREFIX={}", prefix.display())]);
        prefix
    })
}

/// All that lies below a directory, except directories.
fn files(directory: &Path) -> BTreeSet<PathBuf> {
    let mut found = BTreeSet::new();
    let mut left = vec![directory.to_owned()];
    while let Some(next) = left.pop() {
        for entry in fs::read_dir(next).unwrap() {
            let entry = entry.unwrap();
            if entry.file_type().unwrap().is_dir() {
                left.push(entry.path());
            } else {
                found.insert(entry.path().strip_prefix(directory).unwrap().to_owned());
            }
        }
    }
    found
}

/// The functions that a header says to be exported.
fn declared_in(header: &Path) -> BTreeSet<String> {
    let text = fs::read_to_string(header).unwrap();
    let code: Vec<&str> = text.lines().filter(|line| !line.starts_with("//") && !line.starts_with('#')).collect();
    let code = code.join(" ");
    let declarations = code.split("MOJO_SYSTEM_EXPORT").skip(1);
    declarations.map(|text| text.split('(').next().unwrap().split_whitespace().last().unwrap().to_owned()).collect()
}

/// The names that a library defines for others.
fn symbols(arguments: &[&str], file: &Path) -> BTreeSet<String> {
    let symbols = run(Command::new("nm").args(["--defined-only", "--format=posix"]).args(arguments).arg(file));
    // An archive's members are named too, with a colon behind.
    let names = symbols.lines().filter(|line| !line.ends_with(':')).filter_map(|line| line.split_whitespace().next());
    names.map(str::to_owned).collect()
}

/// What the dynamic linker finds in a file about itself and others.
fn dynamic_section(file: &Path) -> String {
    run(Command::new("readelf").arg("--dynamic").arg(file).env("LC_ALL", "C"))
}

#[test]
fn a_package_has_every_file_in_its_place_and_can_be_removed() {
    let root = place("package");
    let settings = [format!("DESTDIR={}", root.display()), "PREFIX=/usr".into(), "LIBDIR=/usr/lib/machine".into()];
    install(&root, &settings);

    let mut expected: BTreeSet<PathBuf> =
        files(&headers()).iter().map(|name| Path::new("usr/include/mojo/public/c/system").join(name)).collect();
    expected.extend(LIBRARIES.iter().chain(&PACKAGE_FILES).map(|name| Path::new("usr/lib/machine").join(name)));
    assert_eq!(files(&root), expected);

    let libraries = root.join("usr/lib/machine");
    for file in PACKAGE_FILES {
        let text = fs::read_to_string(libraries.join(file)).unwrap();
        assert!(!text.contains('@') && !text.contains(root.to_str().unwrap()), "{file}:\n{text}");
    }
    for link in ["libmojo_system.so", SHARED_LIBRARY_ABI] {
        assert_eq!(libraries.join(link).canonicalize().unwrap().file_name().unwrap(), SHARED_LIBRARY_FILE);
    }

    make("uninstall", &settings);
    assert_eq!(files(&root), BTreeSet::new());
    assert!(!root.join("usr/include/mojo").exists() && !libraries.join("cmake/mojo_system").exists());
}

#[test]
fn the_shared_library_exports_the_functions_of_the_headers_and_nothing_else() {
    let library = prefix().join("lib/libmojo_system.so");
    let mut declared: BTreeSet<String> =
        files(&headers()).iter().flat_map(|name| declared_in(&headers().join(name))).collect();
    // Modules export this one.
    assert!(declared.remove("MojoSetSystemThunks"));
    assert_eq!(symbols(&["--dynamic"], &library), declared);
}

#[test]
fn the_thunks_library_defines_the_functions_of_core_h_and_the_setters() {
    let library = prefix().join("lib/libmojo_system_thunks.a");
    let core = fs::read_to_string(headers().join("core.h")).unwrap();
    let includes =
        core.lines().filter_map(|line| line.strip_prefix("#include \"mojo/public/c/system/")?.strip_suffix('"'));
    let mut declared: BTreeSet<String> = includes.flat_map(|name| declared_in(&headers().join(name))).collect();
    declared.extend(["MojoEmbedderSetSystemThunks".into(), "MojoSetSystemThunks".into()]);
    assert_eq!(symbols(&["--extern-only"], &library), declared);
}

#[test]
fn the_shared_library_is_named_after_its_abi() {
    let library = prefix().join("lib/libmojo_system.so");
    let dynamic = dynamic_section(&library);
    assert!(dynamic.contains(&format!("Library soname: [{SHARED_LIBRARY_ABI}]")), "{dynamic}");
}

#[test]
fn the_static_library_needs_of_the_system_what_the_compiler_says() {
    let package = fs::read_to_string(prefix().join("lib/pkgconfig/mojo_system.pc")).unwrap();
    let stated = package.lines().find_map(|line| line.strip_prefix("Libs.private: ")).unwrap();
    let output = Command::new("rustc")
        .args(["--print=native-static-libs", "--crate-type=staticlib", "--crate-name=nothing", "--out-dir"])
        .arg(place(""))
        .arg("-")
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    let needed = said.lines().find_map(|line| line.strip_prefix("note: native-static-libs: ")).expect(&said);
    // With these a C compiler links everything.
    let needed: Vec<&str> = needed.split_whitespace().filter(|name| !["-lgcc_s", "-lc"].contains(name)).collect();
    assert_eq!(stated.split_whitespace().collect::<Vec<_>>(), needed);
}

/// Compiles and links a program or a module with what pkg-config says.
fn build_by_pkg_config(name: &str, compiler: &[&str], source: &str, query: &[&str]) -> PathBuf {
    let output = place(name);
    let mut pkg_config = Command::new("pkg-config");
    pkg_config.args(["--cflags", "--libs"]).args(query).env("PKG_CONFIG_PATH", prefix().join("lib/pkgconfig"));
    run(Command::new(compiler[0])
        .args(&compiler[1..])
        .arg("-o")
        .arg(&output)
        .arg(program(source))
        .args(run(&mut pkg_config).split_whitespace())
        .arg(format!("-Wl,-rpath,{}", prefix().join("lib").display())));
    output
}

fn needs_the_shared_library(path: &Path) -> bool {
    dynamic_section(path).contains(&format!("Shared library: [{SHARED_LIBRARY_ABI}]"))
}

#[test]
fn pkg_config_tells_how_to_build_programs_and_modules() {
    if !has_program("pkg-config") {
        return;
    }
    for (compiler, source) in [("gcc", "install/consumer.c"), ("g++", "install/consumer.cc")] {
        let shared = build_by_pkg_config("shared", &[compiler], source, &["mojo_system"]);
        assert!(needs_the_shared_library(&shared));
        run_program(&shared, &[]);
        let fixed = build_by_pkg_config("static", &[compiler, "-static"], source, &["--static", "mojo_system"]);
        assert!(!needs_the_shared_library(&fixed));
        run_program(&fixed, &[]);
    }

    let host = build_by_pkg_config("host", &["gcc"], "thunks/host.c", &["mojo_system"]);
    let modules = ["sender", "receiver"].map(|name| {
        let source = format!("thunks/{name}.c");
        let module = build_by_pkg_config(name, &["gcc", "-shared", "-fPIC"], &source, &["mojo_system_thunks"]);
        assert!(!needs_the_shared_library(&module));
        module
    });
    run_program(&host, &modules);
}

/// Prepares a build of the consumers, for which the package is asked for in a version.
fn configure_by_cmake(prefix: &Path, version: &str, build: &Path) -> Command {
    let mut cmake = Command::new("cmake");
    cmake
        .arg(format!("-DCMAKE_PREFIX_PATH={}", prefix.display()))
        .arg(format!("-DVERSION={version}"))
        .arg("-S")
        .arg(program("install"))
        .arg("-B")
        .arg(build);
    cmake
}

#[test]
fn cmake_finds_targets_for_programs_and_modules() {
    if !has_program("cmake") {
        return;
    }
    // Found even where a package was only unpacked.
    let root = place("unpacked");
    install(&root, &[format!("DESTDIR={}", root.display()), "PREFIX=/usr".into()]);
    let build = root.join("build");
    run(&mut configure_by_cmake(&root.join("usr"), env!("CARGO_PKG_VERSION"), &build));
    run(Command::new("cmake").arg("--build").arg(&build));
    let modules = ["libsender.so", "libreceiver.so"].map(|name| build.join(name));
    for (form, is_shared) in [("mojo_system", true), ("static", false)] {
        for (name, arguments) in [("c", &[][..]), ("cxx", &[]), ("host", &modules)] {
            let program = build.join(format!("{name}-{form}"));
            assert_eq!(needs_the_shared_library(&program), is_shared, "{program:?}");
            run_program(&program, arguments);
        }
    }
}

#[test]
fn cmake_refuses_a_version_that_is_too_old_or_incompatible() {
    if !has_program("cmake") {
        return;
    }
    let builds = place("versions");
    if builds.exists() {
        fs::remove_dir_all(&builds).unwrap();
    }
    let (older, newer) =
        (concat!(env!("CARGO_PKG_VERSION_MAJOR"), ".0"), concat!(env!("CARGO_PKG_VERSION_MAJOR"), ".99"));
    for (version, fits) in [(older, true), (env!("CARGO_PKG_VERSION"), true), (newer, false), ("99.0", false)] {
        let output = configure_by_cmake(prefix(), version, &builds.join(version)).output().unwrap();
        assert_eq!(output.status.success(), fits, "{version}: {output:?}");
    }
}
