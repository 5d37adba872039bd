//! Frames arrive whole, in order, with their files, and half a frame holds up nobody.

use std::io::Read;
use std::io::Seek;
use std::io::Write;
use std::os::fd::AsFd;
use std::time::Duration;
use std::time::Instant;

use super::Channel;
use super::Polled;

#[test]
fn messages_bodies_and_many_files_arrive_in_order() {
    let (here, there) = Channel::pair().unwrap();
    let sender = std::thread::Builder::new();
    let sender = sender.spawn(move || {
        let mut files = Vec::new();
        for i in 0..600 {
            let fd = rustix::fs::memfd_create("t", rustix::fs::MemfdFlags::CLOEXEC).unwrap();
            let mut file = std::fs::File::from(fd);
            write!(file, "{i}").unwrap();
            file.rewind().unwrap();
            files.push(file);
        }
        let fds: Vec<_> = files.iter().map(AsFd::as_fd).collect();
        here.send(&"first", &vec![7; 3 << 20], &fds).unwrap();
        here.send(&"second", &[], &[]).unwrap();
    });
    let sender = sender.unwrap();
    let first = there.recv::<String>().unwrap().unwrap();
    assert_eq!(first.message, "first");
    assert_eq!(first.body, vec![7; 3 << 20]);
    assert_eq!(first.fds.len(), 600);
    for (i, fd) in first.fds.into_iter().enumerate() {
        let mut text = String::new();
        std::fs::File::from(fd).read_to_string(&mut text).unwrap();
        assert_eq!(text, i.to_string());
    }
    let second = there.recv::<String>().unwrap().unwrap();
    assert_eq!(
        (second.message.as_str(), second.body.len(), second.fds.len()),
        ("second", 0, 0)
    );
    sender.join().unwrap();
    assert!(there.recv::<String>().unwrap().is_none());
}

#[test]
fn half_a_frame_times_out() {
    let (here, there) = Channel::pair().unwrap();
    let mut raw = here.into_stream();
    raw.write_all(&[200, 0, 0, 0, 0, 0]).unwrap();
    let start = Instant::now();
    let polled = there
        .recv_timeout::<String>(Duration::from_millis(50))
        .unwrap();
    assert!(matches!(polled, Polled::TimedOut));
    assert!(start.elapsed() < Duration::from_secs(5));
    drop(raw);
    assert!(matches!(
        there
            .recv_timeout::<String>(Duration::from_secs(5))
            .unwrap(),
        Polled::Closed
    ));
}

#[test]
fn absurd_lengths_are_refused_before_they_are_believed() {
    let (here, there) = Channel::pair().unwrap();
    let mut raw = here.into_stream();
    raw.write_all(&[0xff; 16]).unwrap();
    let error = there.recv::<String>().unwrap_err();
    assert!(error.to_string().contains("at most 64 MiB"), "{error}");
}

#[test]
fn files_that_nobody_asked_for_are_refused_and_not_kept() {
    let (here, there) = Channel::pair().unwrap();
    let there = there.without_files();
    let (watch, file) = rustix::pipe::pipe().unwrap();
    here.send(&"in order", &[], &[]).unwrap();
    here.send(&"with a file", &[], &[file.as_fd()]).unwrap();
    drop(file);
    let refused = match there.recv::<String>() {
        Ok(Some(first)) => {
            assert_eq!(first.message, "in order");
            there.recv::<String>().unwrap_err()
        }
        other => other.unwrap_err(),
    };
    assert!(
        refused.to_string().contains("no files from this side"),
        "{refused}"
    );
    // Only this process could still hold the pipe open, and it does not.
    let mut rest = Vec::new();
    std::fs::File::from(watch).read_to_end(&mut rest).unwrap();
    assert!(rest.is_empty());
}

#[test]
fn a_peer_that_sends_without_end_holds_up_nobody() {
    let (here, there) = Channel::pair().unwrap();
    let mut raw = here.into_stream();
    let flood = std::thread::Builder::new().spawn(move || {
        // The head of a frame of 1 GiB, and bytes for it until nobody reads.
        let head = [1_u32, 1 << 30, 0, 0].map(u32::to_le_bytes).concat();
        let mut sent = raw.write_all(&head);
        while sent.is_ok() {
            sent = raw.write_all(&[b'1'; 4096]);
        }
    });
    let flood = flood.unwrap();
    let start = Instant::now();
    let polled = there
        .recv_timeout::<String>(Duration::from_millis(50))
        .unwrap();
    let took = start.elapsed();
    assert!(matches!(polled, Polled::TimedOut));
    assert!(took < Duration::from_millis(500), "{took:?}");
    drop(there);
    flood.join().unwrap();
}
