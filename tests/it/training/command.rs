//! What `lode train` says and does where something is amiss: aliases of other questions, commands
//! that are refused, numbers that mean nothing.

use std::process::Command;

use anyhow::Result;
use lode_tests::Engine;
use lode_tests::Finished;
use lode_tests::cli;
use lode_tests::settings;

use super::sales;
use super::shop;

/// `lode train churn.logistic` on the shop, with a horizon and more, split at blanks.
fn train(engine: &Engine, horizon: &str, more: &str) -> Result<Finished> {
    let args = ["train", "churn.logistic", "--events", "sales", "--horizon"];
    let more = more.split_whitespace();
    engine.lode(args.into_iter().chain([horizon]).chain(more))
}

/// What a command that succeeded said beside its answer.
fn said(done: Finished) -> Result<String> {
    done.text()?;
    Ok(done.stderr)
}

/// Where an alias points.
fn target(engine: &Engine, alias: &str) -> Result<String> {
    let listed = engine.lode(["alias", alias, "-o", "json"])?.json()?;
    Ok(listed[0][1]["model"]
        .as_str()
        .unwrap_or_default()
        .to_owned())
}

#[tokio::test]
async fn an_alias_moves_within_its_question_and_else_when_asked() -> Result<()> {
    let (engine, _) = shop(&sales()).await?;
    let first = said(train(&engine, "30d", "--id one")?)?;
    assert!(
        first.contains("alias churn points at model one\n"),
        "{first}"
    );
    let again = said(train(&engine, "30d", "--id one")?)?;
    assert!(again.contains("points at model one already"), "{again}");

    // Answered another way it is the same question; both say how they did.
    let better = said(train(&engine, "30d", "--id two -p l2=5 --dates 5")?)?;
    assert!(
        better.contains("alias churn moved from model one (auc 0.")
            && better.contains(" to two (auc 0.")
            && better.contains("each by its own judging; `lode compare one two` tests them"),
        "{better}"
    );
    assert_eq!(target(&engine, "churn")?, "two");

    let longer = said(train(&engine, "60d", "--id longer")?)?;
    assert!(
        longer.contains(
            "alias churn stays at model two, which answers another question (horizon 30d, here \
             60d; population recency<=30, here recency<=60); `lode alias churn longer` moves it"
        ),
        "{longer}"
    );
    assert_eq!(target(&engine, "churn")?, "two");
    let moved = said(train(&engine, "60d", "--id moved --move-alias")?)?;
    let words = "alias churn moved to model moved from two, which answers another question";
    assert!(moved.contains(words), "{moved}");
    assert_eq!(target(&engine, "churn")?, "moved");

    // The task is no alias where it is a model's id.
    engine.lode(["alias", "churn", "--remove"])?.text()?;
    let own = said(train(&engine, "30d", "--id churn")?)?;
    assert!(
        own.contains("no alias churn, which is the id of this model;"),
        "{own}"
    );
    let next = said(train(&engine, "30d", "--id next")?)?;
    assert!(
        next.contains("no alias churn, which is the id of a model; `lode alias"),
        "{next}"
    );
    Ok(())
}

#[tokio::test]
async fn a_command_that_is_refused_says_why_alone_and_leaves_nothing() -> Result<()> {
    let (engine, _) = shop(&sales()).await?;
    let views = || engine.lode(["feature", "list", "-o", "json"])?.json();
    let refuse = |horizon: &str, more: &str, words: &str| -> Result<()> {
        let done = train(&engine, horizon, more)?;
        let told = done.failure()?;
        assert!(told.starts_with("error: "), "{told}");
        assert!(told.contains(words), "{told}");
        Ok(())
    };
    let cases = [
        ("900d", "", "no label window is over when the data end"),
        (
            "30d",
            "--test-dates 99",
            "of the 9 dates to judge, as many as come a horizon or more after another, found 99",
        ),
        ("30d", "-p l2=1 -p l2=2", "parameter l2 is given twice"),
        ("30d", "--filter tpye=sale", "found \"tpye\""),
        ("30d", "--alias 1st", "expected an alias: a letter, then"),
        (
            "30d",
            "--id x --alias x",
            "found x, which is the id of this model",
        ),
    ];
    for (horizon, more, words) in cases {
        refuse(horizon, more, words)?;
        assert_eq!(views()?.as_array().map(Vec::len), Some(0), "{more}");
    }
    assert_eq!(
        engine.lode(["jobs", "-o", "json"])?.json()?,
        serde_json::json!([])
    );

    // A view that was there before stays, and so does what a model is called.
    train(&engine, "30d", "--id kept --no-alias")?.text()?;
    refuse("900d", "", "no label window")?;
    assert_eq!(views()?.as_array().map(Vec::len), Some(1));
    refuse(
        "30d",
        "--alias kept",
        "no model's id, found kept, which is the id of a model",
    )?;
    Ok(())
}

#[tokio::test]
async fn labels_that_are_all_the_same_are_told_by_what_they_are() -> Result<()> {
    let (engine, _) = shop(&sales()).await?;
    for (horizon, more, words) in [
        (
            "30d",
            "--filter amount>1000",
            "label.filter: expected events of \"sales\" with amount > 1000, found none: no event \
             of the dataset passes the filter",
        ),
        (
            "1h",
            "--filter amount=18.5 --date 2024-01-02 --everybody",
            "label: expected rows with an event of \"sales\" with amount = 18.5 in the 1h after \
             its date, and rows without, found none with one among",
        ),
        (
            "30d",
            "--label sum --filter amount<0",
            "label.filter: expected events of \"sales\" with amount < 0, found none",
        ),
    ] {
        let done = train(&engine, horizon, more)?;
        let told = done.failure()?;
        assert!(told.contains(words), "{told}");
    }
    Ok(())
}

#[test]
fn numbers_that_mean_nothing_are_refused_by_what_is_expected() -> Result<()> {
    let train = "train churn --events sales --horizon";
    let length = "expected a whole number above 0 and w, d or h, such as 90d";
    let count = "expected a whole number above 0";
    let amount = "expected a number of at least 0";
    for (line, words) in [
        (format!("{train} -5d"), length),
        (format!("{train} 90"), length),
        (format!("{train} 0d"), length),
        (format!("{train} 9d --new-within -1w"), length),
        (format!("{train} 9d --every 13mo"), "expected 1mo to 12mo"),
        (format!("{train} 9d --dates 0"), count),
        (format!("{train} 9d --top -3"), count),
        (format!("{train} 9d --test-dates 0"), count),
        (format!("{train} 9d --tune -5"), count),
        (format!("{train} 9d --negatives -1"), amount),
        ("contacts churn --budget -5".to_owned(), count),
        ("contacts churn --cost-per-contact -0.5".to_owned(), amount),
    ] {
        let done = cli::lode(line.split(' '), None)?;
        let told = done.failure()?;
        assert!(
            told.contains("invalid value") && told.contains(words),
            "{told}"
        );
    }
    Ok(())
}

#[test]
fn serve_does_not_take_the_address_of_clients_for_its_own() -> Result<()> {
    for line in [
        "serve --addr 127.0.0.1:7411",
        "--addr http://127.0.0.1:7411 serve",
    ] {
        let done = cli::lode(line.split(' '), None)?;
        let told = done.failure()?;
        assert!(
            told.contains("did you mean --listen 127.0.0.1:7411"),
            "{told}"
        );
    }
    let shown = cli::lode(["serve", "--help"], None)?;
    let shown = shown.text()?;
    assert!(
        shown.contains("--listen") && !shown.contains("--addr"),
        "{shown}"
    );
    // The address of other commands in the environment says nothing of where to listen.
    let mut serve = Command::new(settings::lode());
    serve.env("LODE_ADDR", "http://127.0.0.1:7411");
    let nowhere = serve.args(["serve", "--data", "/dev/null/none"]).output()?;
    let told = String::from_utf8_lossy(&nowhere.stderr);
    assert!(!told.contains("--listen"), "{told}");
    assert!(!nowhere.status.success());
    Ok(())
}
