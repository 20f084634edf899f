//! What `--help` says, completions and manual pages.

use insta::assert_snapshot;

use crate::run::{Place, holds};

#[test]
fn larm_says_what_it_is_for() {
    let place = Place::new();
    assert_snapshot!(place.run(&["-h"]), @r#"
    exit: 0
    ----- stdout
    Turns one machine with LXD into a farm of ephemeral GitHub Actions runners

    Usage: larm [OPTIONS] <COMMAND>

    Commands:
      serve        Run the daemon
      runner       Create, list, look into and delete runners
      pool         List and show pools
      job          List and show jobs
      why          Tell in plain words why a job waits, or a runner is as it is
      reload       Make the daemon read its configuration again
      flush        Delete all idle runners, or with --busy all runners
      cleanup      Delete unhealthy runners and whatever was left behind
      events       Show what happened to the runners, the oldest first
      metrics      Print what Prometheus would read
      doctor       Check whether this machine can run runners
      setup        Prepare LXD for runners
      smoke        Prove that this host can run jobs, without a GitHub account
      init         Write a first configuration
      image        Build golden images for runners, list them, and go back to an older one
      config       Check the configuration files, or print what holds
      application  List the runner applications that are kept on this machine
      completions  Print a completion script for a shell
      man          Print larm's manual page, or write those of all commands
      help         Print this message or the help of the given subcommand(s)

    Options:
      -h, --help     Print help (see more with '--help')
      -V, --version  Print version

    Global options:
          --config <FILE>            Read this configuration file instead of /etc/larm/larm.toml and
                                     /etc/larm/larm.d/*.toml
          --control-socket <SOCKET>  Reach the daemon on this socket
          --lxd-socket <SOCKET>      Reach LXD on this socket; without it the usual places are tried
          --json                     Print data as JSON
      -v, --verbose...               Say more on standard error; twice says most
      -q, --quiet                    Say nothing on standard error but errors
          --color <WHEN>             Colour the output [default: auto]
    ----- stderr
    "#);
}

#[test]
fn create() {
    let place = Place::new();
    assert_snapshot!(place.run(&["runner", "create", "-h"]), @r#"
    exit: 0
    ----- stdout
    Create a runner

    Usage: larm runner create --jit-config-file <FILE> [OPTIONS]
           larm runner create --registration-token-file <FILE> --github <PATH> [OPTIONS]
           larm runner create --standby [OPTIONS]

    Options:
          --wait <PHASE>       Wait until it has come as far as this phase: booting, standby, listening,
                               busy, finished, gone
          --timeout <SECONDS>  How many seconds to wait at most [default: 600]
      -h, --help               Print help (see more with '--help')

    Credential (one of these):
          --jit-config-file <FILE>          A file with an encoded just-in-time configuration; - for
                                            stdin
          --registration-token-file <FILE>  A file with a registration token; - for stdin
          --standby                         None: boot it and keep it ready for a credential

    With a registration token:
          --github <PATH>       Where to register: ORGANISATION or OWNER/REPOSITORY
          --group <GROUP>       The runner group to join, in an organisation
          --labels <LABEL,...>  The labels to register with

    Instance (the configuration's without them):
          --type <TYPE>             virtual-machine, or container, whose isolation is weaker
          --image <ALIAS>           The image's alias in LXD
          --profiles <PROFILE,...>  The LXD profiles, in order
          --cpu <NUMBER>            How many CPUs
          --memory <SIZE>           How much memory, like 4GiB
          --disk <SIZE>             How large a root disk, like 10GiB

    Global options:
          --config <FILE>            Read this configuration file instead of /etc/larm/larm.toml and
                                     /etc/larm/larm.d/*.toml
          --control-socket <SOCKET>  Reach the daemon on this socket
          --lxd-socket <SOCKET>      Reach LXD on this socket; without it the usual places are tried
          --json                     Print data as JSON
      -v, --verbose...               Say more on standard error; twice says most
      -q, --quiet                    Say nothing on standard error but errors
          --color <WHEN>             Colour the output [default: auto]

    Examples:
      gh api --method POST repos/acme/web/actions/runners/generate-jitconfig --input runner.json \
        --jq .encoded_jit_config | larm runner create --jit-config-file - --wait listening
      larm runner create --registration-token-file token --github acme/web --labels x64,fast
      larm runner create --standby --wait standby

    A standby gets its credential later: larm runner give
    ----- stderr
    "#);
}

#[test]
fn runner() {
    let place = Place::new();
    assert_snapshot!(place.run(&["runner", "-h"]), @r#"
    exit: 0
    ----- stdout
    Create, list, look into and delete runners

    Usage: larm runner [OPTIONS] <COMMAND>

    Commands:
      create  Create a runner
      give    Give a standby its credential
      list    List the runners, the oldest first [alias: ls]
      show    Show all about one runner
      delete  Delete runners [alias: rm]
      keep    Hold a runner's instance for inspection
      logs    Print a runner's logs, whether it lives or is dead
      shell   Open a root shell in a runner's instance, or run a command there
      help    Print this message or the help of the given subcommand(s)

    Options:
      -h, --help  Print help

    Global options:
          --config <FILE>            Read this configuration file instead of /etc/larm/larm.toml and
                                     /etc/larm/larm.d/*.toml
          --control-socket <SOCKET>  Reach the daemon on this socket
          --lxd-socket <SOCKET>      Reach LXD on this socket; without it the usual places are tried
          --json                     Print data as JSON
      -v, --verbose...               Say more on standard error; twice says most
      -q, --quiet                    Say nothing on standard error but errors
          --color <WHEN>             Colour the output [default: auto]
    ----- stderr
    "#);
}

#[test]
fn setup() {
    let place = Place::new();
    assert_snapshot!(place.run(&["setup", "-h"]), @r#"
    exit: 0
    ----- stdout
    Prepare LXD for runners

    Usage: larm setup [OPTIONS]

    Options:
      -y, --yes
              Do it without asking
          --pool <NAME>
              The storage pool for the runners' disks, created if it is not there; without it that of
              larm's profile, or larm
          --pool-driver <DRIVER>
              The driver of a new pool: btrfs, dir, zfs, lvm; btrfs where LXD and the kernel have it,
              else dir
          --pool-size <SIZE>
              The size of a new pool, like 50GiB; LXD decides without it
          --bridge <NAME>
              The bridge that connects the runners, created if it is not there; without it that of
              larm's profile, or larmbr0
          --bridge-address <ADDRESS/LENGTH>
              The address of a new bridge, like 10.20.30.1/24; an unused one without it
      -h, --help
              Print help (see more with '--help')

    Global options:
          --config <FILE>            Read this configuration file instead of /etc/larm/larm.toml and
                                     /etc/larm/larm.d/*.toml
          --control-socket <SOCKET>  Reach the daemon on this socket
          --lxd-socket <SOCKET>      Reach LXD on this socket; without it the usual places are tried
          --json                     Print data as JSON
      -v, --verbose...               Say more on standard error; twice says most
      -q, --quiet                    Say nothing on standard error but errors
          --color <WHEN>             Colour the output [default: auto]

    Examples:
      larm setup                                  show the plan and ask
      larm setup --yes --pool-size 50GiB
      larm setup --pool default --bridge lxdbr0   use what LXD has already
    ----- stderr
    "#);
}

#[test]
fn shell() {
    let place = Place::new();
    assert_snapshot!(place.run(&["runner", "shell", "-h"]), @r#"
    exit: 0
    ----- stdout
    Open a root shell in a runner's instance, or run a command there

    Usage: larm runner shell [OPTIONS] <RUNNER> [-- <COMMAND>...]

    Arguments:
      <RUNNER>      The runner's id, the beginning of it, or its name; with its full name the daemon is
                    not needed
      [COMMAND]...  What to run instead of a shell

    Options:
      -h, --help  Print help (see more with '--help')

    Global options:
          --config <FILE>            Read this configuration file instead of /etc/larm/larm.toml and
                                     /etc/larm/larm.d/*.toml
          --control-socket <SOCKET>  Reach the daemon on this socket
          --lxd-socket <SOCKET>      Reach LXD on this socket; without it the usual places are tried
          --json                     Print data as JSON
      -v, --verbose...               Say more on standard error; twice says most
      -q, --quiet                    Say nothing on standard error but errors
          --color <WHEN>             Colour the output [default: auto]

    Examples:
      larm runner shell 3f9c
      larm runner shell larm-3f9c1a2b4d5e -- journalctl --no-pager -n 50
    ----- stderr
    "#);
}

#[test]
fn the_long_help_tells_the_exit_codes() {
    let help = Place::new().run(&["--help"]);
    assert!(help.contains("\nExit codes:\n  0    it worked\n  1    it failed\n"), "{help}");
}

#[test]
fn every_command_has_examples_or_needs_none() {
    for command in [
        "serve",
        "flush",
        "events",
        "doctor",
        "setup",
        "init",
        "completions",
        "man",
        "why",
        "reload",
        "pool list",
        "pool show",
        "job list",
        "job show",
        "application list",
    ] {
        let words: Vec<&str> = command.split(' ').chain(["--help"]).collect();
        let help = Place::new().run(&words);
        assert!(help.starts_with("exit: 0\n") && help.contains("\nExamples:\n"), "{command}");
    }
}

#[test]
fn each_shell_gets_its_completions() {
    for (shell, word) in
        [("bash", "_larm()"), ("zsh", "#compdef larm"), ("fish", "complete -c larm")]
    {
        let script = Place::new().run(&["completions", shell]);
        assert!(script.starts_with("exit: 0\n") && script.contains(word), "{shell}");
    }
}

#[test]
fn manual_pages_are_written() {
    let place = Place::new();
    assert!(place.run(&["man"]).contains(".TH larm 1"));
    assert_eq!(place.run(&["man", "pages"]), "exit: 0\n----- stdout\n----- stderr\n");
    for page in
        ["larm.1", "larm-runner-create.1", "larm-runner-give.1", "larm-setup.1", "larm-why.1"]
    {
        assert!(holds(&place.path("pages"), page), "{page}");
    }
}
