//! One socket, framed: a JSON message, a body of bytes, and open files beside them.
//!
//! Frame: `u32` length of the message, `u32` length of the body, `u32` number of files,
//! `u32` zero, all little-endian; then one zero byte for each further [`MAX_FDS`] files;
//! the message; the body. Files travel as SCM_RIGHTS on the header and on the zero bytes.
//! Invariant: a peer that sends half a frame, or bytes without end, holds up nobody longer than
//! the timeout that was asked for, and lengths are believed only as far as bytes arrive.

use std::collections::VecDeque;
use std::io;
use std::io::IoSlice;
use std::io::IoSliceMut;
use std::mem::MaybeUninit;
use std::os::fd::BorrowedFd;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::PoisonError;
use std::time::Duration;
use std::time::Instant;

use rustix::event::PollFd;
use rustix::event::PollFlags;
use rustix::event::Timespec;
use rustix::net::RecvAncillaryBuffer;
use rustix::net::RecvAncillaryMessage;
use rustix::net::RecvFlags;
use rustix::net::ReturnFlags;
use rustix::net::SendAncillaryBuffer;
use rustix::net::SendAncillaryMessage;
use rustix::net::SendFlags;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::Error;
use crate::Result;

/// Files in one system call; the kernel takes 253.
const MAX_FDS: usize = 250;
const HEADER_BYTES: usize = 16;
const MAX_MESSAGE_BYTES: usize = 64 << 20;
const MAX_BODY_BYTES: usize = 1 << 30;
const READ_BYTES: usize = 256 << 10;
/// Frames up to this size are copied together and sent at once.
const SMALL_BYTES: usize = 64 << 10;

/// One side of the socket between the engine and a worker. Sending and receiving may
/// happen from different threads at once.
#[derive(Debug)]
pub struct Channel {
    stream: UnixStream,
    takes_files: bool,
    sending: Arc<Mutex<()>>,
    receiving: Arc<Mutex<Inbox>>,
}

/// A frame that arrived.
#[derive(Debug)]
pub struct Received<M> {
    /// The message.
    pub message: M,
    /// The bytes beside it.
    pub body: Vec<u8>,
    /// The open files beside it.
    pub fds: Vec<OwnedFd>,
}

/// What a bounded wait brought.
#[derive(Debug)]
pub enum Polled<M> {
    /// A frame.
    Message(Received<M>),
    /// Nothing yet.
    TimedOut,
    /// The other side is gone.
    Closed,
}

#[derive(Debug, Default)]
struct Inbox {
    bytes: Vec<u8>,
    space: Vec<u8>,
    fds: VecDeque<OwnedFd>,
}

impl Channel {
    /// A channel over one end of a socket pair.
    pub fn new(stream: UnixStream) -> Self {
        Self {
            stream,
            takes_files: true,
            sending: Arc::default(),
            receiving: Arc::default(),
        }
    }

    /// The same channel, on which no file may arrive: a side that never asks for one must not
    /// have its descriptors used up by the other.
    pub fn without_files(mut self) -> Self {
        self.takes_files = false;
        self
    }

    /// Two connected channels, for a parent and a child or for a test.
    ///
    /// # Errors
    /// When the system has no socket left.
    pub fn pair() -> Result<(Self, Self)> {
        let (one, other) = UnixStream::pair()?;
        Ok((Self::new(one), Self::new(other)))
    }

    /// The same channel for another thread.
    ///
    /// # Errors
    /// When the system has no descriptor left.
    pub fn try_clone(&self) -> Result<Self> {
        Ok(Self {
            stream: self.stream.try_clone()?,
            takes_files: self.takes_files,
            sending: Arc::clone(&self.sending),
            receiving: Arc::clone(&self.receiving),
        })
    }

    /// The socket.
    pub fn into_stream(self) -> UnixStream {
        self.stream
    }

    /// Sends one frame; frames of several threads do not mix.
    ///
    /// # Errors
    /// When the other side is gone, or the message is over 64 MiB or the body over 1 GiB.
    pub fn send<M: Serialize>(
        &self,
        message: &M,
        body: &[u8],
        fds: &[BorrowedFd<'_>],
    ) -> Result<()> {
        let message = serde_json::to_vec(message).map_err(|error| Error::Frame {
            expected: "a message that can be written as JSON",
            found: error.to_string(),
        })?;
        if message.len() > MAX_MESSAGE_BYTES || body.len() > MAX_BODY_BYTES {
            return Err(Error::Frame {
                expected: "a message of at most 64 MiB and a body of at most 1 GiB",
                found: format!("{} and {} bytes", message.len(), body.len()),
            });
        }
        let mut header = Vec::with_capacity(HEADER_BYTES + message.len());
        for length in [message.len(), body.len(), fds.len(), 0] {
            let length = u32::try_from(length).map_err(|_| Error::Frame {
                expected: "lengths below 2^32",
                found: length.to_string(),
            })?;
            header.extend_from_slice(&length.to_le_bytes());
        }
        let _turn = self.sending.lock().unwrap_or_else(PoisonError::into_inner);
        if fds.len() <= MAX_FDS && message.len() + body.len() <= SMALL_BYTES {
            // One system call, and the other side wakes once.
            header.extend_from_slice(&message);
            header.extend_from_slice(body);
            return self.send_bytes(&header, fds);
        }
        let mut batches = fds.chunks(MAX_FDS);
        self.send_bytes(&header, batches.next().unwrap_or_default())?;
        for batch in batches {
            self.send_bytes(&[0], batch)?;
        }
        self.send_bytes(&message, &[])?;
        self.send_bytes(body, &[])
    }

    /// Waits for one frame. None when the other side is gone.
    ///
    /// # Errors
    /// When what arrives is no frame, or the socket fails.
    pub fn recv<M: DeserializeOwned>(&self) -> Result<Option<Received<M>>> {
        loop {
            match self.recv_timeout(Duration::from_secs(3600))? {
                Polled::Message(received) => return Ok(Some(received)),
                Polled::Closed => return Ok(None),
                Polled::TimedOut => {}
            }
        }
    }

    /// Waits for one frame at most `timeout` long.
    ///
    /// # Errors
    /// When what arrives is no frame, or the socket fails.
    pub fn recv_timeout<M: DeserializeOwned>(&self, timeout: Duration) -> Result<Polled<M>> {
        let mut inbox = self
            .receiving
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let deadline = Instant::now() + timeout;
        let mut has_read = false;
        loop {
            if let Some(received) = inbox.take()? {
                return Ok(Polled::Message(received));
            }
            let left = deadline.saturating_duration_since(Instant::now());
            // A look without waiting reads what is there, once.
            if has_read && left.is_zero() || !self.wait_readable(left)? {
                return Ok(Polled::TimedOut);
            }
            has_read = true;
            match self.read_some(&mut inbox) {
                Ok(0) => return Ok(Polled::Closed),
                Ok(_) => {}
                Err(Error::Socket { source })
                    if source.kind() == io::ErrorKind::ConnectionReset =>
                {
                    return Ok(Polled::Closed);
                }
                Err(error) => return Err(error),
            }
        }
    }

    fn wait_readable(&self, timeout: Duration) -> Result<bool> {
        let timeout = Timespec::try_from(timeout).map_err(|_| Error::Frame {
            expected: "a timeout that the system can hold",
            found: format!("{timeout:?}"),
        })?;
        let mut polled = [PollFd::new(&self.stream, PollFlags::IN)];
        match rustix::event::poll(&mut polled, Some(&timeout)) {
            Ok(n) => Ok(n > 0),
            Err(rustix::io::Errno::INTR) => Ok(false),
            Err(error) => Err(io::Error::from(error).into()),
        }
    }

    fn read_some(&self, inbox: &mut Inbox) -> Result<usize> {
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MAX_FDS))];
        // Without room for them the kernel drops files before they become descriptors.
        let room = if self.takes_files { space.len() } else { 0 };
        let mut control = RecvAncillaryBuffer::new(&mut space[..room]);
        // Made once: clearing it anew would cost more than a small frame's whole trip.
        inbox.space.resize(READ_BYTES, 0);
        let read = loop {
            let mut parts = [IoSliceMut::new(&mut inbox.space)];
            match rustix::net::recvmsg(
                &self.stream,
                &mut parts,
                &mut control,
                RecvFlags::CMSG_CLOEXEC,
            ) {
                Err(rustix::io::Errno::INTR) => {}
                other => break other,
            }
        };
        let n_read = read.as_ref().map_or(0, |read| read.bytes);
        inbox.bytes.extend_from_slice(&inbox.space[..n_read]);
        for message in control.drain() {
            if let RecvAncillaryMessage::ScmRights(fds) = message {
                inbox.fds.extend(fds);
            }
        }
        let read = read.map_err(io::Error::from)?;
        if !self.takes_files && read.flags.contains(ReturnFlags::CTRUNC) {
            return Err(Error::Frame {
                expected: "no files from this side",
                found: "some".to_owned(),
            });
        }
        Ok(read.bytes)
    }

    fn send_bytes(&self, mut bytes: &[u8], mut fds: &[BorrowedFd<'_>]) -> Result<()> {
        while !bytes.is_empty() {
            let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MAX_FDS))];
            let mut control = SendAncillaryBuffer::new(&mut space);
            if !fds.is_empty() {
                control.push(SendAncillaryMessage::ScmRights(fds));
            }
            match rustix::net::sendmsg(
                &self.stream,
                &[IoSlice::new(bytes)],
                &mut control,
                SendFlags::NOSIGNAL,
            ) {
                Ok(sent) => {
                    bytes = &bytes[sent..];
                    fds = &[];
                }
                Err(rustix::io::Errno::INTR) => {}
                Err(error) => return Err(io::Error::from(error).into()),
            }
        }
        Ok(())
    }
}

impl Inbox {
    /// The first frame, once all of it is here.
    fn take<M: DeserializeOwned>(&mut self) -> Result<Option<Received<M>>> {
        let Some(header) = self.bytes.first_chunk::<HEADER_BYTES>() else {
            return Ok(None);
        };
        let word = |i: usize| {
            let bytes = [
                header[4 * i],
                header[4 * i + 1],
                header[4 * i + 2],
                header[4 * i + 3],
            ];
            u32::from_le_bytes(bytes) as usize
        };
        let (message_len, body_len, n_fds) = (word(0), word(1), word(2));
        if message_len > MAX_MESSAGE_BYTES || body_len > MAX_BODY_BYTES || word(3) != 0 {
            return Err(Error::Frame {
                expected: "a message of at most 64 MiB and a body of at most 1 GiB",
                found: format!("{message_len} and {body_len} bytes"),
            });
        }
        let message_at = HEADER_BYTES + n_fds.saturating_sub(1) / MAX_FDS;
        let body_at = message_at + message_len;
        let end = body_at + body_len;
        if self.bytes.len() < end {
            return Ok(None);
        }
        if self.fds.len() < n_fds {
            return Err(Error::Frame {
                expected: "as many files as the header says",
                found: format!("{} of {n_fds}", self.fds.len()),
            });
        }
        let message =
            serde_json::from_slice(&self.bytes[message_at..body_at]).map_err(|error| {
                Error::Frame {
                    expected: "a message of this protocol",
                    found: error.to_string(),
                }
            })?;
        let rest = self.bytes.split_off(end);
        let mut body = std::mem::replace(&mut self.bytes, rest);
        body.drain(..body_at);
        Ok(Some(Received {
            message,
            body,
            fds: self.fds.drain(..n_fds).collect(),
        }))
    }
}

#[cfg(test)]
mod tests;
