//! A byte flipped in every kind of file, a part deleted, sled's directory lost: what an engine
//! and its commands say, and that the rest stays readable.

use std::path::Path;
use std::path::PathBuf;

use anyhow::Context as _;
use anyhow::Result;
use lode_client::Client;
use lode_proto::v1;
use lode_tests::Engine;
use lode_tests::Finished;
use lode_tests::Setup;
use lode_tests::cli;
use lode_tests::furnish;
use lode_tests::furnish::GOODS;
use lode_tests::furnish::PACKED;
use lode_tests::furnish::PEOPLE;
use lode_tests::furnish::PLAIN;
use lode_tests::furnish::WAITING;
use lode_tests::settings;
use lode_tests::wire;
use lode_tests::work;
use tempfile::TempDir;

const VISITS: i64 = PACKED + PLAIN + WAITING;

/// A folder that a furnished engine left in order; each test damages a copy.
struct Left {
    folder: TempDir,
}

impl Left {
    async fn make() -> Result<Self> {
        let folder = TempDir::new()?;
        let mut engine = Engine::with(setup(&folder.path().join("data")))?;
        furnish::furnish(&engine).await?;
        assert!(engine.stop()?.success());
        if let Some(kept) = settings::keep_dir() {
            copy(&folder.path().join("data"), &kept)?;
        }
        Ok(Self { folder })
    }

    fn copy(&self) -> Result<Folder> {
        let folder = TempDir::new()?;
        let data = folder.path().join("data");
        copy(&self.folder.path().join("data"), &data)?;
        Ok(Folder {
            data,
            _temporary: folder,
        })
    }
}

struct Folder {
    data: PathBuf,
    _temporary: TempDir,
}

impl Folder {
    fn start(&self) -> Result<Engine> {
        Engine::with(setup(&self.data))
    }

    /// Why an engine does not start.
    fn refusal(&self) -> String {
        let error = self.start().err().map(|error| format!("{error:#}"));
        error.expect("the engine starts on what is damaged")
    }

    fn admin(&self, what: &str) -> Result<Finished> {
        let data = self.data.display().to_string();
        cli::lode(["admin", what, "--data-dir", &data], None)
    }

    /// What `lode admin check` finds wrong.
    fn problems(&self) -> Result<String> {
        let checked = self.admin("check")?;
        assert_eq!(checked.code, Some(1), "{}", checked.stdout);
        Ok(checked.stdout)
    }

    /// The files of a folder whose names end so, in order.
    fn files(&self, folder: &str, ending: &str) -> Result<Vec<PathBuf>> {
        let mut files = Vec::new();
        for entry in std::fs::read_dir(self.data.join(folder))? {
            let path = entry?.path();
            if path.to_string_lossy().ends_with(ending) {
                files.push(path);
            }
        }
        files.sort();
        Ok(files)
    }

    /// Parts of `visits`, the first dataset: those of the run, and that of the third load.
    fn parts(&self) -> Result<(PathBuf, PathBuf)> {
        let (mut sorted, mut loaded) = (None, None);
        for path in self.files("parts/00000001", ".arrow")? {
            let bytes = std::fs::read(&path)?;
            let has = |text: &str| bytes.windows(text.len()).any(|at| at == text.as_bytes());
            if has(r#""run":{"number""#) {
                sorted = Some(path);
            } else if has(r#""ingest":"three""#) {
                loaded = Some(path);
            }
        }
        Ok((
            sorted.context("no part of a run")?,
            loaded.context("no part of the third load")?,
        ))
    }
}

fn setup(data: &Path) -> Setup {
    Setup {
        data: Some(data.to_owned()),
        ..Setup::default()
    }
}

fn copy(from: &Path, to: &Path) -> Result<()> {
    std::fs::create_dir(to)?;
    for entry in std::fs::read_dir(from)? {
        let entry = entry?;
        let to = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            copy(&entry.path(), &to)?;
        } else {
            std::fs::copy(entry.path(), to)?;
        }
    }
    Ok(())
}

/// Flips a bit in the middle of a file.
fn flip(path: &Path) -> Result<()> {
    let mut bytes = std::fs::read(path)?;
    let middle = bytes.len() / 2;
    bytes[middle] ^= 0x10;
    Ok(std::fs::write(path, bytes)?)
}

/// Flips a bit in each place of a file where a text stands; how many there were.
fn flip_text(path: &Path, text: &str) -> Result<usize> {
    let mut bytes = std::fs::read(path)?;
    let places: Vec<usize> = (0..bytes.len() - text.len())
        .filter(|at| bytes[*at..].starts_with(text.as_bytes()))
        .collect();
    for at in &places {
        bytes[*at] ^= 0x01;
    }
    std::fs::write(path, bytes)?;
    Ok(places.len())
}

async fn count(client: &Client, dataset: &str) -> Result<i64> {
    wire::query_int(client, &format!("select count(*) from {dataset}")).await
}

/// The reason why a dataset cannot be read, with what is said about it.
async fn refused(client: &Client, dataset: &str) -> (String, String) {
    match count(client, dataset).await {
        Ok(rows) => panic!("{dataset} is damaged and was read: {rows} rows"),
        Err(error) => {
            let known = error.downcast_ref::<lode_client::Error>();
            let refusal = known.and_then(lode_client::Error::refusal);
            let reason = refusal.map_or_else(String::new, |refusal| refusal.reason.clone());
            (reason, format!("{error:#}"))
        }
    }
}

async fn others_are_whole(client: &Client) -> Result<()> {
    assert_eq!(count(client, "people").await?, PEOPLE);
    assert_eq!(count(client, "goods").await?, GOODS);
    Ok(())
}

/// Everything is there.
async fn all_is_whole(engine: &Engine) -> Result<()> {
    let client = engine.client()?;
    assert_eq!(count(&client, "visits").await?, VISITS);
    others_are_whole(&client).await?;
    for job in ["kept-rfm", "kept-items"] {
        let job = work::get(&client, job).await?;
        for output in &job.outputs {
            work::output(&client, &output.name).await?;
        }
    }
    let model = offers(engine, "kept-items").await?;
    model.text()?;
    engine.lode(["feature", "show", "kept-view"])?.text()?;
    let customer = engine.lode(["customer", "c007", "-o", "json"])?;
    assert!(
        customer.text()?.contains("segment.rfm"),
        "{}",
        customer.stdout
    );
    Ok(())
}

/// What the model of a job offers a customer.
async fn offers(engine: &Engine, job: &str) -> Result<Finished> {
    let job = work::get(&engine.client()?, job).await?;
    let model = job.models.first().context("a model")?;
    let id = model.rsplit('/').next().unwrap_or_default();
    engine.lode(["recommend", id, "c007"])
}

fn told(kind: &str, what: &str) {
    let line = what.lines().find(|line| !line.trim().is_empty());
    settings::say(&format!(
        "damage: {kind}: {}",
        line.unwrap_or_default().trim()
    ));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn damage_is_named_and_the_rest_stays_readable() -> Result<()> {
    let left = Left::make().await?;
    all_is_whole(&left.copy()?.start()?).await?;
    loaded_part(&left, false).await?;
    loaded_part(&left, true).await?;
    sorted_part(&left).await?;
    outputs_and_models(&left).await?;
    small_files(&left).await?;
    format_file(&left).await?;
    sled_snapshot(&left).await?;
    for text in ["waits-in-sled-606", "kept with the folder", "kept-items"] {
        sled_record(&left, text).await?;
    }
    sled_end(&left).await?;
    sled_lost(&left).await
}

/// A part of a load, damaged or gone: named, left out when the owner says so, and back when its
/// chunk is sent again.
async fn loaded_part(left: &Left, is_gone: bool) -> Result<()> {
    let copy = left.copy()?;
    let (_, part) = copy.parts()?;
    match is_gone {
        true => std::fs::remove_file(&part)?,
        false => flip(&part)?,
    }
    let name = part.file_name().context("a name")?.to_string_lossy();
    let problems = copy.problems()?;
    assert!(
        problems.contains(&*name) && problems.contains("100 rows lost"),
        "{problems}"
    );

    let engine = copy.start()?;
    let client = engine.client()?;
    let (reason, text) = refused(&client, "visits").await;
    assert_eq!(reason, "PART_DAMAGED");
    for word in [&*name, "\"visits\"", "100 rows", "damaged-parts=skip"] {
        assert!(text.contains(word), "{word} is not in {text}");
    }
    told(if is_gone { "part gone" } else { "part" }, &text);
    others_are_whole(&client).await?;
    let rfm = || work::spec("segment.rfm", "events", "visits");
    let job = work::run_to_end(&client, "fails", rfm()).await?;
    assert_eq!(job.error.unwrap_or_default().reason, "PART_DAMAGED");

    // The dataset tells, in words and as JSON.
    let shown = engine.lode(["dataset", "visits"])?;
    let lost = "LOST: 1 part with 100 rows; reads fail until they are back";
    assert!(shown.text()?.contains(lost), "{}", shown.stdout);
    let back = "comes back with chunk 0 of load three";
    assert!(shown.text()?.contains(back), "{}", shown.stdout);
    let json = engine.lode(["dataset", "visits", "-o", "json"])?.json()?;
    let lost = &json["lost_parts"][0];
    assert_eq!(
        (&lost["rows"], &lost["ingest"]),
        (&PLAIN.into(), &"three".into())
    );
    assert_eq!(lost["part"], *name);

    // The owner may read the rest, in queries and jobs, and is told each time.
    let label = ["dataset", "visits", "--label", "damaged-parts=skip"];
    let shown = engine.lode(label)?;
    let goes_on = "reads go on without them";
    assert!(shown.text()?.contains(goes_on), "{}", shown.stdout);
    let answer = engine.lode(["query", "select count(*) as n from visits", "-o", "csv"])?;
    assert_eq!(answer.text()?, format!("n\n{}\n", VISITS - PLAIN));
    let lacks = format!("lacks {PLAIN} of {VISITS} rows of");
    assert!(answer.stderr.contains(&lacks), "{}", answer.stderr);
    work::run(&client, "goes-on", rfm()).await?;
    // Visits 57, 207 and 357; 507 is lost.
    let of_one = engine.lode(["customer", "timeline", "c057", "-o", "json"])?;
    let n = of_one.text()?.matches("\"visits\"").count();
    assert_eq!(n, 3, "{}", of_one.stdout);
    engine
        .lode(["dataset", "visits", "--label", "damaged-parts="])?
        .text()?;
    assert_eq!(refused(&client, "visits").await.0, "PART_DAMAGED");

    furnish::send_again(&client, "three", 0).await?;
    assert_eq!(count(&client, "visits").await?, VISITS);
    let shown = engine.lode(["dataset", "visits"])?;
    assert!(!shown.text()?.contains("LOST"), "{}", shown.stdout);
    Ok(())
}

async fn sorted_part(left: &Left) -> Result<()> {
    let copy = left.copy()?;
    let (part, _) = copy.parts()?;
    flip(&part)?;
    let problems = copy.problems()?;
    assert!(problems.contains("505 rows lost"), "{problems}");
    let engine = copy.start()?;
    let client = engine.client()?;
    let (reason, text) = refused(&client, "visits").await;
    assert_eq!(reason, "PART_DAMAGED");
    assert!(text.contains("505 rows"), "{text}");
    told("sorted part", &text);
    others_are_whole(&client).await?;
    let shown = engine.lode(["dataset", "visits"])?;
    assert!(
        shown.text()?.contains("made by compaction"),
        "{}",
        shown.stdout
    );
    let label = ["dataset", "visits", "--label", "damaged-parts=skip"];
    engine.lode(label)?.text()?;
    assert_eq!(count(&client, "visits").await?, PLAIN + WAITING);
    Ok(())
}

async fn outputs_and_models(left: &Left) -> Result<()> {
    let copy = left.copy()?;
    for path in copy
        .files("outputs", ".arrow")?
        .iter()
        .chain(&copy.files("models", "")?)
    {
        flip(path)?;
    }
    let problems = copy.problems()?;
    assert!(
        problems.contains("/outputs/") && problems.contains("/models/"),
        "{problems}"
    );
    let engine = copy.start()?;
    let client = engine.client()?;
    let job = work::get(&client, "kept-rfm").await?;
    let read = work::output(&client, &job.outputs[0].name).await;
    let error = read.err().context("a damaged output was read")?;
    let text = format!("{error:#}");
    assert!(text.contains("run its job again"), "{text}");
    told("output", &text);
    let offered = offers(&engine, "kept-items").await?;
    let text = offered.failure()?;
    assert!(text.contains("run its job again"), "{text}");
    told("model", text);
    assert_eq!(count(&client, "visits").await?, VISITS);
    others_are_whole(&client).await?;
    // The job again makes both again.
    let spec = job.spec.context("a job has its spec")?;
    let again = work::run(&client, "again", spec).await?;
    work::output(&client, &again.outputs[0].name).await?;
    Ok(())
}

/// Files whose loss alone loses nothing.
async fn small_files(left: &Left) -> Result<()> {
    let copy = left.copy()?;
    let commits = copy.files("parts/00000001", ".commit")?;
    for path in &commits {
        flip(path)?;
    }
    let problems = copy.problems()?;
    assert_eq!(
        problems.matches(".commit: ").count(),
        commits.len(),
        "{problems}"
    );
    told(
        ".commit",
        &problems
            .lines()
            .nth(1)
            .unwrap_or_default()
            .replace(&*copy.data.to_string_lossy(), "DIR"),
    );
    for name in ["MARK", "CLEAN", "LOCK"] {
        std::fs::write(copy.data.join(name), "junk")?;
    }
    all_is_whole(&copy.start()?).await
}

async fn format_file(left: &Left) -> Result<()> {
    let copy = left.copy()?;
    let format = copy.data.join("FORMAT");
    flip(&format)?;
    let text = copy.refusal();
    assert!(
        text.contains("expected an empty directory or one of Lode"),
        "{text}"
    );
    told("FORMAT", &error_line(&text));
    assert_ne!(copy.admin("check")?.code, Some(0));
    std::fs::write(format, "lode-store 2\n")?;
    all_is_whole(&copy.start()?).await
}

async fn sled_snapshot(left: &Left) -> Result<()> {
    let copy = left.copy()?;
    // An engine that starts again leaves one.
    assert!(copy.start()?.stop()?.success());
    let snapshots: Vec<PathBuf> = copy.files("sled", "")?;
    let is_snapshot = |path: &&PathBuf| path.to_string_lossy().contains("/snap.");
    let mut n = 0;
    for path in snapshots.iter().filter(is_snapshot) {
        flip(path)?;
        n += 1;
    }
    assert!(n > 0, "{snapshots:?}");
    let engine = copy.start()?;
    all_is_whole(&engine).await?;
    let log = engine.log_tail();
    assert!(log.contains("setting sled's snapshot aside"), "{log}");
    told("sled/snap", "a warning in the log; it lies in aside/");
    Ok(())
}

/// A record in sled: whatever sled makes of it, a start or a read says so, and what was
/// committed is there, at once or after a rebuild.
async fn sled_record(left: &Left, text: &str) -> Result<()> {
    let copy = left.copy()?;
    let places = flip_text(&copy.data.join("sled/db"), text)?;
    assert!(places > 0, "{text:?} is nowhere in sled");
    let noticed = match copy.start() {
        Err(error) => error_line(&format!("{error:#}")),
        Ok(engine) => match all_is_whole(&engine).await {
            Err(error) => format!("{error:#}"),
            Ok(()) => panic!("{text:?} was flipped in {places} places of sled, and nobody minded"),
        },
    };
    told(&format!("sled, {text:?}"), &noticed);
    told(
        &format!("sled, {text:?}, check"),
        copy.problems()?
            .lines()
            .find(|line| line.contains(": "))
            .unwrap_or_default(),
    );
    recover(&copy).await
}

/// sled's log ends before its last writes, all of them small.
async fn sled_end(left: &Left) -> Result<()> {
    let copy = left.copy()?;
    let db = copy.data.join("sled/db");
    let mut bytes = std::fs::read(&db)?;
    let last = "waits-in-sled-607";
    let at = (0..bytes.len() - last.len()).filter(|at| bytes[*at..].starts_with(last.as_bytes()));
    let at = at.min().context("the last small write is in sled")?;
    bytes[at..].fill(0);
    std::fs::write(&db, bytes)?;
    let text = error_line(&copy.refusal());
    assert!(
        text.contains("the catalog has lost its last writes"),
        "{text}"
    );
    told("sled's end", &text);
    let problems = copy.problems()?;
    assert!(problems.contains("groups of them, found"), "{problems}");
    let accepted = copy.admin("accept")?;
    assert!(accepted.text()?.contains("is lost"), "{}", accepted.stdout);
    let engine = copy.start()?;
    let client = engine.client()?;
    assert_eq!(count(&client, "visits").await?, VISITS - 1);
    others_are_whole(&client).await
}

async fn sled_lost(left: &Left) -> Result<()> {
    let copy = left.copy()?;
    std::fs::remove_dir_all(copy.data.join("sled"))?;
    let text = error_line(&copy.refusal());
    assert!(text.contains("run lode admin rebuild"), "{text}");
    told("sled gone", &text);
    let problems = copy.problems()?;
    assert!(problems.contains("the catalog"), "{problems}");
    recover(&copy).await
}

/// Does what the commands say until an engine starts; committed rows are there then.
async fn recover(copy: &Folder) -> Result<()> {
    let accepted = copy.admin("accept")?;
    if accepted.code != Some(0) {
        let rebuilt = copy.admin("rebuild")?;
        assert!(rebuilt.stdout.contains("rebuilt visits"), "{rebuilt:?}");
    }
    let engine = copy.start()?;
    let client = engine.client()?;
    let visits = count(&client, "visits").await?;
    assert!(
        (PACKED + PLAIN..=VISITS).contains(&visits),
        "{visits} of {VISITS} visits"
    );
    others_are_whole(&client).await?;
    work::run(
        &client,
        "afterwards",
        work::spec("segment.rfm", "events", "visits"),
    )
    .await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_second_engine_and_the_tools_keep_off_an_open_directory() -> Result<()> {
    let engine = Engine::start()?;
    let copy = Folder {
        data: engine.data().to_owned(),
        _temporary: TempDir::new()?,
    };
    let text = copy.refusal();
    assert!(text.contains("is in use by another engine"), "{text}");
    told("open twice", &error_line(&text));
    for what in ["check", "accept", "rebuild"] {
        let refused = copy.admin(what)?;
        let text = refused.failure()?;
        assert!(
            text.contains("is in use by another engine"),
            "{what}: {text}"
        );
    }
    // The first one does not mind.
    let column = wire::column("n", v1::Type::Int64, v1::Role::Unspecified);
    wire::create(
        &engine.client()?,
        "some",
        v1::DatasetKind::Other,
        vec![column],
    )
    .await
}

/// The line of a log that says what the error is.
fn error_line(text: &str) -> String {
    let mut lines = text.lines().rev();
    let line = lines.find(|line| line.starts_with("error: "));
    line.unwrap_or(text).to_owned()
}
