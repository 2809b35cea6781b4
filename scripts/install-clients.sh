#!/bin/sh
# Installs the clients that `make interop` drives, on Debian and its kin. Quick
# and silent when all are there; else it needs root or sudo.
set -eu

missing=''

# need COMMAND-OR-FILE PACKAGE: notes the package if the command is not there.
need() {
	case $1 in
	/*) [ -e "$1" ] ;;
	*) command -v "$1" >/dev/null ;;
	esac || missing="$missing $2"
}

need curl curl
need lftp lftp
need wget wget
need rclone rclone
need ncftpput ncftp
need openssl openssl
need python3 python3
need javac default-jdk-headless
need /usr/share/java/commons-net.jar libcommons-net-java
# python3-minimal has neither of these modules.
python3 -c 'import ftplib, ssl' 2>/dev/null || missing="$missing python3"

[ -n "$missing" ] || exit 0

if ! command -v apt-get >/dev/null; then
	echo "install-clients.sh: no apt-get here; install by hand:$missing" >&2
	exit 1
fi
root=''
if [ "$(id -u)" -ne 0 ]; then
	root='sudo'
fi
echo "installing:$missing"
$root apt-get update -q
# shellcheck disable=SC2086 # a list of words
$root env DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends $missing
