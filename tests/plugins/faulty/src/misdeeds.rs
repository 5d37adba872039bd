//! The misdeeds themselves. Each is what a real bug in a plugin would do to its process.

use std::hint::black_box;
use std::sync::Arc;

use arrow_array::Int64Array;
use arrow_array::RecordBatch;
use arrow_array::RecordBatchIterator;
use arrow_array::RecordBatchReader;
use lode_plugin::Error;
use lode_plugin::Result;
use lode_plugin::testing;

use crate::Mode;

/// Does `mode`, if it is a misdeed.
pub(crate) fn commit(mode: Mode) -> Result<()> {
    match mode {
        Mode::Panic => panic!("this plugin panics on request"),
        Mode::PanicInThread => std::thread::scope(|scope| {
            scope.spawn(|| panic!("a thread of this plugin panics on request"));
        }),
        Mode::Segfault => segfault(),
        Mode::Abort => std::process::abort(),
        Mode::Exit0 => leave(),
        Mode::Loop => loop {
            black_box(0);
        },
        Mode::EatMemory => eat(),
        Mode::StackOverflow => drop(black_box(descend(black_box(1)))),
        Mode::Fail => return Err(Error::numeric("this plugin fails on request")),
        Mode::FailParams => {
            return Err(Error::invalid(
                "params.mode",
                "expected another mode, found fail_params",
            ));
        }
        Mode::PrintStdout => print(),
        Mode::CloseFds => close_all(),
        Mode::PanicInDrop => drop(black_box(Bomb)),
        // The rest is done elsewhere, or is none.
        _ => {}
    }
    Ok(())
}

/// A stream whose second batch panics.
pub(crate) fn panicking_stream() -> Box<dyn RecordBatchReader + Send> {
    let one: RecordBatch = testing::batch(&[("rows", None, Arc::new(Int64Array::from(vec![1])))]);
    let schema = one.schema();
    let batches = (0..2).map(move |i| match i {
        0 => Ok(one.clone()),
        _ => panic!("the stream of this plugin panics on request"),
    });
    Box::new(RecordBatchIterator::new(batches, schema))
}

/// A stream of `rows` that panics when it is dropped.
pub(crate) fn dropped_with_a_panic(rows: RecordBatch) -> Box<dyn RecordBatchReader + Send> {
    let schema = rows.schema();
    let bomb = Bomb;
    let batches = std::iter::once(Ok(rows)).inspect(move |_| {
        black_box(&bomb);
    });
    Box::new(RecordBatchIterator::new(batches, schema))
}

struct Bomb;

impl Drop for Bomb {
    fn drop(&mut self) {
        panic!("a destructor of this plugin panics on request");
    }
}

#[expect(unsafe_code, reason = "the misdeed is to write to address zero")]
fn segfault() {
    let nowhere: *mut u8 = black_box(std::ptr::null_mut());
    // SAFETY: none; the process is meant to die of it.
    unsafe { nowhere.write_volatile(1) };
}

#[expect(
    clippy::exit,
    clippy::disallowed_methods,
    reason = "the misdeed is to leave as if all were well"
)]
fn leave() {
    std::process::exit(0);
}

fn eat() {
    let mut eaten: Vec<Vec<u8>> = Vec::new();
    loop {
        eaten.push(vec![1; 16 << 20]);
        black_box(&eaten);
    }
}

#[expect(
    unconditional_recursion,
    reason = "the misdeed is to overflow the stack"
)]
fn descend(depth: u64) -> u64 {
    let frame = black_box([depth; 64]);
    descend(depth + 1) + frame[3]
}

#[expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "the misdeed is to print"
)]
fn print() {
    println!("this plugin prints to standard output");
    eprintln!("this plugin prints to standard error");
}

#[expect(unsafe_code, reason = "the misdeed is to close descriptors of others")]
fn close_all() {
    for fd in 0..64 {
        // SAFETY: none; the process is meant to lose its descriptors.
        drop(unsafe { <std::os::fd::OwnedFd as std::os::fd::FromRawFd>::from_raw_fd(fd) });
    }
}
