//! Seccomp: the system calls that foreign code is refused.
//!
//! A list of what is refused, since what a library may need is open-ended; but numbers above
//! the last that was looked at here are answered as by an older kernel. Two filters, one by
//! number and one by arguments; the kernel takes the stricter answer. Invariant: what Rust's standard library and
//! the C library do for threads, memory, files that are open and `abort` is not refused.

mod list;

use std::io;
use std::num::TryFromIntError;

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
    let by_arguments = by_arguments(machine, own)
        .map_err(|error| refused("seccomp", io::Error::other(error.to_string())))?;
    for filter in [by_number()?, by_arguments] {
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

/// Answers by the number alone. EPERM to what is refused. ENOSYS to `clone3`, whose flags lie
/// in memory where no filter can read them, so that the C library goes back to `clone`; and
/// to what is newer than the lists. The numbers of x32, a second table of the same calls, lie
/// above them all.
///
/// Written by hand, in groups that are skipped as one: the kernel runs a new filter over every
/// number there is, and one of seccompiler's would take a millisecond of each worker's start.
fn by_number() -> Result<BpfProgram> {
    const LOAD_NUMBER: u16 = 0x20;
    const IF_EQUAL: u16 = 0x15;
    const IF_GREATER: u16 = 0x25;
    const RETURN: u16 = 0x06;
    const GROUP: usize = 12;
    let too_large = |error: TryFromIntError| refused("seccomp", io::Error::other(error));
    let mut calls = list::REFUSED
        .iter()
        .chain(list::REFUSED_OF_MACHINE)
        .map(|&call| u32::try_from(call))
        .collect::<std::result::Result<Vec<u32>, _>>()
        .map_err(too_large)?;
    calls.sort_unstable();
    // After the first line come two questions, one for each group, one for each call, and
    // three answers.
    let eperm_at = 3 + calls.len().div_ceil(GROUP) + calls.len() + 1;
    let enosys_at = eperm_at + 1;

    let line = |code, k| sock_filter {
        code,
        jt: 0,
        jf: 0,
        k,
    };
    let mut program = vec![line(LOAD_NUMBER, 0)];
    let ask = |program: &mut BpfProgram, code, k, target: usize| -> Result<()> {
        let jump = target - program.len() - 1;
        program.push(sock_filter {
            jt: u8::try_from(jump).map_err(too_large)?,
            ..line(code, k)
        });
        Ok(())
    };
    ask(&mut program, IF_EQUAL, list::CLONE3, enosys_at)?;
    ask(&mut program, IF_GREATER, list::LAST_KNOWN, enosys_at)?;
    for group in calls.chunks(GROUP) {
        let after = program.len() + 1 + group.len();
        ask(&mut program, IF_GREATER, group[group.len() - 1], after)?;
        for &call in group {
            ask(&mut program, IF_EQUAL, call, eperm_at)?;
        }
    }
    let answers = [
        SeccompAction::Allow,
        SeccompAction::Errno(libc::EPERM.unsigned_abs()),
        SeccompAction::Errno(libc::ENOSYS.unsigned_abs()),
    ];
    program.extend(answers.map(|answer| line(RETURN, u32::from(answer))));
    Ok(program)
}

/// Answers EPERM by the arguments too, and ends a process that calls as another machine.
fn by_arguments(machine: TargetArch, own: u64) -> Backend<BpfProgram> {
    SeccompFilter::new(
        bounded(own)?.into_iter().collect(),
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

#[cfg(test)]
mod tests;
