//! Calls [`larm::cli::main`] and turns its outcome into an exit code.

fn main() -> std::process::ExitCode {
    larm::cli::main()
}
