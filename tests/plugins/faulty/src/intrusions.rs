//! What a plugin could do to others than itself, if it were let.
//!
//! Each tries once: an error of the system fails the call and names it; a success is told, so
//! that a test sees what came through.

use std::fs;
use std::io;
use std::io::Write as _;
use std::net::TcpStream;
use std::net::UdpSocket;
use std::os::linux::net::SocketAddrExt as _;
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::SocketAddr;
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt as _;
use std::process::Command;

use lode_plugin::Error;
use lode_plugin::Result;

use crate::FaultyParams;
use crate::Mode;

/// Does what the mode says and gives what came of it, if the mode is an intrusion.
pub(crate) fn attempt(params: &FaultyParams) -> Result<Option<String>> {
    let path = params.path.as_str();
    let done = || "done".to_owned();
    let outcome = match params.mode {
        Mode::Fork => fork(),
        Mode::Tcp => TcpStream::connect(("127.0.0.1", params.port))
            .and_then(|mut stream| stream.write_all(b"stolen"))
            .map(|()| done()),
        Mode::Udp => UdpSocket::bind("127.0.0.1:0")
            .and_then(|socket| socket.send_to(b"stolen", ("127.0.0.1", params.port)))
            .map(|_| done()),
        Mode::UnixAbstract => SocketAddr::from_abstract_name(path)
            .and_then(|name| UnixStream::connect_addr(&name))
            .and_then(|mut stream| stream.write_all(b"stolen"))
            .map(|()| done()),
        Mode::ReadFile => fs::read(path).map(|bytes| String::from_utf8_lossy(&bytes).into_owned()),
        Mode::ListFolder => list(path),
        Mode::WriteFile => fs::write(path, "by a plugin").map(|()| done()),
        Mode::RemoveFile => fs::remove_file(path).map(|()| done()),
        Mode::ChmodFile => {
            fs::set_permissions(path, fs::Permissions::from_mode(0o000)).map(|()| done())
        }
        // Comes back only when it did not work.
        Mode::Exec => Err(Command::new(path).exec()),
        Mode::KillParent => kill_parent(),
        Mode::LimitParent => limit_parent(),
        Mode::LeaveGroup => leave_group(),
        Mode::CountProcessors => {
            std::thread::available_parallelism().map(|n| format!("{n} processors"))
        }
        _ => return Ok(None),
    };
    outcome
        .map(Some)
        .map_err(|error| Error::numeric(format!("{:?}: {error}", params.mode)))
}

fn list(path: &str) -> io::Result<String> {
    let names = fs::read_dir(path)?
        .map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned()))
        .collect::<io::Result<Vec<_>>>()?;
    Ok(names.join(" "))
}

#[expect(unsafe_code, reason = "the misdeed is to fork")]
fn fork() -> io::Result<String> {
    // SAFETY: the child calls nothing but `pause`, which is safe after a fork.
    let child = unsafe { libc::fork() };
    match child {
        0 => loop {
            // SAFETY: it waits for a signal.
            unsafe { libc::pause() };
        },
        ..0 => Err(io::Error::last_os_error()),
        child => Ok(format!("the child is {child}")),
    }
}

#[expect(unsafe_code, reason = "the misdeed is to kill another process")]
fn kill_parent() -> io::Result<String> {
    // SAFETY: it has no arguments.
    let parent = unsafe { libc::getppid() };
    // SAFETY: what it does is done to the parent.
    checked(unsafe { libc::kill(parent, libc::SIGKILL) })
}

#[expect(unsafe_code, reason = "the misdeed is to limit another process")]
fn limit_parent() -> io::Result<String> {
    let none = libc::rlimit {
        rlim_cur: 0,
        rlim_max: 0,
    };
    // SAFETY: it has no arguments.
    let parent = unsafe { libc::getppid() };
    // SAFETY: the new limit lives for the call; the old one is not asked for.
    checked(unsafe {
        libc::prlimit(
            parent,
            libc::RLIMIT_NOFILE,
            &raw const none,
            std::ptr::null_mut(),
        )
    })
}

#[expect(unsafe_code, reason = "the misdeed is to leave the process group")]
fn leave_group() -> io::Result<String> {
    // SAFETY: it has no arguments.
    let parent = unsafe { libc::getppid() };
    // SAFETY: it has one argument, a number.
    let group = unsafe { libc::getpgid(parent) };
    // SAFETY: numbers again.
    checked(unsafe { libc::setpgid(0, group) })
}

fn checked(outcome: i32) -> io::Result<String> {
    if outcome == 0 {
        Ok("done".to_owned())
    } else {
        Err(io::Error::last_os_error())
    }
}
