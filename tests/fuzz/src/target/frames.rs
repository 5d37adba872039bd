//! A worker's socket with a hostile other side: frames that lie, files nobody asked for.
//!
//! The first byte of an input says in which pieces the others arrive (0: 4096 bytes), the second
//! how many files come with each piece (its low three bits) and whether files are welcome (its
//! high bit: not, as on the engine's side).

use std::os::fd::AsFd;
use std::os::fd::BorrowedFd;
use std::time::Duration;

use lode_host::rewritten_message;
use lode_worker::Channel;
use lode_worker::Polled;
use lode_worker::Received;
use rustix::event::PollFd;
use rustix::event::PollFlags;
use rustix::event::Timespec;
use rustix::net::SendAncillaryBuffer;
use rustix::net::SendAncillaryMessage;
use rustix::net::SendFlags;
use serde_json::Value;

use crate::assert_words;
use crate::memory;

/// What frames are made of.
pub(crate) const WORDS: &[&[u8]] = &[
    b"\x04\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0null",
    b"\x01\0\0\0",
    b"\xfb\0\0\0",
    b"\0\0\0\x04",
    b"\0\0\0\x40",
    b"\xff\xff\xff\xff",
    b"null",
    b"[[[[[[[[",
    b"{\"a\":",
    b"1e999",
    b"\"\\ud800\"",
    b"\"Probe\"",
    b"\"Cancel\"",
    b"\"Opened\"",
    b"{\"Inspect\":{\"path\":\"/p\"}}",
    b"{\"Progress\":{\"fraction\":0.5,\"stage\":\"s\"}}",
    b"{\"Failed\":{\"kind\":\"Params\",\"field\":\"f\",\"message\":\"m\"}}",
    b"{\"Score\":{\"inputs\":[{\"name\":\"a\",\"n_files\":1,\"n_bytes\":2}]}}",
];

/// Longest input that is sent, and most pieces.
const MOST_BYTES: usize = 64 << 10;
const MOST_PIECES: usize = 64;
/// What a channel needs whatever arrives.
const OWN_BYTES: usize = 512 << 10;
/// Bytes of a read message a byte of its JSON: `[[],[]` and the room that a list grows into.
const JSON_FACTOR: usize = 200;

/// Bytes as what arrives at a channel, and as a message of either side.
pub fn frames(bytes: &[u8]) {
    let [pieces, files, wire @ ..] = bytes else {
        return;
    };
    let wire = &wire[..wire.len().min(MOST_BYTES)];
    read_message(wire);

    let (watch, file) = rustix::pipe::pipe().expect("a pipe");
    let (here, there) = Channel::pair().expect("a socket");
    let there = if files & 0x80 == 0 {
        there
    } else {
        there.without_files()
    };
    let piece = match pieces {
        0 => 4096,
        n => usize::from(*n),
    };
    let files = vec![file.as_fd(); usize::from(files & 7)];
    let due = OWN_BYTES + JSON_FACTOR * wire.len();
    memory::bounded(due, || {
        arrive(
            wire,
            piece.max(wire.len().div_ceil(MOST_PIECES)),
            &files,
            here,
            &there,
        );
    });
    drop(there);
    drop(file);
    assert!(is_closed(watch.as_fd()), "a file that arrived stays open");
}

/// Sends piece by piece and takes what has arrived, until one side has had enough.
fn arrive(wire: &[u8], piece: usize, files: &[BorrowedFd<'_>], here: Channel, there: &Channel) {
    let writer = here.into_stream();
    let mut sent_files = 0;
    for bytes in wire.chunks(piece.max(1)) {
        send(&writer, bytes, files);
        sent_files += files.len();
        loop {
            match there.recv_timeout::<Value>(Duration::ZERO) {
                Ok(Polled::Message(received)) => {
                    assert!(received.fds.len() <= sent_files, "files from nowhere");
                    sent_files -= received.fds.len();
                    take(&received);
                }
                Ok(Polled::TimedOut) => break,
                Ok(Polled::Closed) => panic!("closed, with the other side open"),
                Err(error) => return assert_words(&error.to_string()),
            }
        }
    }
    drop(writer);
    loop {
        match there.recv_timeout::<Value>(Duration::from_secs(5)) {
            Ok(Polled::Message(received)) => take(&received),
            Ok(Polled::TimedOut) => panic!("waits for a side that is gone"),
            Ok(Polled::Closed) => return,
            Err(error) => return assert_words(&error.to_string()),
        }
    }
}

fn send(writer: impl AsFd, bytes: &[u8], files: &[BorrowedFd<'_>]) {
    let mut space = [std::mem::MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(8))];
    let mut control = SendAncillaryBuffer::new(&mut space);
    if !files.is_empty() {
        control.push(SendAncillaryMessage::ScmRights(files));
    }
    let parts = [std::io::IoSlice::new(bytes)];
    let sent = rustix::net::sendmsg(writer, &parts, &mut control, SendFlags::NOSIGNAL);
    assert_eq!(sent, Ok(bytes.len()), "the socket has room for a piece");
}

/// What was taken is sent on as it is, and means the same.
fn take(received: &Received<Value>) {
    let (here, there) = Channel::pair().expect("a socket");
    let files: Vec<_> = received.fds.iter().map(AsFd::as_fd).collect();
    here.send(&received.message, &received.body, &files)
        .expect("what was received can be sent");
    let again = there.recv::<Value>().expect("a frame").expect("a frame");
    assert_eq!(again.message, received.message);
    assert_eq!(again.body, received.body);
    assert_eq!(again.fds.len(), received.fds.len());
    read_message(received.message.to_string().as_bytes());
}

fn read_message(json: &[u8]) {
    let due = OWN_BYTES + JSON_FACTOR * json.len();
    match memory::bounded(due, || rewritten_message(json)) {
        Ok(again) => assert_eq!(rewritten_message(&again).as_ref(), Ok(&again)),
        Err(refusal) => assert!(!refusal.is_empty()),
    }
}

/// Whether nobody holds the other end of the pipe any more.
fn is_closed(watch: BorrowedFd<'_>) -> bool {
    let mut polled = [PollFd::new(&watch, PollFlags::IN)];
    rustix::event::poll(&mut polled, Some(&Timespec::default())).expect("a pipe can be polled");
    polled[0].revents().contains(PollFlags::HUP)
}

/// Frames with and without files and bodies, whole, in pieces and cut.
pub(crate) fn seeds() -> Vec<(&'static str, Vec<u8>)> {
    let frame = |message: &str, body: &[u8], n_files: u32| {
        let mut bytes = Vec::new();
        for length in [message.len() as u32, body.len() as u32, n_files, 0] {
            bytes.extend_from_slice(&length.to_le_bytes());
        }
        bytes.extend_from_slice(&vec![0; n_files.saturating_sub(1) as usize / 250]);
        bytes.extend_from_slice(message.as_bytes());
        bytes.extend_from_slice(body);
        bytes
    };
    let with = |pieces: u8, files: u8, frames: &[Vec<u8>]| {
        let mut bytes = vec![pieces, files];
        bytes.extend(frames.concat());
        bytes
    };
    let opened = frame("\"Opened\"", b"", 0);
    let scored = frame("\"Scored\"", b"ARROW1..", 0);
    let fit = r#"{"Fit":{"target":{"path":"/p.so","algorithm":"a.b","params_json":"{}","seed":1,"threads":2},"inputs":[{"name":"customers","n_files":2,"columns":[{"column":"id","role":"customer_id"}]}],"outputs":["o"],"declared":["o"],"models":[""],"declared_models":[],"warm_start":false,"budget":{"memory_bytes":0,"time_millis":0}}}"#;
    let fitted = r#"{"Fitted":{"metrics":{"auc":0.5},"outputs":[["o",3,120]],"models":{"":40}}}"#;
    let inspected = r#"{"Inspected":{"name":"n","version":"1","abi":"0.2","build":"","specs":[],"problems":["p"]}}"#;
    vec![
        ("two-frames", with(0, 0, &[opened.clone(), scored.clone()])),
        ("in-pieces", with(3, 0, &[opened.clone(), scored.clone()])),
        ("with-files", with(0, 4, &[frame(fit, b"", 4)])),
        (
            "files-in-batches",
            with(8, 7, &[frame("1", &[1; 300], 252)]),
        ),
        (
            "files-unwelcome",
            with(0, 0x81, std::slice::from_ref(&opened)),
        ),
        ("files-not-there", with(0, 1, &[frame("1", b"", 3)])),
        (
            "replies",
            with(0, 0, &[frame(fitted, b"", 0), frame(inspected, b"", 0)]),
        ),
        ("cut", with(5, 0, &[opened, scored[..20].to_vec()])),
        ("lengths", with(0, 0, &[vec![0xff; 16]])),
    ]
}
