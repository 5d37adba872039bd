//! dev
#![expect(clippy::print_stdout, reason = "it prints what it measured")]
mod arguments;
mod file;
mod measure;
use arguments::Arguments;
use lode_numeric::factors;
use std::path::Path;
type Result<T> = std::result::Result<T, Box<dyn std::error::Error>>;
fn main() -> Result<()> {
    let mut words = std::env::args().skip(1);
    let _ = words.next();
    let given = Arguments::read(words)?;
    let table = file::Table::read(Path::new(given.text("file")?))?;
    let opt = |n: &str, d: f64| given.number::<f64>(n).unwrap_or(d);
    let steps = opt("steps", 3.0) as usize;
    let params = factors::AlsParams {
        width: opt("width", 64.0) as usize,
        rounds: opt("rounds", 15.0) as usize,
        regularization: opt("reg", 0.01),
        frequency: opt("freq", 0.0),
        unobserved: opt("unobserved", 1.0),
        confidence: opt("confidence", 1.0),
        form: if opt("hu", 0.0) > 0.5 {
            factors::Form::Elsewhere
        } else {
            factors::Form::Everywhere
        },
        solver: if steps == 0 {
            factors::Solver::Cholesky
        } else {
            factors::Solver::Gradient { steps }
        },
        seed: opt("seed", 1.0) as u64,
        threads: opt("threads", 2.0) as usize,
    };
    let sub = opt("minus", 0.0) as f32;
    let learn = if sub > 0.0 {
        let mut e = vec![];
        for r in 0..table.learn.n_rows() {
            let (c, w) = table.learn.row(r);
            for (c, w) in c.iter().zip(w) {
                e.push((r as u32, *c, w - sub));
            }
        }
        factors::Pairs::from_entries(e, table.learn.n_rows(), table.learn.n_cols())?
    } else {
        table.learn.clone()
    };
    let m = measure::Meter::start()?;
    let model = factors::als(&learn, &params, &lode_numeric::go_on)?;
    let t = m.stop()?;
    println!(
        "fit wall {:.2} cpu {:.2} peak {:.0} MB",
        t.seconds,
        t.cpu_seconds,
        (t.peak_bytes - t.base_bytes) as f64 / 1e6
    );
    let m = measure::Meter::start()?;
    let shelf = factors::Shelf::new(&model.items);
    let best = shelf.best_of_all(
        &model.people,
        &learn,
        10,
        params.threads,
        &lode_numeric::go_on,
    )?;
    let t = m.stop()?;
    println!(
        "top wall {:.2} cpu {:.2} peak {:.0} MB",
        t.seconds,
        t.cpu_seconds,
        (t.peak_bytes - t.base_bytes) as f64 / 1e6
    );
    let disc: Vec<f64> = (0..10).map(|i| 1.0 / (i as f64 + 2.0).log2()).collect();
    let n = table.learn.n_rows().min(20000);
    let (mut sum, mut cnt) = (0.0, 0.0);
    for u in 0..n {
        let held = table.held_out.row(u).0;
        if held.is_empty() {
            continue;
        }
        let dcg: f64 = best[u]
            .iter()
            .zip(&disc)
            .filter(|(i, _)| held.binary_search(&i.item).is_ok())
            .map(|(_, d)| d)
            .sum();
        sum += dcg / disc[..held.len().min(10)].iter().sum::<f64>();
        cnt += 1.0;
    }
    println!("ndcg all {:.5}", sum / cnt);
    let m = measure::Meter::start()?;
    let k = 2000.min(n);
    for u in 0..k {
        let x: Vec<f32> = model.people.row(u).collect();
        let b = shelf.best(&x, learn.row(u).0, 10)?;
        assert_eq!(b, best[u]);
    }
    let t = m.stop()?;
    println!(
        "one {:.1} us wall {:.1} cpu",
        t.seconds / k as f64 * 1e6,
        t.cpu_seconds / k as f64 * 1e6
    );
    let mut sum = 0.0;
    let mut cnt = 0.0;
    let disc: Vec<f64> = (0..10).map(|i| 1.0 / (i as f64 + 2.0).log2()).collect();
    let yt: Vec<f32> = {
        let y = model.items.to_values();
        let (r, w) = (model.items.n_rows(), params.width);
        let mut t = vec![0.0; r * w];
        for i in 0..r {
            for d in 0..w {
                t[d * r + i] = y[i * w + d];
            }
        }
        t
    };
    let r = model.items.n_rows();
    let mut s = vec![0.0f32; r];
    for u in (0..n).step_by(opt("every", 1.0) as usize) {
        let held = table.held_out.row(u).0;
        if held.is_empty() {
            continue;
        }
        s.fill(0.0);
        for (d, x) in model.people.row(u).enumerate() {
            for (s, y) in s.iter_mut().zip(&yt[d * r..(d + 1) * r]) {
                *s += x * y;
            }
        }
        for c in table.learn.row(u).0 {
            s[*c as usize] = f32::NEG_INFINITY;
        }
        let mut idx: Vec<u32> = (0..r as u32).collect();
        idx.select_nth_unstable_by(10, |a, b| {
            s[*b as usize].total_cmp(&s[*a as usize]).then(a.cmp(b))
        });
        idx.truncate(10);
        idx.sort_by(|a, b| s[*b as usize].total_cmp(&s[*a as usize]).then(a.cmp(b)));
        let dcg: f64 = idx
            .iter()
            .zip(&disc)
            .filter(|(i, _)| held.binary_search(i).is_ok())
            .map(|(_, d)| d)
            .sum();
        sum += dcg / disc[..held.len().min(10)].iter().sum::<f64>();
        cnt += 1.0;
    }
    println!("ndcg {:.5}", sum / cnt);
    Ok(())
}
