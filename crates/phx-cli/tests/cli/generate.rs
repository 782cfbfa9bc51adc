//! `phx completions`, `phx man`, and the help.

use tempfile::TempDir;

use crate::support::phx;

const COMMANDS: [&str; 7] = ["join", "push", "presence", "repl", "script", "bench", "serve"];

#[tokio::test]
async fn completions_for_every_shell() {
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let script = phx(&["completions", shell]).await.well();
        for word in COMMANDS.into_iter().chain(["auth-token"]) {
            assert!(script.contains(word), "{shell}: {word}");
        }
    }
    phx(&["completions", "dos"]).await.badly(2, "possible values: bash");
}

#[tokio::test]
async fn bash_takes_the_completions() {
    let script = phx(&["completions", "bash"]).await.well();
    let directory = TempDir::new().unwrap();
    let path = directory.path().join("phx");
    std::fs::write(&path, script).unwrap();
    let test = format!(
        "source {}; COMP_WORDS=(phx pu); COMP_CWORD=1; _phx phx pu phx; echo ${{COMPREPLY[@]}}",
        path.display()
    );
    let bash = tokio::process::Command::new("bash").args(["-c", &test]).output().await.unwrap();
    assert_eq!(String::from_utf8_lossy(&bash.stdout), "push\n", "{bash:?}");
}

#[tokio::test]
async fn man_pages() {
    let page = phx(&["man"]).await.well();
    assert!(page.contains(".TH phx 1"), "{page}");
    let directory = TempDir::new().unwrap();
    phx(&["man", "--dir", directory.path().to_str().unwrap()]).await.well();
    for command in COMMANDS {
        let page = directory.path().join(format!("phx-{command}.1"));
        assert!(std::fs::read_to_string(&page).unwrap().contains(".SH OPTIONS"), "{command}");
    }
}

#[tokio::test]
async fn help_names_every_command_and_exit_code() {
    let help = phx(&["--help"]).await.well();
    for command in COMMANDS {
        assert!(help.contains(&format!("  {command} ")), "{help}");
    }
    for code in ["0", "1", "2", "3", "4", "5", "6", "130"] {
        assert!(help.contains(&format!("\n  {code} ")), "{help}");
    }
    assert_eq!(phx(&["--version"]).await.well(), concat!("phx ", env!("CARGO_PKG_VERSION"), "\n"));
    phx(&[]).await.badly(2, "Usage");
}
