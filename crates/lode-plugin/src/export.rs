//! The macro that makes a library a plugin: the only thing that emits symbols.

/// Exports algorithms as a Lode plugin: `export_plugin!(Rfm, KMeans);` once, at the root of
/// a crate of type `cdylib`.
///
/// It defines the one entry function of the C ABI, named after the package and its version.
/// Every call into an algorithm is guarded against panics, so the crate has to be built with
/// unwinding panics; the author writes no unsafe code.
#[macro_export]
macro_rules! export_plugin {
    ($($algorithm:ty),+ $(,)?) => {
        #[cfg(panic = "abort")]
        ::core::compile_error!(
            "a Lode plugin needs panic = \"unwind\": a panic must fail its job and nothing else"
        );

        /// The entry of this plugin: its table, for as long as the library is loaded.
        #[expect(unsafe_code, reason = "the host looks the symbol up by its name")]
        #[unsafe(no_mangle)]
        pub extern "C" fn lode_plugin_v1(_host_minor: u32) -> *const $crate::ffi::LodePlugin {
            static ALGORITHMS: &[&$crate::ffi::LodeAlgorithm] =
                &[$($crate::ffi::algorithm::<$algorithm>()),+];
            static PLUGIN: $crate::ffi::LodePlugin = $crate::ffi::plugin(
                ALGORITHMS,
                ::core::env!("CARGO_PKG_NAME"),
                ::core::env!("CARGO_PKG_VERSION"),
            );
            &raw const PLUGIN
        }
    };
}
