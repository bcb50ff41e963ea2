//! What the system refuses or has instead of files: permissions, links, devices, full disks.

use std::{
    fs,
    os::unix::{
        fs::{FileTypeExt, MetadataExt, PermissionsExt, symlink},
        process::CommandExt,
    },
    path::Path,
    process::{Command, Stdio},
};

use tapetum::Format;

use crate::{
    desk::Desk,
    pictures::{dark, sized},
};

/// Where permissions do not bind this process, the program is run as somebody else.
const NOBODY: u32 = 65_534;

/// Runs without the rights of root; `None`, with a reason, where that cannot be.
fn run_bound(desk: &Desk, arguments: &[&str]) -> Option<(i32, String)> {
    let mut command = desk.command(arguments);
    let is_root = desk.path("").metadata().unwrap().uid() == 0;
    if is_root {
        command.uid(NOBODY).gid(NOBODY);
    }
    match command.output() {
        Ok(output) => {
            desk.check();
            let stderr = String::from_utf8(output.stderr).unwrap();
            Some((output.status.code().unwrap(), stderr))
        }
        Err(error) => {
            println!("skipped: permissions do not bind root, and as another user: {error}");
            None
        }
    }
}

fn set_mode(path: &Path, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

#[test]
fn what_may_not_be_read_is_named_and_the_rest_is_done() {
    let mut desk = Desk::new();
    desk.add("photos/a.png", &dark(Format::Png, 1));
    desk.add("photos/b.png", &dark(Format::Png, 2));
    desk.add("photos/secret/c.png", &dark(Format::Png, 3));
    fs::create_dir(desk.path("out")).unwrap();
    set_mode(&desk.path(""), 0o755);
    set_mode(&desk.path("out"), 0o777);
    set_mode(&desk.path("photos/b.png"), 0);
    set_mode(&desk.path("photos/secret"), 0);
    let Some((code, stderr)) = run_bound(&desk, &["photos", "-o", "out"]) else { return };
    set_mode(&desk.path("photos/secret"), 0o755);
    assert_eq!(code, 1, "{stderr}");
    for name in ["photos/b.png", "photos/secret"] {
        assert!(stderr.contains(&format!("error: {name}: Permission denied")), "{stderr}");
    }
    assert_eq!(stderr.matches("hint: check the permissions").count(), 2, "{stderr}");
    assert!(stderr.contains("1 done, 0 unchanged, 2 failed"), "{stderr}");
    assert_eq!(desk.outputs("out").into_keys().collect::<Vec<_>>(), ["a.png"]);
}

#[test]
fn a_folder_that_may_not_be_written_is_named() {
    let desk = Desk::with("photo.png", &dark(Format::Png, 1));
    fs::create_dir(desk.path("out")).unwrap();
    set_mode(&desk.path(""), 0o755);
    set_mode(&desk.path("out"), 0o555);
    for output in ["out", "out/new.png", "out/new/folder"] {
        let Some((code, stderr)) = run_bound(&desk, &["photo.png", "-o", output]) else { return };
        assert_eq!(code, 1, "{stderr}");
        assert!(stderr.starts_with("error: out/"), "{stderr}");
        assert!(stderr.contains("Permission denied"), "{stderr}");
        assert!(stderr.contains("\nhint: check the permissions"), "{stderr}");
    }
    assert_eq!(desk.files("out"), Vec::<String>::new());
}

#[test]
fn an_output_that_leads_to_an_input_by_a_link_is_refused() {
    let mut desk = Desk::new();
    desk.add("photos/a.png", &dark(Format::Png, 1));
    desk.add("b.png", &dark(Format::Png, 2));
    fs::hard_link(desk.path("b.png"), desk.path("hard.png")).unwrap();
    symlink(desk.path("b.png"), desk.path("soft.png")).unwrap();
    symlink(desk.path("photos"), desk.path("photos-bright")).unwrap();
    for output in ["hard.png", "soft.png"] {
        let ran = desk.run(&["b.png", "-o", output, "--overwrite"]).exits(1);
        ran.fails_once(&[&format!("its output {output} is an input")]);
    }
    let ran = desk.run(&["photos", "--overwrite"]).exits(1);
    ran.fails_once(&["its output photos-bright/a.png is an input"]);
    assert!(desk.path("soft.png").is_symlink());
}

#[test]
fn a_link_to_nowhere_is_no_free_name() {
    let desk = Desk::with("photo.png", &dark(Format::Png, 1));
    symlink("nowhere", desk.path("out.png")).unwrap();
    desk.run(&["photo.png", "-o", "out.png"]).exits(1).fails_once(&["out.png: the file exists"]);
    assert!(desk.path("out.png").is_symlink());
}

#[test]
fn links_in_a_folder_are_followed_and_circles_are_named() {
    let desk = Desk::with("photos/a.png", &dark(Format::Png, 1));
    symlink("a.png", desk.path("photos/link.png")).unwrap();
    desk.run(&["photos"]).exits(0).says("2 done");
    symlink("../photos", desk.path("photos/circle")).unwrap();
    desk.run(&["photos", "--overwrite"])
        .exits(1)
        .fails_once(&["photos/circle: leads back to photos"])
        .says("2 done");
}

#[test]
fn devices_and_pipes_are_neither_read_nor_replaced() {
    let desk = Desk::with("photo.png", &dark(Format::Png, 1));
    assert!(Command::new("mkfifo").arg(desk.path("fifo.png")).status().unwrap().success());
    for input in ["fifo.png", "/dev/null"] {
        let ran = desk.run(&[input, "photo.png", "--overwrite"]).exits(1).says("1 done");
        ran.fails_once(&[input, "expected a file, found a device or pipe"]);
    }
    for output in ["fifo.png", "/dev/full", "/dev/null"] {
        for overwrite in [&[][..], &["--overwrite"]] {
            let ran = desk.run(&[&["photo.png", "-o", output], overwrite].concat()).exits(1);
            ran.fails_once(&[output, "found a device or pipe"]);
        }
        let path = if output.starts_with('/') { output.into() } else { desk.path(output) };
        let kind = path.metadata().unwrap().file_type();
        assert!(kind.is_fifo() || kind.is_char_device(), "{output} was replaced");
    }
}

#[test]
fn pipes_in_a_folder_are_other_files() {
    let desk = Desk::with("photos/a.png", &dark(Format::Png, 1));
    assert!(Command::new("mkfifo").arg(desk.path("photos/b.png")).status().unwrap().success());
    desk.run(&["photos"]).exits(0).says("1 done, 0 unchanged, 0 failed, 1 other files");
}

#[test]
fn standard_output_on_a_full_disk_is_an_error() {
    let Ok(full) = fs::OpenOptions::new().write(true).open("/dev/full") else {
        println!("skipped: there is no /dev/full here");
        return;
    };
    let desk = Desk::with("photo.png", &dark(Format::Png, 1));
    // A photograph fails as a file; everything else as something that the machine lacks.
    let cases: [(&[&str], i32); 5] = [
        (&["photo.png", "-o", "-"], 1),
        (&["photo.png", "--json", "--overwrite"], 3),
        (&["methods"], 3),
        (&["models", "list"], 3),
        (&["completions", "bash"], 3),
    ];
    for (arguments, code) in cases {
        let mut command = desk.command(arguments);
        let output = command.stdout(full.try_clone().unwrap()).output().unwrap();
        let stderr = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(code), "{arguments:?}: {stderr}");
        assert!(stderr.contains("error: standard output: No space left"), "{stderr}");
        assert!(stderr.contains("hint: "), "{stderr}");
        desk.check();
    }
}

#[test]
fn a_full_disk_is_an_error_and_leaves_nothing_half_written() {
    let mut desk = Desk::new();
    desk.add("1 small.png", &dark(Format::Png, 1));
    desk.add("2 large.png", &sized(Format::Png, (300, 200), 2));
    desk.add("3 small.png", &dark(Format::Png, 3));
    fs::create_dir(desk.path("disk")).unwrap();
    let script = "mount -t tmpfs -o size=64k tmpfs disk || exit 99
        \"$0\" *.png -o disk -j 1 --strength 0 2>messages
        echo $? >code; ls -A disk >files; cmp '1 small.png' 'disk/1 small.png' >different 2>&1";
    let mut command = Command::new("unshare");
    command.args(["--mount", "--map-root-user", "sh", "-c", script]);
    command.arg(env!("CARGO_BIN_EXE_tapetum")).current_dir(desk.path(""));
    match command.stdout(Stdio::null()).output() {
        Ok(output) if desk.path("code").exists() => drop(output),
        other => {
            println!("skipped: no small disk can be mounted here: {other:?}");
            return;
        }
    }
    desk.check();
    let text = |name| String::from_utf8(desk.read(name)).unwrap();
    assert_eq!(text("code").trim(), "1", "{}", text("messages"));
    assert!(text("messages").contains("error: disk/2 large.png: No space left"));
    assert!(text("messages").contains("\nhint: free some space"), "{}", text("messages"));
    let files = text("files");
    let files: Vec<&str> = files.lines().filter(|name| !name.starts_with(".tapetum-m")).collect();
    assert_eq!(files, ["1 small.png", "3 small.png"]);
}

#[test]
fn a_reader_that_has_seen_enough_is_no_error() {
    let desk = Desk::with("photo.png", &dark(Format::Png, 1));
    for arguments in [&["methods", "--json"][..], &["completions", "bash"], &["help-markdown"]] {
        let mut command = desk.command(arguments);
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        drop(child.stdout.take());
        let output = child.wait_with_output().unwrap();
        assert!(output.status.success() && output.stderr.is_empty(), "{arguments:?}: {output:?}");
    }
    // Nobody listens to what is told: the work goes on.
    let mut child = desk.command(&["photo.png"]).stderr(Stdio::piped()).spawn().unwrap();
    drop(child.stderr.take());
    assert!(child.wait().unwrap().success());
    assert_eq!(desk.photo("photo-bright.png").format, Format::Png);
}
