#!/bin/sh
# Runs bench/peers in namespaces of its own: a network with nothing but loopback
# and Reno (BBR paces, which triples the CPU of loopback), a tmpfs for all files,
# and a process tree that ends with it.
#
#   bench-peers.sh FASTFTPS [FLAG ...]
set -eu

ours=${1:?usage: bench-peers.sh FASTFTPS [FLAG ...]}
shift
peers=${PEERS:-/var/cache/fastftps-peers}
cd "$(dirname "$0")/.."
./scripts/install-peers.sh "$peers"
tool=$(mktemp)
dir=$(mktemp -d)
trap 'rm -rf "$tool" "$dir"' EXIT
go build -o "$tool" ./bench/peers

unshare --net --mount --pid --fork --kill-child --mount-proc sh -euc '
	ip link set lo up
	sysctl -q net.ipv4.tcp_congestion_control=reno net.ipv4.ip_local_port_range="23000 60999" net.ipv4.tcp_tw_reuse=1
	mount -t tmpfs -o size=8g,mode=755 tmpfs "$1"
	shift
	exec "$@"
' sh "$dir" "$tool" -dir "$dir" -peers "$peers" -fastftps "$ours" "$@"
