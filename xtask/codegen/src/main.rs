//! Writes the Rust code and the descriptor set of `proto/` into a folder, without protoc.
//!
//! `cargo xtask codegen` runs it; it is a program of its own so that xtask itself builds in seconds.

use std::path::Path;
use std::path::PathBuf;

use anyhow::Context;
use anyhow::Result;
use prost::Message;

fn main() -> Result<()> {
    let mut args = std::env::args_os().skip(1).map(PathBuf::from);
    let (Some(proto), Some(out)) = (args.next(), args.next()) else {
        anyhow::bail!("usage: xtask-codegen PROTO_DIR OUT_DIR");
    };
    let mut files = Vec::new();
    for entry in std::fs::read_dir(proto.join("lode/v1")).context("proto/lode/v1")? {
        files.push(entry?.path());
    }
    files.sort();
    generate(&proto, &files, &out)
}

fn generate(proto: &Path, files: &[PathBuf], out: &Path) -> Result<()> {
    let descriptors = protox::compile(files, [proto]).context("proto/ does not compile")?;
    std::fs::create_dir_all(out)?;
    std::fs::write(out.join("lode.v1.bin"), descriptors.encode_to_vec())?;
    let mut config = prost_build::Config::new();
    config.bytes([".lode.v1.Chunk.data"]);
    config.btree_map(["."]);
    tonic_prost_build::configure()
        .build_transport(false)
        .out_dir(out)
        .compile_fds_with_config(descriptors, config)
        .context("generate")?;
    Ok(())
}
