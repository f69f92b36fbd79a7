# What the scripts in tools/ share: saying what happens, and getting packages. To be sourced.

# The folder that holds this project.
liftgate_root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)

say() { printf '%s\n' "== $*"; }
die() {
  printf '%s\n' "$(basename "$0"): $*" >&2
  exit 1
}

# Runs a command as root.
as_root() {
  if [ "$(id -u)" -eq 0 ]; then
    "$@"
  elif command -v sudo >/dev/null; then
    sudo "$@"
  else
    die "this needs root, and there is no sudo: $*"
  fi
}

# The packages of the groups given as arguments, from tools/packages.
packages_of() {
  local group
  for group in "$@"; do
    awk -v group="$group" '$1 == group { print $2 }' "$liftgate_root/tools/packages"
  done
}

is_installed() {
  [ "$(dpkg-query -W -f='${db:Status-Status}' "$1" 2>/dev/null)" = installed ]
}

# Runs apt-get; its output is shown only when it fails.
run_apt() {
  local output
  output=$(mktemp)
  if ! as_root env DEBIAN_FRONTEND=noninteractive apt-get -q -o DPkg::Lock::Timeout=300 "$@" \
    </dev/null >"$output" 2>&1; then
    tail -n 20 "$output" >&2
    rm -f "$output"
    return 1
  fi
  rm -f "$output"
}

# Debian starts a service when its package is installed, sshd for one. policy-rc.d is how an
# administrator says no; where there is one already, it stays as it is.
policy_file=/usr/sbin/policy-rc.d
keep_services_stopped() {
  [ ! -e "$policy_file" ] || return 1
  printf '#!/bin/sh\nexit 101\n' | as_root tee "$policy_file" >/dev/null
  as_root chmod 755 "$policy_file"
}

# Installs what is missing of the groups given as arguments; asks nothing, starts nothing.
# A subshell, so that its trap is its own.
install_packages() (
  local missing=() package
  for package in $(packages_of "$@"); do
    is_installed "$package" || missing+=("$package")
  done
  if [ "${#missing[@]}" -eq 0 ]; then
    return 0
  fi
  command -v apt-get >/dev/null ||
    die "there is no apt-get here; please install the equivalents of: ${missing[*]}"

  say "reading the package lists"
  run_apt update || die "apt-get update failed; its last lines are above"
  say "installing ${#missing[@]} packages: ${missing[*]}"
  if keep_services_stopped; then
    trap 'as_root rm -f "$policy_file"' EXIT
  fi
  run_apt install -y --no-install-recommends "${missing[@]}" ||
    die "apt-get install failed; its last lines are above"
)

open_tun_device() {
  [ -e /dev/net/tun ] || die "there is no /dev/net/tun (containers: --device /dev/net/tun)"
  # What udev does on a desktop, and a container often lacks.
  [ "$(stat -c %a /dev/net/tun)" = 666 ] || as_root chmod 0666 /dev/net/tun
}

# run_as_nobody <script of tools/> <argument...>: as root, the same script again, as nobody, in a copy
# of what git knows or would add.
run_as_nobody() {
  local script=$1 user=nobody home copy cache status=0
  shift
  home=/var/cache/liftgate-$script  # always the same, because ccache remembers paths
  copy=$home/copy
  cache=/var/cache/liftgate-ccache
  mkdir -p "$home"
  exec 9>"$home/lock"
  flock -n 9 || { say "waiting for another run to end"; flock 9; }
  rm -rf "$copy"
  install -d -m 700 -o "$user" "$copy"
  say "going on as $user in $copy"
  git -c safe.directory='*' -C "$liftgate_root" ls-files -z -co --exclude-standard --deduplicate |
    (cd "$liftgate_root" && tar -c --null --no-recursion --ignore-failed-read -T - 2>/dev/null) |
    tar -x -C "$copy" --no-same-owner
  chown -R "$user" "$copy"

  # The compiler cache lies outside of the copy, so that the next run finds it.
  install -d -m 700 -o "$user" "$cache"
  cd /
  # Ten thousand connections at once are part of the tests; root may lift the limit for them, but
  # not everywhere.
  ulimit -n 65536 2>/dev/null || true
  setpriv --reuid="$user" --regid="$(id -g "$user")" --clear-groups --inh-caps=-all \
    env -i PATH=/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin TERM="${TERM-dumb}" LANG=C.UTF-8 \
    HOME="$copy" USER="$user" LOGNAME="$user" CCACHE_DIR="$cache" \
    "$copy/tools/$script" "$@" 9>&- </dev/null || status=$?
  if [ "$status" -eq 0 ]; then
    rm -rf "$copy"
  else
    say "the copy stays in $copy, for a look"
  fi
  return "$status"
}
