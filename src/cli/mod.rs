//! F8: the command line, a file a sub-command.

mod allowed;
pub mod args;
pub mod completions;
pub mod config;
pub mod demo;
#[cfg(test)]
mod examples;
pub mod init;
pub mod live;
pub mod load;
pub mod log;
pub mod logs;
pub mod man;
pub mod playbook;
pub mod run;
pub mod state;
pub mod status;

use std::io::{self, Write};

use args::{Args, Command, ConfigCommand};

use crate::model::catalog::Catalog;

/// Runs what needs neither a source nor a screen. `None`: the command is one that does (the cockpit, `status`,
/// `logs`, `config check --live`), and the caller carries it out.
pub fn dispatch(args: &Args, catalog: &Catalog, out: &mut dyn Write) -> Option<io::Result<u8>> {
    let load = || load::load(&args.global, catalog);
    match args.command.as_ref()? {
        Command::Completions { shell } => Some(completions::write(*shell, out)),
        Command::Init(options) => Some(init::run(&args.global, options, out, &mut io::stderr())),
        Command::Man { page } => Some(man::write(page, out, &mut io::stderr())),
        Command::Config { command: ConfigCommand::Check { live: false } } => Some(config::check(&load(), out)),
        Command::Config { command: ConfigCommand::Show } => Some(config::print(&load(), out)),
        Command::Config { command: ConfigCommand::Paths } => Some(config::paths(&load(), out)),
        Command::Config { command: ConfigCommand::Check { live: true } }
        | Command::Demo(_)
        | Command::Status { .. }
        | Command::Logs(_)
        | Command::Playbook { .. } => None,
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    fn run(words: &[&str]) -> (u8, String) {
        let mut out = Vec::new();
        let args = Args::try_parse_from(words).unwrap();
        let code = dispatch(&args, &Catalog::default(), &mut out).unwrap().unwrap();
        (code, String::from_utf8(out).unwrap())
    }

    #[test]
    fn the_definition_holds_together() {
        Args::definition().debug_assert();
        assert!(Args::try_parse_from(["quarterdeck"]).unwrap().command.is_none());
        let args = Args::try_parse_from(["quarterdeck", "status", "--json", "-n", "a", "--context", "c"]).unwrap();
        assert_eq!((args.global.namespace, args.global.context), (vec!["a".to_owned()], Some("c".to_owned())));
    }

    #[test]
    fn scripts_and_manual_name_the_commands() {
        for shell in ["bash", "zsh", "fish"] {
            assert!(run(&["quarterdeck", "completions", shell]).1.contains("status"), "{shell}");
        }
        let first = run(&["quarterdeck", "man"]).1;
        for page in ["quarterdeck-status", "quarterdeck-config", "quarterdeck-init"] {
            assert!(first.replace('\\', "").contains(page), "{page}");
        }
        // Every command has its page, and the page knows its own options.
        for (words, option) in [(&["status"][..], "--timeout"), (&["config", "check"], "--live"), (&["config-show"], "--config"), (&["init"], "--probe")] {
            let (code, page) = run(&[&["quarterdeck", "man"], words].concat());
            assert!(code == 0 && page.replace('\\', "").contains(option), "{words:?}");
            assert!(page.replace('\\', "").contains(&format!("quarterdeck-{}", words.join("-"))), "{words:?}\n{page}");
        }
        assert_eq!(run(&["quarterdeck", "man", "nothing"]), (64, String::new()));
    }

    #[test]
    fn check_tells_all_and_says_so_by_its_code() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("c.toml");
        let path = file.to_str().unwrap();
        std::fs::write(&file, "[[host]]\nname = 1\n[[host]]\nname = \"b\"\nuser = 2\n").unwrap();
        let (code, text) = run(&["quarterdeck", "config", "check", "--config", path]);
        assert_eq!(code, 1);
        assert!(text.contains(":2:8: error") && text.contains(":5:8: error"), "{text}");
        let (code, text) = run(&["quarterdeck", "config", "check", "--config", "/nowhere/c.toml"]);
        assert!(code == 1 && text.contains("cannot be read"), "{text}");
        std::fs::write(&file, "[[host]]\nname = \"b\"\nidentity = \"key\"\n").unwrap();
        std::fs::write(dir.path().join("key"), "").unwrap();
        std::fs::set_permissions(dir.path().join("key"), std::os::unix::fs::PermissionsExt::from_mode(0o644)).unwrap();
        let (code, text) = run(&["quarterdeck", "config", "check", "--config", path]);
        assert!(code == 1 && text.contains("chmod 600"), "{text}");
        std::fs::set_permissions(dir.path().join("key"), std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
        assert_eq!(run(&["quarterdeck", "config", "check", "--config", path]).0, 0);
        assert!(run(&["quarterdeck", "config", "paths", "--config", path]).1.contains(path));
    }
}
