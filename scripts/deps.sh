#!/bin/sh
# Lists every module package that the binary links, without the project's own.
cd "$(dirname "$0")/.." || exit 1
GOOS=linux GOARCH=amd64 CGO_ENABLED=0 go list -deps ./cmd/fastftps | grep '\.' | grep -v '^fastftps' | LC_ALL=C sort
