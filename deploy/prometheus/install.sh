#!/bin/sh
# Puts Prometheus and promtool where the tests look for them: does nothing if they are there,
# installs Debian's package as root, and elsewhere says what is missing and succeeds (the tests
# then skip with that reason; under CI=true they fail). Starts no service.
set -eu

if command -v promtool >/dev/null && command -v prometheus >/dev/null; then
    exit 0
fi
if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null; then
    echo "promtool is missing (Debian: apt-get install prometheus): its tests will be skipped" >&2
    exit 0
fi

echo "Installing Debian's package prometheus (downloads about 20 MB) ..." >&2
# A policy that denies starts keeps the package from running the service that it installs.
policy=/usr/sbin/policy-rc.d
if [ ! -e "$policy" ]; then
    printf '#!/bin/sh\nexit 101\n' >"$policy"
    chmod 755 "$policy"
    trap 'rm -f "$policy"' EXIT
fi
export DEBIAN_FRONTEND=noninteractive
apt-get update -qq >&2
apt-get install -y -qq --no-install-recommends prometheus >&2
