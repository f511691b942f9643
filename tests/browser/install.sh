#!/bin/sh
# Makes sure that the browser tests have a Chromium: the one of the system, or Debian's when we may install it.
set -u
for name in chromium chromium-browser google-chrome; do
    command -v "$name" >/dev/null && exit 0
done
if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
    echo "Installing Debian's chromium for the browser tests."
    apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends chromium && exit 0
fi
echo "There is no Chromium here, which the browser tests need. Install it, on Debian with: sudo apt-get install chromium" >&2
test -z "${CI:-}"
