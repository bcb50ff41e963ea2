//! What is generated from the definition of the arguments and from the cards.

use crate::desk::Desk;

/// All options of `enhance` that people use by name.
const OPTIONS: [&str; 18] = [
    "--output",
    "--method",
    "--weights",
    "--scale",
    "--then",
    "--strength",
    "--device",
    "--memory",
    "--jobs",
    "--resume",
    "--overwrite",
    "--format",
    "--quality",
    "--max-megapixels",
    "--samples",
    "--uncertainty",
    "--seed",
    "--json",
];

#[test]
fn completions_know_every_option() {
    let desk = Desk::new();
    for (shell, mark) in
        [("bash", "complete -F"), ("zsh", "#compdef tapetum"), ("fish", "complete -c tapetum")]
    {
        let ran = desk.run(&["completions", shell]).exits(0);
        assert!(ran.text().contains(mark), "{shell}");
        for option in OPTIONS {
            let name = if shell == "fish" { option.trim_start_matches('-') } else { option };
            assert!(ran.text().contains(name), "{shell} {option}");
        }
        assert_eq!(ran.stderr, "");
    }
    desk.run(&["completions", "cobol"]).exits(2);
}

#[test]
fn the_bash_completion_is_a_script() {
    let desk = Desk::new();
    desk.put("tapetum.bash", &desk.run(&["completions", "bash"]).exits(0).stdout);
    match std::process::Command::new("bash").arg("-n").arg(desk.path("tapetum.bash")).status() {
        Ok(status) => assert!(status.success()),
        Err(error) => println!("skipped: no bash here: {error}"),
    }
}

#[test]
fn the_manual_page_is_roff_and_names_the_commands() {
    let ran = Desk::new().run(&["man"]).exits(0);
    assert!(ran.text().contains(".TH tapetum 1"));
    for command in ["enhance", "methods", "models", "train", "Exit codes"] {
        assert!(ran.text().contains(command), "{command}");
    }
}

#[test]
fn the_reference_holds_every_command_and_option() {
    let ran = Desk::new().run(&["help-markdown"]).exits(0);
    for command in ["enhance", "methods", "models import", "models verify", "train", "man"] {
        assert!(ran.text().contains(&format!("## `tapetum {command}`")), "{command}");
    }
    OPTIONS.iter().for_each(|option| assert!(ran.text().contains(option), "{option}"));
}

#[test]
fn help_and_version_go_to_standard_output() {
    let desk = Desk::new();
    let ran = desk.run(&["--help"]).exits(0);
    assert!(ran.text().contains("Exit codes: 0 all done"));
    let version = format!("tapetum {}\n", env!("CARGO_PKG_VERSION"));
    for arguments in [&["--version"][..], &["-V"], &["-q", "--version"]] {
        assert_eq!(desk.run(arguments).exits(0).text(), version);
    }
    assert!(desk.run(&["help", "enhance"]).exits(0).text().contains("--strength"));
}

#[test]
fn methods_are_listed_for_people_and_programs() {
    let desk = Desk::new();
    let cards = desk.run(&["methods", "--json"]).exits(0).json();
    let cards = cards.as_array().unwrap();
    assert_eq!(cards.len(), tapetum::methods().len());
    let (text, page) = (desk.run(&["methods"]).exits(0), desk.run(&["methods", "--markdown"]));
    for (card, found) in tapetum::methods().iter().zip(cards) {
        assert_eq!(found["name"], card.name);
        assert_eq!(found["n_parameters"], card.n_parameters);
        assert_eq!(found["default_weights"], serde_json::json!(card.default_weights));
        let line = text.text().lines().find(|line| line.starts_with(&format!("{} ", card.name)));
        let facts = match card.default_weights {
            Some(_) => format!("{} parameters", card.n_parameters),
            None => "no weights".to_owned(),
        };
        assert!(line.is_some_and(|line| line.contains(&facts)), "{line:?}");
        assert!(page.text().contains(&format!("## {}", card.title)));
    }
}
