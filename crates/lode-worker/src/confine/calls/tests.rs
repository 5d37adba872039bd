//! The filter by number, run line by line as the kernel would.

use super::by_number;
use super::list;

/// What the kernel would answer: the action and the errno.
fn answer(number: u32) -> u32 {
    let program = by_number().unwrap();
    let mut at = 1;
    loop {
        let line = &program[at];
        let jump = match line.code {
            0x15 => number == line.k,
            0x25 => number > line.k,
            0x06 => return line.k,
            other => panic!("expected a known code, found {other}"),
        };
        at += 1 + usize::from(if jump { line.jt } else { line.jf });
    }
}

#[test]
fn each_number_has_its_answer() {
    const ALLOW: u32 = 0x7fff_0000;
    const ERRNO: u32 = 0x0005_0000;
    let refused: Vec<i64> = [list::REFUSED, list::REFUSED_OF_MACHINE].concat();
    for number in 0..list::LAST_KNOWN + 200 {
        let expected = if number == list::CLONE3 || number > list::LAST_KNOWN {
            ERRNO | libc::ENOSYS.unsigned_abs()
        } else if refused.contains(&i64::from(number)) {
            ERRNO | libc::EPERM.unsigned_abs()
        } else {
            ALLOW
        };
        assert_eq!(answer(number), expected, "{number}");
    }
    // The same call by its number of x32.
    let x32 = 0x4000_0000 | u32::try_from(libc::SYS_socket).unwrap();
    assert_eq!(answer(x32), ERRNO | libc::ENOSYS.unsigned_abs());
}

#[test]
fn no_call_is_listed_twice() {
    let mut refused: Vec<i64> = [list::REFUSED, list::REFUSED_OF_MACHINE].concat();
    let n = refused.len();
    refused.sort_unstable();
    refused.dedup();
    assert_eq!(refused.len(), n);
}
