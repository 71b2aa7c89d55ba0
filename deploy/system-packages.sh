#!/usr/bin/env bash
# Installs what some tests need beside Python: a broker, a browser, a database server. Debian and its relatives.
set -euo pipefail
packages=(mosquitto chromium postgresql faketime iproute2 curl jq)
missing=()
for package in "${packages[@]}"; do
  dpkg-query -W -f='${Status}' "$package" 2>/dev/null | grep -q 'ok installed' || missing+=("$package")
done
if [ ${#missing[@]} -eq 0 ]; then echo "Nothing to install."; exit 0; fi
run=""
[ "$(id -u)" -eq 0 ] || run="sudo"
$run apt-get update -q
DEBIAN_FRONTEND=noninteractive $run apt-get install -q -y --no-install-recommends "${missing[@]}"
