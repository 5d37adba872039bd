//! Checks files as a reader of them would.

use std::fs;
use std::path::PathBuf;

use super::SampleOptions;
use super::write;

/// A folder of its own that goes away with the test.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let name = format!("lode-sample-{name}-{}", std::process::id());
        Self(std::env::temp_dir().join(name))
    }

    fn read(&self, name: &str) -> String {
        fs::read_to_string(self.0.join(name)).unwrap()
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        fs::remove_dir_all(&self.0).unwrap();
    }
}

const FILES: [&str; 6] = [
    "retail_events.csv",
    "retail_items.csv",
    "telecom_customers.csv",
    "telecom_events.csv",
    "telecom_features.json",
    "truth.json",
];

#[test]
fn files_are_whole_and_the_same_for_a_seed() {
    let options = SampleOptions {
        customers: 50,
        seed: 4,
    };
    let folders = [Folder::new("a"), Folder::new("b"), Folder::new("c")];
    let written = write(&folders[0].0, &options).unwrap();
    write(&folders[1].0, &options).unwrap();
    write(&folders[2].0, &SampleOptions { seed: 5, ..options }).unwrap();
    let names: Vec<&str> = written
        .files
        .iter()
        .map(|file| file.name.as_str())
        .collect();
    assert_eq!(names, FILES);
    for file in &written.files[..4] {
        let text = folders[0].read(&file.name);
        let widths: Vec<usize> = text.lines().map(|l| l.split(',').count()).collect();
        assert!(
            widths.iter().all(|width| *width == widths[0]),
            "{}",
            file.name
        );
        assert_eq!(text.lines().count() as u64, file.rows + 1);
        assert_eq!(folders[1].read(&file.name), text);
    }
    assert_eq!(
        written.rows,
        written.files.iter().map(|file| file.rows).sum::<u64>()
    );
    assert_ne!(folders[2].read(FILES[0]), folders[0].read(FILES[0]));
    assert_eq!(folders[1].read("truth.json"), folders[0].read("truth.json"));
    let truth: serde_json::Value = serde_json::from_str(&folders[0].read("truth.json")).unwrap();
    assert_eq!(truth["seed"], 4);
    for part in ["retail", "telecom"] {
        assert_eq!(truth[part]["customers"].as_array().unwrap().len(), 50);
    }
}

#[test]
fn nobody_is_a_sample_too() {
    let folder = Folder::new("none");
    let none = SampleOptions {
        customers: 0,
        seed: 1,
    };
    assert_eq!(write(&folder.0, &none).unwrap().rows, 96);
    let truth: serde_json::Value = serde_json::from_str(&folder.read("truth.json")).unwrap();
    assert!(truth["retail"]["customers"].as_array().unwrap().is_empty());
}
