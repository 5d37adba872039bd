//! The macro that makes a library a plugin: the only thing that emits symbols.

/// Exports algorithms as a Lode plugin: `export_plugin!(Rfm, KMeans: mergeable);` once, at the
/// root of a crate of type `cdylib`. An algorithm that implements [`Mergeable`](crate::Mergeable)
/// says so.
///
/// It defines the one entry function of the C ABI, and the manifest that says without running
/// any code what the library is: the package's name and version, the ABI, the ids. Every call
/// into an algorithm is guarded against panics, so the crate has to be built with unwinding
/// panics; the author writes no unsafe code.
#[macro_export]
macro_rules! export_plugin {
    (@table $algorithm:ty) => { $crate::ffi::algorithm::<$algorithm>() };
    (@table $algorithm:ty, mergeable) => { $crate::ffi::mergeable::<$algorithm>() };
    ($($algorithm:ty $(: $kind:ident)?),+ $(,)?) => {
        #[cfg(panic = "abort")]
        ::core::compile_error!(
            "a Lode plugin needs panic = \"unwind\": a panic must fail its job and nothing else"
        );

        /// The entry of this plugin: its table, for as long as the library is loaded.
        #[expect(unsafe_code, reason = "the host looks the symbol up by its name")]
        #[unsafe(no_mangle)]
        pub extern "C" fn lode_plugin_v1(_host_minor: u32) -> *const $crate::ffi::LodePlugin {
            const NAME: &str = ::core::env!("CARGO_PKG_NAME");
            const VERSION: &str = ::core::env!("CARGO_PKG_VERSION");
            const IDS: &[&str] = &[$(<$algorithm as $crate::Algorithm>::ID),+];
            const LENGTH: usize = $crate::ffi::manifest_length(NAME, VERSION, IDS);
            #[expect(unsafe_code, reason = "the host reads the section by its name")]
            #[unsafe(link_section = ".lode.manifest")]
            static MANIFEST: [u8; LENGTH] = $crate::ffi::manifest::<LENGTH>(NAME, VERSION, IDS);
            static ALGORITHMS: &[&$crate::ffi::LodeAlgorithm] =
                &[$($crate::export_plugin!(@table $algorithm $(, $kind)?)),+];
            static PLUGIN: $crate::ffi::LodePlugin =
                $crate::ffi::plugin(ALGORITHMS, NAME, VERSION, &MANIFEST);
            &raw const PLUGIN
        }
    };
}
