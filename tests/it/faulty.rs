//! Plugins that misbehave while they serve, that are no plugins, or that change on the disk.
//!
//! What misbehaves in a job, and who is unharmed meanwhile, is in `fault_table`.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use anyhow::Result;
use lode_client::Client;
use lode_proto::v1;
use lode_tests::Engine;
use lode_tests::Setup;
use lode_tests::settings;
use lode_tests::wire;
use lode_tests::work;
use tempfile::TempDir;

/// Memory that a job of these tests may take.
const MEMORY: u64 = 256 << 20;

fn spec(mode: &str, seconds: i64) -> v1::JobSpec {
    let mut spec = work::spec("faulty.fit", "rows", "none");
    spec.inputs = BTreeMap::new();
    spec.params.insert("mode".to_owned(), work::text(mode));
    spec.params.insert("ms".to_owned(), work::int(60_000));
    spec.limits = Some(v1::JobLimits {
        timeout: Some(prost_types::Duration { seconds, nanos: 0 }),
        memory_bytes: MEMORY,
        threads: 1,
    });
    spec
}

/// These tests crash one library more often than an operator would let it.
fn never_quarantined() -> Vec<String> {
    vec!["--quarantine-after".to_owned(), "0".to_owned()]
}

#[tokio::test]
async fn a_model_that_misbehaves_fails_its_calls_and_nothing_else() -> Result<()> {
    let engine = Engine::with(Setup {
        plugins: Some(settings::faulty_plugins()),
        args: never_quarantined(),
        ..Setup::default()
    })?;
    let client = engine.client()?;
    for (stage, mode) in [
        ("score", "segfault"),
        ("open", "abort"),
        ("score", "panic"),
        ("score", "panic_in_drop"),
        ("open", "fork"),
        ("score", "fork"),
    ] {
        let id = format!("{stage}-{mode}");
        let mut spec = spec(mode, 10);
        spec.params.insert("stage".to_owned(), work::text(stage));
        let job = work::run(&client, &id, spec).await?;
        let request = v1::ScoreRequest {
            model: job.models[0].clone(),
            rows: vec![v1::Row::default()],
            ..v1::ScoreRequest::default()
        };
        for _ in 0..2 {
            let error = client
                .score(request.clone())
                .await
                .expect_err("it misbehaves");
            let refusal = error.refusal().expect("the engine answers");
            assert!(
                refusal.reason.starts_with("PLUGIN_"),
                "{id}: {} {error}",
                refusal.reason
            );
        }
    }
    assert!(client.is_serving("").await?);
    Ok(())
}

#[tokio::test]
async fn a_file_that_is_no_plugin_is_listed_with_the_reason() -> Result<()> {
    let folder = TempDir::new()?;
    copy_plugins(&settings::plugins(), folder.path())?;
    let whole = fs::read(folder.path().join("libpredict.so"))?;
    fs::write(folder.path().join("libcut.so"), &whole[..whole.len() / 3])?;
    fs::write(folder.path().join("libstub.so"), &whole[..64])?;
    fs::write(folder.path().join("libtext.so"), "not a library\n")?;
    fs::write(folder.path().join("libempty.so"), "")?;
    let engine = Engine::with(Setup {
        plugins: Some(folder.path().to_owned()),
        ..Setup::default()
    })?;
    let client = engine.client()?;
    let plugins = plugins(&client).await?;
    let mut table = String::new();
    for file in ["libcut.so", "libstub.so", "libtext.so", "libempty.so"] {
        let plugin = &plugins[file];
        assert_eq!(plugin.state(), v1::PluginState::Refused, "{file}");
        assert!(
            !plugin.problems.is_empty(),
            "{file} was refused without a reason"
        );
        table.push_str(&format!("\n  {file:12} {}", plugin.problems.join("; ")));
    }
    settings::say(&format!(
        "files that are no plugins and what is said of them:{table}"
    ));
    for file in ["libpredict.so", "librecommend.so", "libsegment.so"] {
        assert_eq!(
            plugins[file].state(),
            v1::PluginState::Active,
            "{:?}",
            plugins[file]
        );
    }
    Ok(())
}

async fn plugins(client: &Client) -> Result<BTreeMap<String, v1::Plugin>> {
    let request = v1::ListPluginsRequest::default();
    let plugins = client.plugins(request).all().await?;
    Ok(plugins
        .into_iter()
        .map(|plugin| (plugin.file_name.clone(), plugin))
        .collect())
}

fn copy_plugins(from: &Path, to: &Path) -> Result<()> {
    for entry in fs::read_dir(from)? {
        let path = entry?.path();
        fs::copy(&path, to.join(path.file_name().expect("a file has a name")))?;
    }
    Ok(())
}

#[tokio::test]
async fn a_plugin_whose_file_is_replaced_does_not_change_under_a_running_engine() -> Result<()> {
    let folder = TempDir::new()?;
    copy_plugins(&settings::faulty_plugins(), folder.path())?;
    let engine = Engine::with(Setup {
        plugins: Some(folder.path().to_owned()),
        ..Setup::default()
    })?;
    let client = engine.client()?;
    let before = work::run(&client, "before", spec("ok", 10)).await?;
    for entry in fs::read_dir(folder.path())? {
        fs::write(entry?.path(), "overwritten while the engine runs")?;
    }
    let after = work::run(&client, "after", spec("ok", 10)).await?;
    let sha = |job: &v1::Job| job.provenance.clone().expect("finished").plugin_sha256;
    assert_eq!(sha(&before), sha(&after));
    let request = v1::GetJobRequest {
        name: wire::job("after"),
    };
    client.get_job(request).await?;
    Ok(())
}
