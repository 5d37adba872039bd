//! What the kit found, for people and for programs.

use serde::Serialize;

use crate::verdict::Outcome;

/// What the kit found.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// The file.
    pub file: String,
    /// Of the file, in hexadecimal.
    pub sha256: String,
    /// The plugin's name; empty when it could not be asked.
    pub plugin: String,
    /// The plugin's version.
    pub version: String,
    /// Version of the ABI that it was built for.
    pub abi: String,
    /// The seed of everything that was drawn; the same seed draws the same again.
    pub seed: u64,
    /// In the order in which they ran.
    pub results: Vec<CheckResult>,
}

/// How one check ended.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct CheckResult {
    /// `library`, or the id of the algorithm.
    pub subject: String,
    /// Name of the check.
    pub check: &'static str,
    /// What holds when it passes.
    pub about: &'static str,
    /// How it ended.
    pub outcome: Outcome,
    /// What was found, in words.
    pub detail: String,
    /// Wall time.
    pub millis: u64,
}

impl Report {
    /// How many checks ended so.
    pub fn count(&self, outcome: Outcome) -> usize {
        let results = self.results.iter();
        results.filter(|result| result.outcome == outcome).count()
    }

    /// Whether no check failed and at least one passed.
    pub fn passed(&self) -> bool {
        self.count(Outcome::Failed) == 0 && self.count(Outcome::Passed) > 0
    }

    /// The report as text, ending with the counts.
    pub fn to_text(&self) -> String {
        let mut text = format!(
            "{}  sha256 {:.12}…  seed {}\n",
            self.file, self.sha256, self.seed
        );
        if !self.plugin.is_empty() {
            text = format!("{} {}, ABI {}  {text}", self.plugin, self.version, self.abi);
        }
        let mut subject = "";
        for result in &self.results {
            if result.subject != subject {
                subject = &result.subject;
                text.push_str(&format!("{subject}\n"));
            }
            text.push_str(&format!(
                "  {:7} {:18} {:>6} ms  {}\n",
                result.outcome.as_str(),
                result.check,
                result.millis,
                match result.outcome {
                    Outcome::Failed | Outcome::Skipped => result.detail.clone(),
                    Outcome::Passed if result.detail.is_empty() => result.about.to_owned(),
                    Outcome::Passed => format!("{}: {}", result.about, result.detail),
                }
            ));
        }
        text.push_str(&format!(
            "{} passed, {} failed, {} skipped\n",
            self.count(Outcome::Passed),
            self.count(Outcome::Failed),
            self.count(Outcome::Skipped)
        ));
        text
    }
}
