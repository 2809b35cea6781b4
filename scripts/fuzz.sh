#!/bin/sh
# Runs every fuzz target for a time, two at once on one processor each, and
# prints what a target said if it failed. Go calls it a failure, too, when the time is
# over while an input runs on a busy machine: "context deadline exceeded" and no input.
#
#   fuzz.sh [TIME]
set -eu

time=${1:-10s}
cd "$(dirname "$0")/.."
logs=$(mktemp -d)
trap 'rm -rf "$logs"' EXIT

targets() {
	grep -rl --include='*_test.go' '^func Fuzz' . | xargs -n1 dirname | sort -u | while read -r pkg; do
		grep -ho --include='*_test.go' '^func Fuzz[A-Za-z0-9_]*' "$pkg"/*_test.go | sed "s|func |$pkg |" | sort -u
	done
}

targets | xargs -P 2 -n 2 sh -c '
	log=$2/$(echo "$3.$4" | tr / _)
	if go test -run "^\$" -fuzz "^$4\$" -fuzztime "$1" -parallel 1 "$3" >"$log" 2>&1; then
		echo "ok   $3 $4 $(grep -o "execs: [0-9]*" "$log" | tail -1)"
	elif grep -q "^ *context deadline exceeded" "$log" && ! grep -qE "Failing input|panic:|_test.go:|_fuzz" "$log"; then
		echo "ok   $3 $4 $(grep -o "execs: [0-9]*" "$log" | tail -1), ended in the middle of an input"
	else
		cat "$log"
		echo "FAIL $3 $4"
		exit 1
	fi
' sh "$time" "$logs"
