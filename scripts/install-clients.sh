#!/bin/sh
# Installs the FTP clients that make interop drives, on Debian. Quick when all
# is there. A client that cannot be installed is an error, never a skip.
set -eu

missing=""
need() { # need PACKAGE FILE-OR-COMMAND
  if ! command -v "$2" >/dev/null 2>&1 && ! [ -e "$2" ]; then missing="$missing $1"; fi
}
need curl curl
need lftp lftp
need wget wget
need rclone rclone
need ncftp ncftpget
need python3 python3
need openssl openssl
need default-jdk-headless javac
need libcommons-net-java /usr/share/java/commons-net.jar
[ -z "$missing" ] && exit 0

sudo=""
[ "$(id -u)" -eq 0 ] || sudo=sudo
export DEBIAN_FRONTEND=noninteractive
$sudo apt-get update -qq
# shellcheck disable=SC2086 # the list is split on purpose
$sudo apt-get install -y -qq --no-install-recommends $missing
