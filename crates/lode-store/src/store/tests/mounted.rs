//! A small file system in a file, for what only a real disk does. Needs the right to mount.

use std::ffi::OsStr;
use std::io::Write as _;
use std::path::Path;
use std::path::PathBuf;
use std::process::Command;

use super::*;

/// Mounted while this value lives.
pub(super) struct Mounted {
    dir: TempDir,
}

impl Mounted {
    /// None, after saying so, where file systems cannot be mounted.
    pub(super) fn make(test: &str) -> Option<Self> {
        let dir = TempDir::new().unwrap();
        let image = dir.path().join("disk");
        std::fs::create_dir(dir.path().join("mounted")).unwrap();
        File::create(&image).unwrap().set_len(192 << 20).unwrap();
        let disk = Self { dir };
        let made = run("mkfs.ext4", [OsStr::new("-q"), image.as_os_str()]) && disk.mount();
        if !made {
            skipped(test, "no file system can be mounted here");
            return None;
        }
        Some(disk)
    }

    pub(super) fn at(&self) -> PathBuf {
        self.dir.path().join("mounted")
    }

    fn mount(&self) -> bool {
        let image = self.dir.path().join("disk");
        let [o, with] = ["-o", "loop,errors=remount-ro"].map(OsStr::new);
        run("mount", [o, with, image.as_os_str(), self.at().as_os_str()])
    }

    /// Nothing may be open on it for writing when it is to be read-only.
    pub(super) fn remount(&self, how: &str) {
        let (options, at) = (format!("remount,{how}"), self.at());
        let args = [OsStr::new("-o"), OsStr::new(&options), at.as_os_str()];
        assert!(run("mount", args), "{options}");
    }

    /// What a reboot does; nothing may be open on it.
    pub(super) fn mount_again(&self) {
        assert!(run("umount", [self.at().as_os_str()]));
        assert!(self.mount());
    }

    /// Lets the file system meet an error, upon which it is read-only until it is mounted
    /// anew; false, after saying so, where the kernel has no way to ask for that.
    pub(super) fn fail(&self, test: &str) -> bool {
        let mounts = std::fs::read_to_string("/proc/self/mounts").unwrap();
        let at = self.at();
        let device = mounts.lines().find_map(|line| {
            let mut words = line.split(' ');
            let device = words.next()?;
            (Path::new(words.next()?) == at).then(|| Path::new(device).file_name())?
        });
        let trigger = Path::new("/sys/fs/ext4")
            .join(device.unwrap())
            .join("trigger_fs_error");
        let failed = std::fs::write(trigger, "a test").is_ok();
        if !failed {
            skipped(test, "the kernel cannot be asked for an error of ext4");
        }
        failed
    }
}

impl Drop for Mounted {
    fn drop(&mut self) {
        let mounts = std::fs::read_to_string("/proc/self/mounts").unwrap_or_default();
        if !mounts.contains(&*self.at().to_string_lossy()) {
            return;
        }
        let unmounted = run("umount", [self.at().as_os_str()]);
        if !unmounted && !std::thread::panicking() {
            panic!("{} stays mounted", self.at().display());
        }
    }
}

fn run<'a>(program: &str, args: impl IntoIterator<Item = &'a OsStr>) -> bool {
    let output = Command::new(program).args(args).output();
    output.is_ok_and(|output| output.status.success())
}

fn skipped(test: &str, why: &str) {
    let text = format!("\nSKIPPED {test}: {why}\n");
    std::io::stderr().write_all(text.as_bytes()).unwrap();
}
