//! Catches panics and keeps what they said and where, as text for the job's error.
//!
//! Prints nothing for a panic that is caught on its own thread; one on another thread of the
//! call is kept too and printed as usual. The hook belongs to this library's own copy of std.

use std::any::Any;
use std::cell::Cell;
use std::cell::RefCell;
use std::panic::AssertUnwindSafe;
use std::panic::PanicHookInfo;
use std::panic::catch_unwind;
use std::panic::set_hook;
use std::panic::take_hook;
use std::sync::Mutex;
use std::sync::MutexGuard;
use std::sync::Once;
use std::sync::PoisonError;

thread_local! {
    static DEPTH: Cell<u32> = const { Cell::new(0) };
    static HERE: RefCell<Option<String>> = const { RefCell::new(None) };
}

/// How many panics there were on threads that are not guarded, and what the last one said.
static ELSEWHERE: Mutex<(u64, String)> = Mutex::new((0, String::new()));

fn elsewhere() -> MutexGuard<'static, (u64, String)> {
    ELSEWHERE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A panic as text: `panicked at FILE:LINE: MESSAGE`.
#[derive(Clone, Debug)]
pub(super) struct Panicked(pub(super) String);

/// Runs `call`; a panic becomes an error. Nothing that `call` touched is used after a panic
/// except through locks, so unwind safety is asserted.
pub(super) fn guard<T>(call: impl FnOnce() -> T) -> Result<T, Panicked> {
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        let previous = take_hook();
        set_hook(Box::new(move |info| {
            if DEPTH.with(Cell::get) > 0 {
                HERE.set(Some(text_of(info)));
            } else {
                let text = text_of(info);
                let mut elsewhere = elsewhere();
                *elsewhere = (elsewhere.0 + 1, text);
                drop(elsewhere);
                previous(info);
            }
        }));
    });
    // Other calls may be guarded at the same time, so what they see is left as it is.
    let before = elsewhere().0;
    DEPTH.with(|depth| depth.set(depth.get() + 1));
    let result = catch_unwind(AssertUnwindSafe(call));
    DEPTH.with(|depth| depth.set(depth.get() - 1));
    result.map_err(|payload| {
        let here = HERE.take();
        let elsewhere = elsewhere().clone();
        let elsewhere = (elsewhere.0 > before).then_some(elsewhere.1);
        let text = match (here, elsewhere) {
            (Some(here), None) => here,
            (Some(here), Some(other)) => format!("{here}; before it another thread {other}"),
            (None, Some(other)) => other,
            (None, None) => format!("panicked: {}", message_of(payload.as_ref())),
        };
        // The author's payload may panic once more when it is dropped.
        drop(catch_unwind(AssertUnwindSafe(|| drop(payload))));
        Panicked(text)
    })
}

fn text_of(info: &PanicHookInfo<'_>) -> String {
    let message = message_of(info.payload());
    match info.location() {
        Some(at) => format!("panicked at {}:{}: {message}", at.file(), at.line()),
        None => format!("panicked: {message}"),
    }
}

fn message_of(payload: &(dyn Any + Send)) -> &str {
    if let Some(text) = payload.downcast_ref::<&str>() {
        text
    } else if let Some(text) = payload.downcast_ref::<String>() {
        text
    } else {
        "a value that is not text"
    }
}
