//! Random operations beside a model in memory; a failure prints its seed.

use super::*;
use crate::IngestState;
use crate::bucket::hash;

/// What a dataset should be.
struct Model {
    id: DatasetId,
    kind: DatasetKind,
    /// Rows of each version from 0 on.
    versions: Vec<Vec<Row>>,
    /// The oldest version that must be readable.
    loads: Vec<Load>,
}

struct Load {
    id: IngestId,
    chunks: Vec<Vec<Row>>,
    state: IngestState,
    version: u64,
}

impl Model {
    fn newest(&self) -> u64 {
        self.versions.len() as u64 - 1
    }

    fn after(&self, chunks: &[Vec<Row>]) -> Vec<Row> {
        let mut rows = self.versions.last().unwrap().clone();
        rows.extend(chunks.iter().flatten().cloned());
        if self.kind != DatasetKind::Customers {
            return rows;
        }
        let map: BTreeMap<String, Row> = rows.into_iter().map(|r| (r.id.clone(), r)).collect();
        let mut rows: Vec<Row> = map.into_values().collect();
        rows.sort_by_key(|row| (hash(&row.id), row.id.clone()));
        rows
    }
}

fn some_rows(dice: &mut Dice) -> Vec<Row> {
    let n = [0, 1, 3, 30, 120][dice.below(5) as usize];
    let spread = [10, 1000][dice.below(2) as usize];
    (0..n)
        .map(|_| {
            let number = dice.below(1000).cast_signed();
            let text = "t".repeat(dice.below(60) as usize);
            row(
                &format!("c{}", dice.below(spread)),
                (number % 5 != 0).then_some(number),
                &text,
            )
        })
        .collect()
}

fn check_all(bench: &Bench, models: &[Model]) {
    for model in models {
        let snapshot = bench.pin(&model.id, None).unwrap();
        assert_eq!(snapshot.version(), model.newest());
        assert_eq!(rows(&snapshot), *model.versions.last().unwrap());
        assert_eq!(bench.dataset(&model.id).unwrap(), *snapshot.dataset());
        for load in &model.loads {
            let found = bench.ingest(&model.id, &load.id).unwrap();
            assert_eq!(
                (found.state, found.next_seq, found.version),
                (load.state, load.chunks.len() as u64, load.version)
            );
            let accepted: usize = load.chunks.iter().map(Vec::len).sum();
            assert_eq!(found.accepted_rows, accepted as u64);
        }
    }
}

fn run(seed: u64, steps: usize) {
    let mut dice = Dice(seed);
    let mut bench = Bench::new();
    let mut models: Vec<Model> = [
        ("e", DatasetKind::Events),
        ("c", DatasetKind::Customers),
        ("i", DatasetKind::Items),
    ]
    .into_iter()
    .map(|(name, kind)| Model {
        id: bench.make(name, kind),
        kind,
        versions: vec![Vec::new()],
        loads: Vec::new(),
    })
    .collect();
    let mut pinned: Vec<(usize, Snapshot)> = Vec::new();
    for _ in 0..steps {
        let which = dice.below(models.len() as u64) as usize;
        let model = &mut models[which];
        let open: Vec<usize> = (0..model.loads.len())
            .filter(|i| model.loads[*i].state == IngestState::Open)
            .collect();
        let pick = open
            .get(dice.below(open.len().max(1) as u64) as usize)
            .copied();
        match (dice.below(12), pick) {
            (0 | 1, _) | (_, None) => {
                let name = format!("load-{}", model.loads.len());
                model.loads.push(Load {
                    id: bench.start(&model.id, &name),
                    chunks: Vec::new(),
                    state: IngestState::Open,
                    version: 0,
                });
            }
            (2..=5, Some(i)) => {
                let load = &mut model.loads[i];
                let chunk = some_rows(&mut dice);
                let next = load.chunks.len() as u64;
                let appended = bench.append(&model.id, &load.id, next, &chunk).unwrap();
                assert_eq!(appended.accepted_rows, chunk.len() as u64);
                load.chunks.push(chunk.clone());
                if dice.below(3) == 0 {
                    assert!(
                        bench
                            .append(&model.id, &load.id, next, &chunk)
                            .unwrap()
                            .duplicate
                    );
                    let error = bench
                        .append(&model.id, &load.id, next + 2, &chunk)
                        .unwrap_err();
                    assert_eq!(error.reason(), "CHUNK_OUT_OF_ORDER");
                }
            }
            (6 | 7, Some(i)) => {
                let rows = model.after(&model.loads[i].chunks);
                let load = &mut model.loads[i];
                let n = load.chunks.len() as u64;
                let done = bench.commit_ingest(&model.id, &load.id, n).unwrap();
                load.state = IngestState::Committed;
                load.version = done.version;
                assert_eq!(done.version, model.versions.len() as u64);
                let old = model.versions.last().unwrap().len() as u64;
                assert_eq!(
                    old + done.accepted_rows - done.replaced_rows,
                    rows.len() as u64
                );
                model.versions.push(rows);
            }
            (8, Some(i)) if dice.below(2) == 0 => {
                bench.abort_ingest(&model.id, &model.loads[i].id).unwrap();
                model.loads[i].state = IngestState::Aborted;
            }
            (9, _) => pinned.push((which, bench.pin(&model.id, None).unwrap())),
            (10, _) if !pinned.is_empty() => {
                let (which, snapshot) =
                    pinned.swap_remove(dice.below(pinned.len() as u64) as usize);
                let version = usize::try_from(snapshot.version()).unwrap();
                let expected = &models[which].versions[version];
                assert_eq!(rows(&snapshot), *expected);
                if let Some(row) = expected.first()
                    && models[which].kind == DatasetKind::Customers
                {
                    let found = snapshot.customer(&customer(&row.id)).unwrap().unwrap();
                    assert_eq!(rows_of(&found), std::slice::from_ref(row));
                }
                let error = bench.delete_dataset(&models[which].id, false).unwrap_err();
                assert_eq!(error.reason(), "DATASET_IN_USE");
            }
            (11, _) if dice.below(3) == 0 => {
                // Pinned versions can be pinned again after a restart, before anything commits.
                let again: Vec<(usize, u64)> = pinned
                    .drain(..)
                    .map(|(which, snapshot)| (which, snapshot.version()))
                    .collect();
                if dice.below(2) == 0 {
                    bench.reopen();
                } else {
                    bench.crash();
                }
                for (which, version) in again {
                    pinned.push((which, bench.pin(&models[which].id, Some(version)).unwrap()));
                }
                check_all(&bench, &models);
            }
            _ => {}
        }
    }
    for (which, snapshot) in &pinned {
        let version = usize::try_from(snapshot.version()).unwrap();
        assert_eq!(rows(snapshot), models[*which].versions[version]);
    }
    check_all(&bench, &models);
    bench.assert_no_blobs();
}

#[test]
fn random_operations_follow_the_model() {
    let (seeds, steps) = match std::env::var("LODE_SLOW_TESTS") {
        Ok(_) => (40, 400),
        Err(_) => (2, 50),
    };
    for seed in 1..=seeds {
        let seed = seed * 0x9e37_79b9;
        let outcome = std::panic::catch_unwind(|| run(seed, steps));
        assert!(outcome.is_ok(), "failed with seed {seed:#x}");
    }
}
