//! Seccomp: the system calls that foreign code is refused.
//!
//! A list of what is refused, since what a library may need is open-ended; but numbers above
//! the last that was looked at here are answered as by an older kernel. Two filters, since
//! one compiled by seccompiler has one answer. Invariant: what Rust's standard library and
//! the C library do for threads, memory, files that are open and `abort` is not refused.

mod list;

use std::collections::BTreeMap;
use std::io;

use seccompiler::BpfProgram;
use seccompiler::SeccompAction;
use seccompiler::SeccompCmpArgLen;
use seccompiler::SeccompCmpOp;
use seccompiler::SeccompCondition;
use seccompiler::SeccompFilter;
use seccompiler::SeccompRule;
use seccompiler::TargetArch;
use seccompiler::sock_filter;

use super::refused;
use crate::Result;

type Backend<T> = std::result::Result<T, seccompiler::BackendError>;

/// Restricts all threads of this process; gives why the kernel cannot, if it cannot.
pub(super) fn restrict() -> Result<Option<String>> {
    let Ok(machine) = TargetArch::try_from(std::env::consts::ARCH) else {
        return Ok(Some(format!("no filter for {}", std::env::consts::ARCH)));
    };
    let own = u64::from(std::process::id());
    let denied = denied(machine, own)
        .map_err(|error| refused("seccomp", io::Error::other(error.to_string())))?;
    for filter in [unknown(), denied] {
        match seccompiler::apply_filter_all_threads(&filter) {
            Ok(()) => {}
            // A kernel that was built without filters.
            Err(seccompiler::Error::Seccomp(error))
                if matches!(error.raw_os_error(), Some(libc::EINVAL | libc::ENOSYS)) =>
            {
                return Ok(Some(error.to_string()));
            }
            Err(error) => return Err(refused("seccomp", io::Error::other(error.to_string()))),
        }
    }
    Ok(None)
}

/// Answers ENOSYS to `clone3`, whose flags lie in memory where no filter can read them, so
/// that the C library goes back to `clone`; and to what is newer than the lists. The numbers
/// of x32, a second table of the same calls, lie above them all.
fn unknown() -> BpfProgram {
    const LOAD_NUMBER: u16 = 0x20;
    const JUMP_IF_EQUAL: u16 = 0x15;
    const JUMP_IF_GREATER: u16 = 0x25;
    const RETURN: u16 = 0x06;
    let line = |code, jt, jf, k| sock_filter { code, jt, jf, k };
    vec![
        line(LOAD_NUMBER, 0, 0, 0),
        line(JUMP_IF_EQUAL, 2, 0, list::CLONE3),
        line(JUMP_IF_GREATER, 1, 0, list::LAST_KNOWN),
        line(RETURN, 0, 0, u32::from(SeccompAction::Allow)),
        line(
            RETURN,
            0,
            0,
            u32::from(SeccompAction::Errno(libc::ENOSYS.unsigned_abs())),
        ),
    ]
}

/// Answers EPERM to what is refused.
fn denied(machine: TargetArch, own: u64) -> Backend<BpfProgram> {
    let mut rules: BTreeMap<i64, Vec<SeccompRule>> = list::REFUSED
        .iter()
        .chain(list::REFUSED_OF_MACHINE)
        .map(|&call| (call, Vec::new()))
        .collect();
    rules.extend(bounded(own)?);
    SeccompFilter::new(
        rules,
        SeccompAction::Allow,
        SeccompAction::Errno(libc::EPERM.unsigned_abs()),
        machine,
    )?
    .try_into()
}

/// Calls that are refused for some arguments: one rule a line, of which any refuses.
fn bounded(own: u64) -> Backend<Vec<(i64, Vec<SeccompRule>)>> {
    const CLONE_THREAD: u64 = libc::CLONE_THREAD.unsigned_abs() as u64;
    const SHARED_ANONYMOUS: u64 = (libc::MAP_SHARED | libc::MAP_ANONYMOUS).unsigned_abs() as u64;
    let others = |n: u8| Ok(vec![rule([is_not(n, own)?])?]);
    let one_of = |n: u8, values: &[u64]| -> Backend<Vec<SeccompRule>> {
        values.iter().map(|&value| rule([is(n, value)?])).collect()
    };
    Ok(vec![
        // A process; threads may be made.
        (libc::SYS_clone, vec![rule([masked(0, CLONE_THREAD, 0)?])?]),
        // Signals to others; `abort` and `raise` send to the process itself.
        (libc::SYS_kill, others(0)?),
        (libc::SYS_tgkill, others(0)?),
        (libc::SYS_rt_sigqueueinfo, others(0)?),
        (libc::SYS_rt_tgsigqueueinfo, others(0)?),
        // Limits: those of others, and any change; root could raise its own.
        (
            libc::SYS_prlimit64,
            vec![
                rule([is_not(0, 0)?, is_not(0, own)?])?,
                rule([SeccompCondition::new(
                    2,
                    SeccompCmpArgLen::Qword,
                    SeccompCmpOp::Ne,
                    0,
                )?])?,
            ],
        ),
        // Memory that no limit counts.
        (
            libc::SYS_mmap,
            vec![rule([masked(3, SHARED_ANONYMOUS, SHARED_ANONYMOUS)?])?],
        ),
        // Living on without the engine.
        (
            libc::SYS_prctl,
            one_of(0, &[libc::PR_SET_PDEATHSIG.unsigned_abs().into()])?,
        ),
        // Signals by way of a file, leases that hold up others, typing into a terminal.
        (libc::SYS_fcntl, one_of(1, list::REFUSED_FCNTL)?),
        (libc::SYS_ioctl, one_of(1, list::REFUSED_IOCTL)?),
    ])
}

fn rule<const N: usize>(conditions: [SeccompCondition; N]) -> Backend<SeccompRule> {
    SeccompRule::new(conditions.to_vec())
}

fn is(argument: u8, value: u64) -> Backend<SeccompCondition> {
    SeccompCondition::new(argument, SeccompCmpArgLen::Dword, SeccompCmpOp::Eq, value)
}

fn is_not(argument: u8, value: u64) -> Backend<SeccompCondition> {
    SeccompCondition::new(argument, SeccompCmpArgLen::Dword, SeccompCmpOp::Ne, value)
}

fn masked(argument: u8, mask: u64, value: u64) -> Backend<SeccompCondition> {
    let op = SeccompCmpOp::MaskedEq(mask);
    SeccompCondition::new(argument, SeccompCmpArgLen::Dword, op, value)
}
