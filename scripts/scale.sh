#!/usr/bin/env bash
# Holds 14,400 TLS sessions, lets 500 a second more come, download for a second
# and go, and watches the server: no error, and memory, descriptors and goroutines
# that stay where they are.
#
#   scale.sh FASTFTPS [DURATION [PAGE]]     (root; 10m; standard output)
#
# Server and generator are two processes, in a network namespace of their own, on
# loopback with Reno.
set -euo pipefail

ours=$(realpath "${1:?usage: scale.sh FASTFTPS [DURATION [PAGE]]}")
duration=${2:-10m}
page=${3:-/dev/stdout}
cd "$(dirname "$0")/.."
if [ "$(ulimit -Hn)" -lt 20000 ]; then
  echo "scale.sh: needs 20000 descriptors a process, may have $(ulimit -Hn)" >&2
  exit 1
fi
ulimit -n 20000
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
mkdir "$dir/files"
echo "scale-$RANDOM$RANDOM" >"$dir/password"
export ours duration dir

unshare --net --pid --fork --kill-child --mount-proc bash -euc '
  ip link set lo up
  sysctl -q net.ipv4.tcp_congestion_control=reno net.ipv4.ip_local_port_range="15000 60999" net.ipv4.tcp_tw_reuse=1 net.core.somaxconn=4096
  "$ours" serve -l ftps://127.0.0.1:2990 --passive 10000-10199 --set metrics.addr=127.0.0.1:9990 --set log.level=warn \
    --set limits.max_sessions=16000 --set limits.max_sessions_per_ip=0 --set limits.accept_rate_per_ip=0 \
    --set limits.max_transfers=1000 --set limits.idle_timeout=30m \
    -u demo -w --password-file "$dir/password" "$dir/files" >/dev/null 2>"$dir/log" &
  server=$!
  until (exec 3<>/dev/tcp/127.0.0.1/2990) 2>/dev/null; do kill -0 $server; sleep 0.1; done
  watch() {
    local start=$SECONDS
    while sleep 10; do
      exec 3<>/dev/tcp/127.0.0.1/9990
      printf "GET /metrics HTTP/1.0\r\n\r\n" >&3
      awk -v t=$((SECONDS - start)) -v pss="$(awk "/^Pss:/{print \$2}" /proc/$server/smaps_rollup)" "
        /^fastftps_sessions/ { s += \$2 }
        /^fastftps_transfers_running/ { x = \$2 }
        /^go_goroutines/ { g = \$2 }
        /^process_open_fds/ { f = \$2 }
        /^process_cpu_seconds_total/ { c = \$2 }
        END { print t, s, x, g, f, pss, c }" <&3 >>"$dir/samples"
      exec 3<&-
    done
  }
  watch &
  watcher=$!
  rc=0
  "$ours" bench -s bench/scenarios/scale.toml -d "$duration" --warmup 60s --max-lag 10s --src 127.0.0.0/8 --pid $server --live off \
    --json "$dir/report.json" --html "$dir/report.html" -u demo --password-file "$dir/password" ftps://127.0.0.1:2990 >"$dir/report.txt" || rc=$?
  kill $watcher
  kill $server
  wait $server || true
  exit $rc
' || { rc=$?; cat "$dir/log" "$dir/report.txt" >&2; exit $rc; }

{
  echo "# 15,000 sessions"
  echo
  echo "Written by \`scripts/scale.sh\` on $(date -u +%F): 14,400 sessions over implicit TLS that say NOOP once a minute, and 500 a second"
  echo "that come, log in, download 64 KiB at 64 KiB/s and go, for $duration. Server and generator share $(nproc) cores."
  echo
  echo "The server, every 30 s. Downloads of this size are in the sockets at once, so that few count as running; the data"
  echo "connections of all wait for their clients, and are what goroutines and descriptors there are beside the sessions:"
  echo
  echo "| s | sessions | transfers | goroutines | descriptors | PSS, MiB | CPU, cores |"
  echo "|---|---|---|---|---|---|---|"
  awk 'NR % 3 == 0 { printf "| %d | %d | %d | %d | %d | %.0f | %.2f |\n", $1, $2, $3, $4, $5, $6 / 1024, ($7 - c) / ($1 - t); t = $1; c = $7 }' "$dir/samples"
  echo
  echo "The generator's report:"
  echo
  echo '```'
  sed "s|$dir|DIR|g" "$dir/report.txt"
  echo '```'
  if [ -s "$dir/log" ]; then
    echo
    echo "The server's log, warnings and errors:"
    echo
    echo '```'
    head -n 20 "$dir/log"
    echo '```'
  fi
} >"$page"
