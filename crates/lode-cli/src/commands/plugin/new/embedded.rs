//! The texts that `build.rs` found: templates, the C example, the sources of the plugin SDK.

include!(concat!(env!("OUT_DIR"), "/embedded.rs"));
