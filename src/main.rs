//! The thin binary: installs the error reports and the one TLS provider, then hands over to the library.

use std::process::ExitCode;

fn main() -> ExitCode {
    quarterdeck::cli::main()
}
