#!/bin/sh
# Runs the tests of kernel TLS under Debian's user-mode-linux: a kernel with the TLS
# module, as an ordinary process without KVM. The packages are unpacked into a cache,
# not installed. Where they cannot be had the script says so and ends well.
set -eu
cd "$(dirname "$0")/.."

cache=${XDG_CACHE_HOME:-$HOME/.cache}/fastftps/uml
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

skip() {
	echo "uml-ktls.sh: skipped: $1"
	exit 0
}

# The packages, once.
if [ ! -x "$cache/usr/bin/linux.uml" ] || [ ! -x "$cache/bin/busybox" ]; then
	command -v apt-get >/dev/null || skip "no apt-get here for user-mode-linux"
	(cd "$work" && apt-get download -q user-mode-linux busybox-static) >"$work/apt.log" 2>&1 ||
		skip "apt-get download user-mode-linux busybox-static: $(tail -n 1 "$work/apt.log")"
	mkdir -p "$cache"
	for deb in "$work"/*.deb; do
		dpkg -x "$deb" "$cache"
	done
fi

# The root: busybox, modules, test binaries, and the program that runs them.
root=$work/root
mkdir -p "$root/bin" "$root/dev" "$root/proc" "$root/sys" "$root/tmp" "$root/test"
cp "$cache/bin/busybox" "$root/bin"
for m in gf128mul ctr ghash-generic gcm tls; do
	find "$cache/usr/lib/uml/modules" -name "$m.ko" -exec cp {} "$root/" \;
done
for pkg in tlsconn/ktls tlsconn dataplane cmd/fastftps; do
	CGO_ENABLED=0 go test -c -o "$root/test/$(basename $pkg).test" "./$pkg"
done
cat >"$root/init" <<'INIT'
#!/bin/busybox sh
export PATH=/bin HOME=/tmp KTLS=required
busybox mount -t proc proc /proc
busybox --install -s /bin
mount -t sysfs sysfs /sys
mount -t devtmpfs dev /dev
ifconfig lo 127.0.0.1 netmask 255.0.0.0 up
for m in gf128mul ctr ghash-generic gcm tls; do
	insmod /$m.ko || echo "FAIL: module $m"
done
cd /tmp
run() {
	echo "=== $*"
	pkg=$1
	shift
	"/test/$pkg.test" -test.v -test.timeout 5m "$@" 2>&1 || echo "FAIL: $pkg"
}
run ktls
run tlsconn -test.run '^TestKernel'
run dataplane -test.run '^TestKernel'
run dataplane -test.run '^Test(Download|DownloadCut|DownloadFile|Abort|Stop|Listing|OnePortForAll|HandshakeBeforeCommand)$/^kernel$'
run fastftps -test.run '^TestKernel'
echo "=== end"
poweroff -f
INIT
chmod +x "$root/init"
(cd "$root" && find . | "$cache/bin/busybox" cpio -o -H newc 2>/dev/null) >"$work/initrd"

# The kernel leaves through reboot(2); what it says on the console is the result.
log=$work/log
env -u TMPDIR timeout 1200 "$cache/usr/bin/linux.uml" mem=512M initrd="$work/initrd" \
	con0=null,fd:1 con=null quiet panic=-1 </dev/null >"$log" 2>&1 || true

grep -aE '^=== [^RPCN]|^(---|FAIL|panic:|ok)|^ *--- (FAIL|SKIP)' "$log" | grep -avE '^--- PASS' || true
failed=$(grep -acE '^ *(--- )?FAIL|^panic:' "$log" || true)
skipped=$(grep -acE '^ *--- SKIP' "$log" || true)
passed=$(grep -acE '^ *--- PASS' "$log" || true)
echo "under user-mode-linux: $passed passed, $failed failed, $skipped skipped"
if [ "$failed" -ne 0 ] || [ "$passed" -eq 0 ] || ! grep -aq '^=== end' "$log"; then
	grep -avE '^ *(--- PASS|=== )' "$log" | tail -n 100
	exit 1
fi
