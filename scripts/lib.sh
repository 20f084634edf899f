#!/bin/bash
# What the scripts share. Sourced, never run.
set -euo pipefail

HOME_DIR=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
LXD_DIR=${LXD_DIR:-/var/lib/lxd}
export CACHE=${LARM_CACHE:-/var/cache/larm}
# Scripts that call each other count from the start of the first.
export LARM_SCRIPT_START=${LARM_SCRIPT_START:-$(date +%s%N)}

say() {
  local ms=$((($(date +%s%N) - LARM_SCRIPT_START) / 1000000))
  printf '[%4d.%01ds] %s\n' $((ms / 1000)) $((ms % 1000 / 100)) "$*" >&2
}

die() {
  printf 'error: %s\n' "$1" >&2
  if [ $# -gt 1 ]; then printf '\nhint: %s\n' "$2" >&2; fi
  exit 1
}

need_root() {
  [ "$(id -u)" = 0 ] || die "this needs root" "sudo $0"
}

# need_packages PACKAGE...: installs those that are missing.
need_packages() {
  local missing=() package
  for package in "$@"; do
    [ "$(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null || true)" = installed ] ||
      missing+=("$package")
  done
  [ ${#missing[@]} = 0 ] && return 0
  command -v apt-get >/dev/null || die "these packages are missing: ${missing[*]}"
  say "apt: ${missing[*]}"
  apt-get update -qq
  # Without systemd as PID 1 packages cannot start their services: scripts/lxd does that.
  DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends \
    "${missing[@]}" >/dev/null || die "apt-get could not install ${missing[*]}"
}

# The socket of LXD: the one in LXD_DIR, or the snap's if only that one is there.
lxd_socket() {
  local snap=/var/snap/lxd/common/lxd/unix.socket
  if [ ! -S "$LXD_DIR/unix.socket" ] && [ -S $snap ]; then echo $snap; else echo "$LXD_DIR/unix.socket"; fi
}

lxd_answers() {
  curl -sS -m 5 --unix-socket "$(lxd_socket)" http://lxd/1.0 >/dev/null 2>&1
}

# api METHOD PATH [JSON]: asks LXD, waits for the operation if there is one, prints the metadata.
api() {
  local answer operation
  answer=$(curl -sS -m 600 --unix-socket "$(lxd_socket)" -X "$1" \
    -H 'Content-Type: application/json' ${3:+-d "$3"} "http://lxd$2") || return 1
  if [ "$(jq -r .type <<<"$answer")" = async ]; then
    operation=$(jq -r .operation <<<"$answer")
    # A clustered server's operations have a query: "/wait" goes before it.
    answer=$(curl -sS -m 600 --unix-socket "$(lxd_socket)" \
      "http://lxd${operation%%\?*}/wait$(grep -o '?.*' <<<"$operation" || true)") || return 1
  fi
  # A failed operation says so in one of two shapes.
  if ! jq -e '.type != "error" and (.metadata.err? // "") == ""' <<<"$answer" >/dev/null; then
    jq -r --arg what "$1 $2" '"lxd: \($what): \(if (.error // "") != "" then .error else .metadata.err end)"' \
      <<<"$answer" >&2
    return 1
  fi
  jq -c .metadata <<<"$answer"
}

api_has() { api GET "$1" >/dev/null 2>&1; }

# Makes sure that cargo is there and new enough; Debian 12's own is too old.
need_cargo() {
  local wanted
  wanted=$(sed -n 's/^rust-version = "\(.*\)"/\1/p' "$HOME_DIR/Cargo.toml")
  borrow_toolchain
  PATH=${CARGO_HOME:-$HOME/.cargo}/bin:$PATH
  # Some crates build C, and linking needs a compiler too.
  need_packages gcc libc6-dev
  if newer_or_same "$(cargo_version)" "$wanted"; then return; fi
  install_rust "$wanted"
  newer_or_same "$(cargo_version)" "$wanted" ||
    die "this needs Rust $wanted or newer, and cargo is $(cargo_version)" "rustup update"
}

# Under sudo: the toolchain of who called, if there is one.
borrow_toolchain() {
  local home
  [ "$(id -u)" = 0 ] && [ "${SUDO_USER:-root}" != root ] || return 0
  home=$(getent passwd "$SUDO_USER" | cut -d: -f6)
  [ -x "$home/.cargo/bin/cargo" ] || return 0
  export CARGO_HOME=${CARGO_HOME:-$home/.cargo} RUSTUP_HOME=${RUSTUP_HOME:-$home/.rustup}
}

# What root has built with a borrowed toolchain belongs to who called.
give_back() {
  [ "$(id -u)" = 0 ] && [ "${SUDO_USER:-root}" != root ] || return 0
  [ "$(stat -c %U "$HOME_DIR")" = "$SUDO_USER" ] || return 0
  chown -R --from=root "$SUDO_USER": "${CARGO_TARGET_DIR:-$HOME_DIR/target}" 2>/dev/null || true
  [ -z "${CARGO_HOME:-}" ] || chown -R --from=root "$SUDO_USER": "$CARGO_HOME" || true
}

cargo_version() { cargo --version 2>/dev/null | cut -d' ' -f2 || true; }

install_rust() {
  local parts=(--profile minimal --component clippy --component rustfmt)
  say "rustup: Rust $1"
  if command -v rustup >/dev/null; then
    rustup toolchain install "$1" "${parts[@]}" >/dev/null || die "rustup could not install Rust $1"
    export RUSTUP_TOOLCHAIN=$1
  else
    need_packages curl ca-certificates
    curl --proto '=https' --tlsv1.2 -sSf https://sh.rustup.rs |
      sh -s -- -y --quiet --no-modify-path --default-toolchain "$1" "${parts[@]}" >/dev/null ||
      die "Rust could not be installed" "install Rust $1 or newer, see https://rustup.rs"
  fi
}

newer_or_same() {
  [ -n "$1" ] && [ "$(printf '%s\n%s\n' "$2" "$1" | sort -V | head -n 1)" = "$2" ]
}

# Builds a benchmark and what it needs, for release, and prints where it is. Run that and not cargo,
# which would not wait for what it cleans up after Ctrl-C.
bench_binary() {
  local binary
  binary=$(cargo bench --quiet --locked --no-run --bench "$1" --message-format=json |
    jq -r --arg name "$1" 'select(.target.name? == $name and .executable != null).executable')
  [ -x "$binary" ] || die "the benchmark $1 does not build"
  echo "$binary"
}

# What the benchmarks on the host's LXD need, as the tests have it.
bench_on_lxd() {
  need_root
  need_cargo
  need_packages jq curl
  "$HOME_DIR/scripts/lxd" up || die "LXD does not run"
  export LARM_TEST_LXD_SOCKET=${LARM_TEST_LXD_SOCKET:-$(lxd_socket)}
  export LARM_TEST_PROJECT=${LARM_TEST_PROJECT:-larm-test}
  export LARM_TEST_IMAGE=${LARM_TEST_IMAGE:-larm-debian12}
  export LARM_TEST_TYPE=${LARM_TEST_TYPE:-container}
  trap give_back EXIT
}
