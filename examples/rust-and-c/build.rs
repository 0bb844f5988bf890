//! Compiles the C half.

fn main() {
    println!("cargo:rerun-if-changed=src/shouter.c");
    println!("cargo:rerun-if-changed=../../include");
    cc::Build::new().file("src/shouter.c").include("../../include").warnings_into_errors(true).compile("shouter");
}
