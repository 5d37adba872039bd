//! A child of this test program confines itself and tries what a plugin must not do.
//!
//! The test program is its own child: it starts itself with one test by name and an
//! environment variable that says what to try. A kernel without landlock or seccomp makes
//! the test skip loudly.

use std::fs;
use std::fs::File;
use std::io;
use std::io::Write as _;
use std::net::TcpListener;
use std::net::TcpStream;
use std::net::UdpSocket;
use std::os::linux::net::SocketAddrExt as _;
use std::os::unix::net::SocketAddr;
use std::os::unix::net::UnixListener;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::Command;
use std::time::Instant;

use rustix::process::Pid;
use rustix::process::Signal;

use super::Confinement;
use super::confine;

const DEED: &str = "LODE_TEST_DEED";
const PLACE: &str = "LODE_TEST_PLACE";
/// Set in a child that does not confine itself.
const FREE: &str = "LODE_TEST_FREE";

/// What a child tries, and how it must fare: "refused" with EPERM or EACCES, or "done".
const DEEDS: [(&str, &str); 34] = [
    ("tcp_connect", "refused"),
    ("tcp_listen", "refused"),
    ("udp", "refused"),
    ("unix_path", "refused"),
    ("unix_abstract", "refused"),
    ("fork", "refused"),
    ("spawn", "refused"),
    ("exec", "refused"),
    ("read_secret", "refused"),
    ("list_data", "refused"),
    ("read_passwd", "refused"),
    ("read_proc_of_parent", "refused"),
    ("write_tmp", "refused"),
    ("write_library", "refused"),
    ("remove_secret", "refused"),
    ("rename_secret", "refused"),
    ("chmod_secret", "refused"),
    ("touch_secret", "refused"),
    ("truncate_secret", "refused"),
    ("make_dir", "refused"),
    ("kill_parent", "refused"),
    ("limit_parent", "refused"),
    ("raise_own_limit", "refused"),
    ("leave_group", "refused"),
    ("widen_affinity", "refused"),
    ("outlive_parent", "refused"),
    ("memfd", "refused"),
    ("shared_memory", "refused"),
    ("read_library", "done"),
    ("read_system", "done"),
    ("write_null", "done"),
    ("write_open_file", "done"),
    ("threads", "done"),
    ("count_processors", "done"),
];

/// Not a test: what the children run.
#[test]
fn child() {
    let Ok(deed) = std::env::var(DEED) else {
        return;
    };
    let place = std::env::var(PLACE).unwrap();
    let place = Path::new(&place);
    let mut open = File::options()
        .write(true)
        .open(place.join("output"))
        .unwrap();
    let started = Instant::now();
    let confinement = match std::env::var_os(FREE) {
        Some(_) => Confinement::default(),
        None => confine(Some(&place.join("library.so"))).unwrap(),
    };
    let micros = started.elapsed().as_micros();
    let told = match deed.as_str() {
        "tell" => serde_json::to_string(&confinement).unwrap(),
        "time" => micros.to_string(),
        "abort" => std::process::abort(),
        "write_open_file" => fate(open.write_all(b"through an open file")),
        deed => fate(attempt(deed, place)),
    };
    writeln!(io::stderr(), "told: {told}").unwrap();
}

fn fate(outcome: io::Result<()>) -> String {
    match outcome {
        Ok(()) => "done".to_owned(),
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => "refused".to_owned(),
        Err(error) => format!("{error:?}"),
    }
}

fn attempt(deed: &str, place: &Path) -> io::Result<()> {
    let secret = place.join("secret");
    let parent = rustix::process::getppid().unwrap();
    let address = std::env::var("LODE_TEST_ADDRESS").unwrap();
    match deed {
        "tcp_connect" => TcpStream::connect(address).map(drop),
        "tcp_listen" => TcpListener::bind("127.0.0.1:0").map(drop),
        "udp" => UdpSocket::bind("127.0.0.1:0").map(drop),
        "unix_path" => UnixStream::connect(place.join("socket")).map(drop),
        "unix_abstract" => {
            let name = place.to_string_lossy().into_owned();
            UnixStream::connect_addr(&SocketAddr::from_abstract_name(name)?).map(drop)
        }
        // The standard library forks when it may not use vfork.
        "fork" => {
            use std::os::unix::process::CommandExt as _;
            let user = rustix::process::getuid().as_raw();
            Command::new("/bin/true").uid(user).status().map(drop)
        }
        "spawn" => Command::new("/bin/true").status().map(drop),
        "exec" => {
            use std::os::unix::process::CommandExt as _;
            Err(Command::new("/bin/true").exec())
        }
        "read_secret" => fs::read(secret).map(drop),
        "list_data" => fs::read_dir(place).map(drop),
        "read_passwd" => fs::read("/etc/passwd").map(drop),
        "read_proc_of_parent" => {
            fs::read(format!("/proc/{}/environ", parent.as_raw_nonzero())).map(drop)
        }
        "write_tmp" => fs::write(place.with_extension("forbidden"), "x"),
        "write_library" => File::options()
            .write(true)
            .open(place.join("library.so"))
            .map(drop),
        "remove_secret" => fs::remove_file(secret),
        "rename_secret" => fs::rename(&secret, place.join("moved")),
        "chmod_secret" => {
            use std::os::unix::fs::PermissionsExt as _;
            fs::set_permissions(secret, fs::Permissions::from_mode(0o000))
        }
        "touch_secret" => {
            let times = rustix::fs::Timestamps {
                last_access: rustix::fs::Timespec::default(),
                last_modification: rustix::fs::Timespec::default(),
            };
            let flags = rustix::fs::AtFlags::empty();
            Ok(rustix::fs::utimensat(
                rustix::fs::CWD,
                &secret,
                &times,
                flags,
            )?)
        }
        "truncate_secret" => File::options()
            .write(true)
            .truncate(true)
            .open(secret)
            .map(drop),
        "make_dir" => fs::create_dir(place.join("folder")),
        "kill_parent" => Ok(rustix::process::kill_process(parent, Signal::USR1)?),
        "limit_parent" => Ok(limit_of(Some(parent))?),
        "raise_own_limit" => Ok(limit_of(None)?),
        "leave_group" => Ok(rustix::process::setpgid(None, Some(parent))?),
        "widen_affinity" => {
            let set = rustix::thread::sched_getaffinity(None)?;
            Ok(rustix::thread::sched_setaffinity(None, &set)?)
        }
        "outlive_parent" => Ok(rustix::process::set_parent_process_death_signal(None)?),
        "memfd" => {
            let flags = rustix::fs::MemfdFlags::empty();
            rustix::fs::memfd_create("x", flags)?;
            Ok(())
        }
        "shared_memory" => share_memory(),
        "read_library" => fs::read(place.join("library.so")).map(drop),
        "read_system" => {
            fs::read("/proc/self/status")?;
            let mut four = [0; 4];
            io::Read::read_exact(&mut File::open("/dev/urandom")?, &mut four)?;
            fs::read_dir("/usr/lib").map(drop)
        }
        "write_null" => fs::write("/dev/null", "x"),
        "threads" => {
            let named = || std::thread::Builder::new().name("more".to_owned());
            let threads = (0..4).map(|n| named().spawn(move || n));
            for thread in threads.collect::<io::Result<Vec<_>>>()? {
                thread.join().unwrap();
            }
            Ok(())
        }
        "count_processors" => std::thread::available_parallelism().map(drop),
        other => panic!("expected a deed, found {other}"),
    }
}

#[expect(unsafe_code, reason = "a map of memory is made by hand")]
fn share_memory() -> io::Result<()> {
    use rustix::mm::MapFlags;
    use rustix::mm::ProtFlags;
    let protection = ProtFlags::READ | ProtFlags::WRITE;
    // SAFETY: a new map at a place that the kernel chooses; nobody uses it.
    unsafe {
        rustix::mm::mmap_anonymous(std::ptr::null_mut(), 4096, protection, MapFlags::SHARED)
    }?;
    Ok(())
}

fn limit_of(process: Option<Pid>) -> rustix::io::Result<()> {
    let resource = rustix::process::Resource::Core;
    let same = rustix::process::getrlimit(resource);
    rustix::process::prlimit(process, resource, same).map(drop)
}

/// What must not be reached, and what must.
struct Scene {
    place: tempfile::TempDir,
    tcp: TcpListener,
    _path: UnixListener,
    _name: UnixListener,
}

impl Scene {
    fn set() -> Self {
        let place = tempfile::tempdir().unwrap();
        for file in ["secret", "library.so", "output"] {
            fs::write(place.path().join(file), file).unwrap();
        }
        let name = place.path().to_string_lossy().into_owned();
        let name = SocketAddr::from_abstract_name(name).unwrap();
        let tcp = TcpListener::bind("127.0.0.1:0").unwrap();
        tcp.set_nonblocking(true).unwrap();
        Self {
            tcp,
            _path: UnixListener::bind(place.path().join("socket")).unwrap(),
            _name: UnixListener::bind_addr(&name).unwrap(),
            place,
        }
    }

    /// Runs a child that does `deed`; gives what it told and its exit.
    fn child(&self, deed: &str) -> (String, std::process::ExitStatus) {
        self.child_with(deed, None)
    }

    fn child_with(&self, deed: &str, free: Option<&str>) -> (String, std::process::ExitStatus) {
        let output = Command::new(std::env::current_exe().unwrap())
            .envs(free.map(|free| (FREE, free)))
            .args(["confine::tests::child", "--exact", "--nocapture"])
            .env(DEED, deed)
            .env(PLACE, self.place.path())
            .env(
                "LODE_TEST_ADDRESS",
                self.tcp.local_addr().unwrap().to_string(),
            )
            .output()
            .unwrap();
        let errors = String::from_utf8_lossy(&output.stderr).into_owned();
        let told = errors
            .lines()
            .find_map(|line| line.strip_prefix("told: "))
            .map_or_else(|| errors.clone(), str::to_owned);
        (told, output.status)
    }

    /// Whether this kernel has what the tests need; says so loudly when not.
    fn is_sound(&self) -> bool {
        let (told, _) = self.child("tell");
        let confinement: Confinement = serde_json::from_str(&told).unwrap();
        if !confinement.is_sound() {
            let missing = confinement.missing.join(", ");
            writeln!(
                io::stderr(),
                "SKIPPED confinement: the kernel lacks {missing}"
            )
            .unwrap();
        }
        confinement.is_sound()
    }
}

#[test]
fn a_confined_process_does_nothing_to_others_and_all_of_its_own() {
    let scene = Scene::set();
    if !scene.is_sound() {
        return;
    }
    for (deed, expected) in DEEDS {
        let (told, _) = scene.child(deed);
        assert_eq!(told, expected, "{deed}");
    }
    let place = scene.place.path();
    assert!(scene.tcp.accept().is_err(), "a connection came through");
    assert!(!place.with_extension("forbidden").exists());
    assert!(!place.join("folder").exists());
    assert_eq!(fs::read(place.join("secret")).unwrap(), b"secret");
    assert_eq!(fs::read(place.join("library.so")).unwrap(), b"library.so");
    let written = fs::read(place.join("output")).unwrap();
    assert_eq!(written, b"through an open file");
}

/// So that a refusal above is by the confinement, not by the attempt's own fault.
#[test]
fn without_confinement_the_same_deeds_are_done() {
    for (deed, _) in DEEDS {
        // These would end the tests, or this child, or depend on who started the tests.
        if ["kill_parent", "exec", "leave_group", "limit_parent"].contains(&deed) {
            continue;
        }
        let scene = Scene::set();
        let (told, _) = scene.child_with(deed, Some("1"));
        assert_eq!(told, "done", "{deed}");
        fs::remove_file(scene.place.path().with_extension("forbidden")).ok();
    }
}

#[test]
fn a_confined_process_can_still_abort() {
    use std::os::unix::process::ExitStatusExt as _;
    let (_, status) = Scene::set().child("abort");
    assert_eq!(status.signal(), Some(6), "{status}");
}

#[test]
fn confining_takes_little_time() {
    let scene = Scene::set();
    let mut micros: Vec<u64> = (0..21)
        .map(|_| scene.child("time").0.parse().unwrap())
        .collect();
    micros.sort_unstable();
    writeln!(io::stderr(), "confining takes {} us", micros[10]).unwrap();
    // A tenth of that where nothing else runs.
    assert!(micros[10] < 20_000, "{micros:?}");
}

#[test]
fn a_folder_among_the_libraries_is_found() {
    use super::readable_folder;
    for path in ["/usr/lib", "/lib", "/proc/self"] {
        assert!(readable_folder(Path::new(path)).is_some(), "{path}");
    }
    let place = tempfile::tempdir().unwrap();
    assert_eq!(readable_folder(place.path()), None);
}

#[test]
fn a_layer_that_is_void_is_missing() {
    let mut confinement = Confinement {
        in_force: vec![super::FILES.to_owned(), super::CALLS.to_owned()],
        missing: Vec::new(),
    };
    assert!(confinement.is_sound());
    confinement.void(super::FILES, "it is worth nothing");
    assert!(!confinement.is_sound());
    assert_eq!(confinement.missing, ["landlock.files: it is worth nothing"]);
}
