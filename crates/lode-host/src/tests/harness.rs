//! A host whose worker program is the test program itself.

use std::path::Path;
use std::sync::Arc;
use std::sync::OnceLock;

use crate::Host;
use crate::HostConfig;
use crate::QuarantineRule;
use lode_worker::Spawner;

/// A host of the libraries in `plugin_dir`.
pub(super) fn start(plugin_dir: &Path) -> Host {
    static SPAWNER: OnceLock<Arc<Spawner>> = OnceLock::new();
    let spawner = SPAWNER.get_or_init(|| Arc::new(Spawner::start().unwrap()));
    start_with(plugin_dir, Arc::clone(spawner))
}

/// The same with a spawner of its own.
pub(super) fn start_with(plugin_dir: &Path, spawner: Arc<Spawner>) -> Host {
    let worker_args = [
        "tests::worker_process",
        "--exact",
        "--nocapture",
        "--test-threads=1",
    ];
    Host::start(HostConfig {
        plugin_dir: plugin_dir.to_owned(),
        cache_dir: plugin_dir.join("cache"),
        worker_program: std::env::current_exe().unwrap(),
        worker_args: worker_args.map(str::to_owned).to_vec(),
        spawner,
        containment_required: false,
        // The tests of calls crash on purpose.
        quarantine: QuarantineRule {
            after: 0,
            ..QuarantineRule::default()
        },
    })
    .unwrap()
}
