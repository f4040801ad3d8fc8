#!/bin/sh
# Makes .venv with every dependency from the lock, and sees to the one system library (libzbar0). Safe to run again.
set -eu
cd "$(dirname "$0")"
say() { printf '== %s\n' "$*"; }
fail() { printf '!! %s\n' "$*" >&2; exit 1; }

python=""
for candidate in ${PYTHON:-} python3.13 python3.12 python3.11 python3.14 python3; do
  if command -v "$candidate" >/dev/null 2>&1 &&
     "$candidate" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 14))' 2>/dev/null; then
    python=$candidate; break
  fi
done
[ -n "$python" ] || fail "Python 3.11 to 3.14 is needed and was not found. Debian, Ubuntu: sudo apt-get install python3 python3-venv"

can_apt() { command -v apt-get >/dev/null 2>&1 && [ "$(id -u)" = 0 ]; }
apt_install() {
  say "installing the system package $* (apt-get)"
  DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends "$@" >/dev/null 2>&1 ||
    { apt-get update -q >/dev/null && DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends "$@" >/dev/null; }
}

if ! "$python" -c 'import ensurepip, venv' 2>/dev/null; then
  version=$("$python" -c 'import sys; print("%d.%d" % sys.version_info[:2])')
  if can_apt; then apt_install "python$version-venv"
  else fail "Python's venv module is missing. Remedy: sudo apt-get install python$version-venv"; fi
fi

if [ ! -x .venv/bin/python ] || ! .venv/bin/python -c 'import pip' 2>/dev/null; then
  say "making the environment .venv with $($python --version)"
  rm -rf .venv
  "$python" -m venv .venv
fi
# --no-deps: the lock names every package, and a resolver would look at releases newer than the lock.
say "installing the locked dependencies into .venv (about 120 packages on first use)"
.venv/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes --no-deps -r requirements.lock
# What was compiled before may be of another state; where there is no compiler, nothing is compiled, and pip says nothing.
rm -f ./*/_speedups*.c ./*/_speedups*.so
.venv/bin/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
.venv/bin/python -c 'import sys; from pos_gateway.speedups import compiled; sys.exit(compiled is None)' ||
  say "nothing could be compiled: everything works, receipts are issued more slowly. Remedy: sudo apt-get install gcc python3-dev, then: make clean"

if ! .venv/bin/python -c 'import pyzbar.pyzbar' 2>/dev/null; then
  if can_apt; then apt_install libzbar0
  elif command -v sudo >/dev/null 2>&1 && sudo -n true 2>/dev/null && command -v apt-get >/dev/null 2>&1; then
    say "installing the system package libzbar0 (sudo apt-get)"
    sudo -n apt-get install -y -q --no-install-recommends libzbar0 >/dev/null ||
      { sudo -n apt-get update -q && sudo -n apt-get install -y -q --no-install-recommends libzbar0; } >/dev/null
  fi
  .venv/bin/python -c 'import pyzbar.pyzbar' 2>/dev/null ||
    fail "The library zbar, which reads QR pictures, is missing. Remedy: sudo apt-get install libzbar0   (macOS: brew install zbar)"
fi
touch .venv/ready
say "ready"
