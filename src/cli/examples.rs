//! Every command that a help text or the documents show is one that the command line takes.

use std::path::Path;

use clap::Parser;

use super::args::Args;

/// The `quarterdeck ...` command lines of a text: in help texts they are indented, in Markdown they stand in code, after a prompt
/// or alone. A pipe, a redirection, `&&`, a comment or two blanks end one.
fn commands(text: &str) -> Vec<Vec<String>> {
    text.lines().flat_map(spans).filter_map(|span| command(&span)).collect()
}

/// The whole line, and what stands in backticks within it.
fn spans(line: &str) -> Vec<String> {
    let quoted = line.split('`').skip(1).step_by(2).map(str::to_owned);
    quoted.chain([line.trim().trim_start_matches("$ ").to_owned()]).collect()
}

fn command(span: &str) -> Option<Vec<String>> {
    let rest = span.trim().strip_prefix("quarterdeck ")?;
    let end = ["  ", " | ", " > ", " && ", " # ", "`", "; "].iter().filter_map(|stop| rest.find(stop)).min().unwrap_or(rest.len());
    let words: Vec<String> = rest[..end].split_whitespace().map(|w| w.trim_matches(['\'', '"']).to_owned()).collect();
    // A sentence about the program, or a usage line, is no command.
    let shown = words.iter().all(|w| w.chars().all(|c| c.is_ascii_alphanumeric() || "-_./=:~@".contains(c)) && !w.ends_with([',', '.']));
    let known = words.first().is_some_and(|w| w.starts_with('-') || Args::definition().find_subcommand(w).is_some());
    (shown && known).then(|| std::iter::once("quarterdeck".to_owned()).chain(words).collect())
}

fn wrong(text: &str) -> Vec<String> {
    commands(text).iter().filter_map(|words| Args::try_parse_from(words).err().map(|e| format!("{}: {e}", words.join(" ")))).collect()
}

fn help_texts(command: &mut clap::Command, out: &mut Vec<String>) {
    out.push(command.render_long_help().to_string());
    for below in command.get_subcommands_mut() {
        help_texts(below, out);
    }
}

#[test]
fn examples_in_the_help_are_taken() {
    let mut texts = Vec::new();
    help_texts(&mut Args::definition(), &mut texts);
    let all = texts.join("\n");
    let count = commands(&all).len();
    assert!(count >= 12, "{count} examples: {:?}", commands(&all));
    assert_eq!(wrong(&all), Vec::<String>::new());
}

#[test]
fn examples_in_the_documents_are_taken() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut count = 0;
    for entry in std::fs::read_dir(root).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        if name == "config.example.toml" || path.extension().is_some_and(|e| e == "md") {
            let text = std::fs::read_to_string(&path).unwrap();
            count += commands(&text).len();
            assert_eq!(wrong(&text), Vec::<String>::new(), "{name}");
        }
    }
    assert!(count >= 2, "{count}");
}

#[test]
fn a_command_that_does_not_exist_is_found() {
    assert_eq!(wrong("  quarterdeck status --jsn   x\n").len(), 1);
    assert_eq!(wrong("Run `quarterdeck config chek` first.").len(), 1);
    assert_eq!(commands("$ quarterdeck status --json | jq .problems\nquarterdeck draws rows.\n"), [["quarterdeck", "status", "--json"]]);
}
