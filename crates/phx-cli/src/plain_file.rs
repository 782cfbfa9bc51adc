//! Files that are read or written under a name from the command line, and that are plain files: nothing is read from or written
//! to a device, a pipe or what a symbolic link leads to.

use std::fs::{File, OpenOptions};
use std::io;

use crate::terminal::shown;

/// Creates the file, or empties it if it is there.
pub(crate) fn create(path: &str) -> Result<File, String> {
    let unwritable = |error: io::Error| format!("can't write {}: {error}", shown(path));
    let mut options = OpenOptions::new();
    // What is there is emptied when it turned out to be a plain file.
    options.write(true).create(true).truncate(false);
    let file = open_plain(path, &mut options).map_err(unwritable)?;
    file.set_len(0).map_err(unwritable)?;
    Ok(file)
}

/// Creates the file, for its owner alone. What is there, a link too, is an error.
pub(crate) fn create_new(path: &str) -> Result<File, String> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path).map_err(|error| format!("can't create {}: {error}", shown(path)))
}

/// Opens the file for reading.
pub(crate) fn open(path: &str) -> Result<File, String> {
    open_plain(path, OpenOptions::new().read(true))
        .map_err(|error| format!("can't read {}: {error}", shown(path)))
}

fn open_plain(path: &str, options: &mut OpenOptions) -> io::Result<File> {
    follow_no_link(path, options)?;
    let file = options.open(path).map_err(named)?;
    if !file.metadata()?.is_file() {
        return Err(io::Error::other("it isn't a plain file"));
    }
    Ok(file)
}

/// The errors of a symbolic link and of a pipe that nobody reads, in words.
#[cfg(unix)]
fn named(error: io::Error) -> io::Error {
    use nix::errno::Errno;
    match error.raw_os_error().map(Errno::from_raw) {
        Some(Errno::ELOOP | Errno::EMLINK) => io::Error::other("it is a symbolic link"),
        Some(Errno::ENXIO) => io::Error::other("it isn't a plain file"),
        _ => error,
    }
}

/// Opening a pipe doesn't wait for its other end.
#[cfg(unix)]
#[expect(clippy::unnecessary_wraps, reason = "elsewhere it can fail")]
fn follow_no_link(_path: &str, options: &mut OpenOptions) -> io::Result<()> {
    use nix::fcntl::OFlag;
    let flags = OFlag::O_NOFOLLOW | OFlag::O_NONBLOCK;
    std::os::unix::fs::OpenOptionsExt::custom_flags(options, flags.bits());
    Ok(())
}

#[cfg(not(unix))]
fn named(error: io::Error) -> io::Error {
    error
}

/// A link that takes the file's place right after this is followed there.
#[cfg(not(unix))]
fn follow_no_link(path: &str, _options: &mut OpenOptions) -> io::Result<()> {
    let is_link = std::fs::symlink_metadata(path).is_ok_and(|metadata| metadata.is_symlink());
    if is_link { Err(io::Error::other("it is a symbolic link")) } else { Ok(()) }
}

#[cfg(all(test, unix))]
mod tests {
    use std::fs;
    use std::io::{Read as _, Write as _};
    use std::os::unix::fs::symlink;

    use nix::sys::stat::Mode;
    use nix::unistd::mkfifo;

    use super::*;

    #[test]
    fn only_plain_files_are_read_and_written() {
        let directory = tempfile::TempDir::new().unwrap();
        let at = |name: &str| directory.path().join(name).display().to_string();
        let (plain, link, loose, pipe) = (at("plain"), at("link"), at("loose"), at("pipe"));
        create(&plain).unwrap().write_all(b"a longer text").unwrap();
        create(&plain).unwrap().write_all(b"text").unwrap();
        let mut read = String::new();
        open(&plain).unwrap().read_to_string(&mut read).unwrap();
        assert_eq!(read, "text");

        symlink(&plain, &link).unwrap();
        symlink(at("nothing"), &loose).unwrap();
        mkfifo(&*pipe, Mode::S_IRWXU).unwrap();
        let folder = directory.path().display().to_string();
        for (path, why) in [
            (&link, "it is a symbolic link"),
            (&loose, "it is a symbolic link"),
            (&pipe, "it isn't a plain file"),
            (&folder, "directory"),
            (&"/dev/null".to_owned(), "it isn't a plain file"),
            (&at("no/such"), "No such file"),
        ] {
            let error = create(path).unwrap_err();
            assert!(error.contains(why), "{path}: {error}");
        }
        for path in [&link, &loose, &pipe, &folder, &at("nothing")] {
            assert!(open(path).is_err(), "{path}");
        }
        assert_eq!(fs::read_to_string(&plain).unwrap(), "text");
        assert!(!fs::exists(at("nothing")).unwrap());
    }
}
