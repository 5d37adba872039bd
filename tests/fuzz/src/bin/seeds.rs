//! `lode-fuzz-seeds TARGET FOLDER`: writes the inputs of a target that are made by code, for a
//! fuzzer that reads files.

use std::fs;
use std::path::Path;

use lode_fuzz::TARGETS;

fn main() -> Result<(), String> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [name, folder] = &*arguments else {
        return Err("expected TARGET FOLDER".to_owned());
    };
    let target = TARGETS.iter().find(|target| target.name == name);
    let target = target.ok_or_else(|| format!("expected a target, found {name:?}"))?;
    fs::create_dir_all(folder).map_err(|error| format!("{folder}: {error}"))?;
    for (name, bytes) in (target.seeds)() {
        let path = Path::new(folder).join(name);
        fs::write(&path, bytes).map_err(|error| format!("{}: {error}", path.display()))?;
    }
    Ok(())
}
