//! Plugins are loaded, swapped, refused and unloaded while the engine runs.

mod beside;
mod models;
mod quarantine;

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::time::Duration;
use std::time::Instant;

use anyhow::Context as _;
use anyhow::Result;
use anyhow::bail;
use lode_client::Client;
use lode_proto::v1;
use lode_tests::Answer;
use lode_tests::Engine;
use lode_tests::Setup;
use lode_tests::answer::has_compiler;
use lode_tests::settings;
use lode_tests::work;
use tempfile::TempDir;

/// An engine with a plugin directory of its own, which it watches only when asked to.
fn engine(folder: &Path, watch: &str, args: &[&str]) -> Result<Engine> {
    let watch = ["--watch-plugins", watch].into_iter();
    Engine::with(Setup {
        plugins: Some(folder.to_owned()),
        args: watch
            .chain(args.iter().copied())
            .map(str::to_owned)
            .collect(),
        ..Setup::default()
    })
}

fn spec(algorithm: &str, mode: &str) -> v1::JobSpec {
    let mut spec = work::spec(algorithm, "rows", "none");
    spec.inputs = BTreeMap::new();
    spec.params.insert("mode".to_owned(), work::text(mode));
    spec
}

async fn load(client: &Client, file_name: &str) -> lode_client::Result<v1::Plugin> {
    let request = v1::LoadPluginRequest {
        file_name: file_name.to_owned(),
    };
    Ok(client
        .load_plugin(request)
        .await?
        .plugin
        .unwrap_or_default())
}

async fn unload(client: &Client, name: &str, version: &str) -> lode_client::Result<v1::Plugin> {
    let request = v1::UnloadPluginRequest {
        name: format!("plugins/{name}"),
        version: version.to_owned(),
        file_name: String::new(),
    };
    let answer = client.unload_plugin(request).await?;
    Ok(answer.plugin.unwrap_or_default())
}

/// File, state and version of all that is listed.
async fn listed(client: &Client) -> Result<Vec<(String, v1::PluginState, String)>> {
    let plugins = client
        .plugins(v1::ListPluginsRequest::default())
        .all()
        .await?;
    let plugins = plugins.into_iter();
    Ok(plugins
        .map(|plugin| (plugin.file_name.clone(), plugin.state(), plugin.version))
        .collect())
}

async fn plugin_of(client: &Client, file: &str, state: v1::PluginState) -> Result<v1::Plugin> {
    let plugins = client
        .plugins(v1::ListPluginsRequest::default())
        .all()
        .await?;
    let found = plugins
        .iter()
        .find(|plugin| plugin.file_name == file && plugin.state() == state);
    match found {
        Some(plugin) => Ok(plugin.clone()),
        None => bail!("no {file} that is {state:?} among {plugins:?}"),
    }
}

/// Waits until something of the list of plugins is true.
async fn wait_until(
    client: &Client,
    what: impl Fn(&[(String, v1::PluginState, String)]) -> bool,
) -> Result<()> {
    let start = Instant::now();
    while start.elapsed() < Duration::from_secs(20) {
        if what(&listed(client).await?) {
            return Ok(());
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    bail!("the plugins stay {:?}", listed(client).await?)
}

async fn score(client: &Client, model: &str) -> lode_client::Result<u32> {
    let request = v1::ScoreRequest {
        model: model.to_owned(),
        rows: vec![v1::Row::default()],
        ..v1::ScoreRequest::default()
    };
    Ok(whole(client.score(request).await?.results[0].score))
}

/// The whole number that a build of the test plugin answers with.
fn whole(answer: f64) -> u32 {
    let found = (1..100).find(|&n| (f64::from(n) - answer).abs() < 1e-9);
    found.unwrap_or_else(|| panic!("{answer} is no answer of the test plugin"))
}

/// What the build that ran a job answers with.
fn answer(job: &v1::Job) -> Result<u32> {
    Ok(whole(work::metric(job, "answer")?))
}

fn reason(error: &lode_client::Error) -> &str {
    error.refusal().map_or("", |refusal| &refusal.reason)
}

#[tokio::test]
async fn a_file_is_loaded_and_swapped_and_a_bad_one_is_refused_with_every_reason() -> Result<()> {
    if !has_compiler("plugins: load and swap") {
        return Ok(());
    }
    let folder = TempDir::new()?;
    let engine = engine(folder.path(), "off", &[])?;
    let client = engine.client()?;
    assert_eq!(listed(&client).await?, []);

    let file = folder.path().join("answer.so");
    let first = Answer::default();
    first.build(&file)?;
    let loaded = load(&client, "answer.so").await?;
    assert_eq!(loaded.state(), v1::PluginState::Active);
    assert_eq!(loaded.name, "plugins/answer");
    assert_eq!(
        loaded.algorithms,
        ["algorithms/answer.one", "algorithms/answer.two"]
    );
    let job = work::run(&client, "first", spec("answer.one", "ok")).await?;
    let model = job.models[0].clone();
    assert_eq!(score(&client, &model).await?, 1);
    // Nothing new: nothing happens.
    assert_eq!(load(&client, "answer.so").await?.sha256, loaded.sha256);

    Answer { answer: 2, ..first }.build(&file)?;
    let swapped = load(&client, "answer.so").await?;
    assert_ne!(swapped.sha256, loaded.sha256);
    assert_eq!(score(&client, &model).await?, 2);
    let job = work::run(&client, "second", spec("answer.one", "ok")).await?;
    assert_eq!(answer(&job)?, 2);

    Answer {
        answer: 3,
        broken: true,
        ..first
    }
    .build(&file)?;
    let error = load(&client, "answer.so").await.expect_err("it is broken");
    assert_eq!(reason(&error), "PLUGIN_REFUSED");
    let refused = plugin_of(&client, "answer.so", v1::PluginState::Refused).await?;
    for word in [
        "answer.one was killed by SIGABRT",
        "answer.two: two and two is five",
    ] {
        assert!(error.to_string().contains(word), "{error}");
        assert!(
            refused
                .problems
                .iter()
                .any(|problem| problem.contains(word)),
            "{:?}",
            refused.problems
        );
    }
    // The old one goes on, and is listed beside the refused one.
    let active = plugin_of(&client, "answer.so", v1::PluginState::Active).await?;
    assert_eq!(active.sha256, swapped.sha256);
    assert_eq!(score(&client, &model).await?, 2);
    let job = work::run(&client, "third", spec("answer.one", "ok")).await?;
    assert_eq!(answer(&job)?, 2);
    Ok(())
}

#[tokio::test]
async fn two_versions_stand_side_by_side_and_a_name_selects_one() -> Result<()> {
    if !has_compiler("plugins: side by side") {
        return Ok(());
    }
    let folder = TempDir::new()?;
    let old = Answer {
        version: "0.9.0",
        answer: 9,
        ..Answer::default()
    };
    let new = Answer {
        version: "0.10.0",
        answer: 10,
        ..Answer::default()
    };
    old.build(&folder.path().join("old.so"))?;
    new.build(&folder.path().join("new.so"))?;
    let engine = engine(folder.path(), "off", &[])?;
    let client = engine.client()?;

    let request = v1::ListAlgorithmsRequest::default();
    let all = client.algorithms(request).all().await?;
    let names: Vec<(String, String)> = all
        .into_iter()
        .map(|algorithm| (algorithm.name, algorithm.plugin_version))
        .collect();
    let pair = |name: &str, version: &str| (name.to_owned(), version.to_owned());
    assert_eq!(
        names,
        [
            pair("algorithms/answer.one", "0.10.0"),
            pair("algorithms/answer.one@0.9.0", "0.9.0"),
            pair("algorithms/answer.two", "0.10.0"),
            pair("algorithms/answer.two@0.9.0", "0.9.0"),
        ]
    );
    let mut models = Vec::new();
    for (id, algorithm, wanted) in [
        ("plain", "answer.one", 10),
        ("old", "answer.one@0.9.0", 9),
        ("new", "answer.one@0.10.0", 10),
    ] {
        let job = work::run(&client, id, spec(algorithm, "ok")).await?;
        assert_eq!(answer(&job)?, wanted, "{algorithm}");
        assert_eq!(score(&client, &job.models[0]).await?, wanted, "{algorithm}");
        models.push(job.models[0].clone());
    }
    let error = work::create(&client, "none", spec("answer.one@7", "ok"))
        .await
        .expect_err("there is no version 7");
    assert_eq!(reason(&error), "ALGORITHM_NOT_FOUND");
    assert!(error.to_string().contains("answer.one@0.9.0"), "{error}");

    // The same name and version with other bytes, and the same id in another plugin.
    Answer { answer: 4, ..new }.build(&folder.path().join("again.so"))?;
    let error = load(&client, "again.so").await.expect_err("it is taken");
    assert!(
        error.to_string().contains("already loaded from new.so"),
        "{error}"
    );
    Answer {
        name: "thief",
        ..new
    }
    .build(&folder.path().join("thief.so"))?;
    let error = load(&client, "thief.so").await.expect_err("it is taken");
    for id in ["answer.one", "answer.two"] {
        let words = format!("algorithm {id} is already in plugin answer");
        assert!(error.to_string().contains(&words), "{error}");
    }

    // Which of the two goes has to be said; the models of the one that is left are unchanged.
    let error = unload(&client, "answer", "")
        .await
        .expect_err("there are two");
    assert_eq!(reason(&error), "PLUGIN_AMBIGUOUS");
    unload(&client, "answer", "0.10.0").await?;
    assert_eq!(score(&client, &models[1]).await?, 9);
    let job = work::run(&client, "after", spec("answer.one", "ok")).await?;
    assert_eq!(answer(&job)?, 9);
    Ok(())
}

#[tokio::test]
async fn a_job_ends_with_the_library_that_it_began_with() -> Result<()> {
    if !has_compiler("plugins: unload with a running job") {
        return Ok(());
    }
    let folder = TempDir::new()?;
    Answer::default().build(&folder.path().join("answer.so"))?;
    let engine = engine(folder.path(), "off", &["--jobs-at-once", "1"])?;
    let client = engine.client()?;
    work::create(&client, "running", spec("answer.one", "slow")).await?;
    work::create(&client, "waiting", spec("answer.one", "ok")).await?;
    let unloaded = unload(&client, "answer", "").await?;
    assert_eq!(unloaded.state(), v1::PluginState::Unloaded);
    let states: Vec<v1::PluginState> = listed(&client).await?.into_iter().map(|p| p.1).collect();
    assert_eq!(
        states,
        [v1::PluginState::Draining, v1::PluginState::Unloaded]
    );
    let error = work::create(&client, "late", spec("answer.one", "ok"))
        .await
        .expect_err("it is unloaded");
    assert_eq!(reason(&error), "ALGORITHM_NOT_FOUND");
    for id in ["running", "waiting"] {
        let (job, _) = work::watch(&client, id).await?;
        assert_eq!(job.state(), v1::JobState::Succeeded, "{:?}", job.error);
    }
    // Nobody has it any more: it is drained, and its copy is gone.
    wait_until(&client, |all| all.len() == 1).await?;
    let copy = format!("plugins/{}.so", unloaded.sha256);
    assert!(!engine.data().join(copy).exists());
    // A restart takes it again.
    let engine = engine.restart()?;
    let client = engine.client()?;
    work::run(&client, "again", spec("answer.one", "ok")).await?;
    Ok(())
}

#[tokio::test]
async fn a_job_that_waited_over_a_restart_keeps_its_version_or_says_why_not() -> Result<()> {
    if !has_compiler("plugins: restart with another build") {
        return Ok(());
    }
    for (version, wanted) in [("1.0", Some(2)), ("2.0", None)] {
        let folder = TempDir::new()?;
        let file = folder.path().join("answer.so");
        Answer::default().build(&file)?;
        let engine = engine(folder.path(), "off", &["--jobs-at-once", "1"])?;
        let client = engine.client()?;
        work::create(&client, "running", spec("answer.one", "slow")).await?;
        work::create(&client, "waiting", spec("answer.one", "ok")).await?;
        Answer {
            version,
            answer: 2,
            ..Answer::default()
        }
        .build(&file)?;
        let engine = engine.restart()?;
        let client = engine.client()?;
        let (job, _) = work::watch(&client, "waiting").await?;
        match wanted {
            Some(wanted) => {
                assert_eq!(answer(&job)?, wanted);
                let active = plugin_of(&client, "answer.so", v1::PluginState::Active).await?;
                assert_eq!(
                    job.provenance.unwrap_or_default().plugin_sha256,
                    active.sha256
                );
            }
            None => {
                let error = job
                    .error
                    .expect("another version is not what was asked for");
                assert_eq!(error.reason, "CANNOT_RUN_AGAIN");
                let words = "plugin answer 1.0, which the job was created for, is not loaded";
                assert!(error.message.contains(words), "{}", error.message);
            }
        }
    }
    Ok(())
}

/// Bytes that an engine has read from files.
fn bytes_read(engine: &Engine) -> Result<u64> {
    let counts = fs::read_to_string(format!("/proc/{}/io", engine.pid()))?;
    let count = counts.lines().find_map(|line| line.strip_prefix("rchar: "));
    Ok(count.context("the kernel counts what is read")?.parse()?)
}

#[tokio::test]
async fn a_watched_directory_is_followed() -> Result<()> {
    if !has_compiler("plugins: watcher") {
        return Ok(());
    }
    let folder = TempDir::new()?;
    let engine = engine(folder.path(), "on", &[])?;
    let client = engine.client()?;
    let file = folder.path().join("answer.so");
    Answer::default().build(&file)?;
    let is = |state: v1::PluginState, version: &'static str| {
        move |all: &[(String, v1::PluginState, String)]| {
            all.iter()
                .any(|plugin| plugin.1 == state && plugin.2 == version)
        }
    };
    wait_until(&client, is(v1::PluginState::Active, "1.0")).await?;
    Answer {
        version: "1.1",
        ..Answer::default()
    }
    .build(&file)?;
    wait_until(&client, is(v1::PluginState::Active, "1.1")).await?;

    // A file that an operator unloaded is left alone until it changes.
    unload(&client, "answer", "").await?;
    tokio::time::sleep(Duration::from_millis(1_700)).await;
    let all = listed(&client).await?;
    assert!(is(v1::PluginState::Unloaded, "1.1")(&all), "{all:?}");
    assert!(!is(v1::PluginState::Active, "1.1")(&all), "{all:?}");
    Answer {
        version: "1.2",
        ..Answer::default()
    }
    .build(&file)?;
    wait_until(&client, is(v1::PluginState::Active, "1.2")).await?;

    // What is no library is refused once it rests, and the good one stays.
    fs::write(folder.path().join("half.so"), vec![b'x'; 16 << 20])?;
    wait_until(&client, |all| {
        all.iter().any(|p| p.1 == v1::PluginState::Refused)
    })
    .await?;
    // Files that do not change are not read again.
    let before = bytes_read(&engine)?;
    tokio::time::sleep(Duration::from_millis(2_200)).await;
    let read = bytes_read(&engine)? - before;
    assert!(read < 4 << 20, "{read} bytes were read");
    // What was in the way is taken as soon as the place is free.
    Answer {
        version: "1.2",
        answer: 5,
        ..Answer::default()
    }
    .build(&folder.path().join("other.so"))?;
    wait_until(&client, |all| {
        all.iter()
            .any(|p| p.0 == "other.so" && p.1 == v1::PluginState::Refused)
    })
    .await?;
    fs::remove_file(&file)?;
    wait_until(&client, |all| {
        all.iter().all(|p| p.0 != "answer.so")
            && all
                .iter()
                .any(|p| p.0 == "other.so" && p.1 == v1::PluginState::Active)
    })
    .await?;
    fs::remove_file(folder.path().join("half.so"))?;
    fs::remove_file(folder.path().join("other.so"))?;
    wait_until(&client, <[_]>::is_empty).await
}

#[tokio::test]
async fn only_a_bare_name_of_the_directory_is_loaded() -> Result<()> {
    if !has_compiler("plugins: file names") {
        return Ok(());
    }
    let outside = TempDir::new()?;
    let folder = outside.path().join("plugins");
    fs::create_dir_all(folder.join("sub"))?;
    Answer::default().build(&outside.path().join("outside.so"))?;
    Answer::default().build(&folder.join("sub/inner.so"))?;
    fs::copy(outside.path().join("outside.so"), folder.join("answer.txt"))?;
    fs::copy(outside.path().join("outside.so"), folder.join(".hidden.so"))?;
    std::os::unix::fs::symlink("../outside.so", folder.join("out.so"))?;
    std::os::unix::fs::symlink("sub/inner.so", folder.join("deep.so"))?;
    let engine = engine(&folder, "off", &[])?;
    let client = engine.client()?;
    let absolute = outside.path().join("outside.so");
    for name in [
        "",
        ".so",
        "..",
        "../outside.so",
        "sub/inner.so",
        "./answer.so",
        "answer.txt",
        ".hidden.so",
        "out.so",
        "deep.so",
        "nul\0.so",
        &*absolute.to_string_lossy(),
    ] {
        let error = load(&client, name).await.expect_err(name);
        assert_eq!(reason(&error), "PLUGIN_FILE_INVALID", "{name:?}: {error}");
    }
    let error = load(&client, "none.so").await.expect_err("not there");
    assert_eq!(reason(&error), "PLUGIN_NOT_FOUND");
    assert!(
        client
            .algorithms(v1::ListAlgorithmsRequest::default())
            .all()
            .await?
            .is_empty()
    );
    // A link within the directory is as good as a file.
    Answer::default().build(&folder.join("answer-1.0.so"))?;
    std::os::unix::fs::symlink("answer-1.0.so", folder.join("current.so"))?;
    assert_eq!(
        load(&client, "current.so").await?.state(),
        v1::PluginState::Active
    );
    Ok(())
}

#[tokio::test]
async fn the_shipped_plugins_pass_the_trial() -> Result<()> {
    let folder = TempDir::new()?;
    let engine = engine(folder.path(), "off", &[])?;
    let client = engine.client()?;
    for entry in fs::read_dir(settings::plugins())? {
        let path = entry?.path();
        let name = path.file_name().expect("a file has a name");
        fs::copy(&path, folder.path().join(name))?;
        let loaded = load(&client, &name.to_string_lossy()).await?;
        assert_eq!(loaded.state(), v1::PluginState::Active, "{loaded:?}");
        assert!(!loaded.algorithms.is_empty());
    }
    assert_eq!(listed(&client).await?.len(), 3);
    Ok(())
}
