#!/bin/sh
# Unpacks the FTP servers that `make bench-peers` measures into a folder, from
# Debian's packages: as packages they exclude one another. Needs root, for the
# libraries they use, a system user and a PAM service.
#
#   install-peers.sh FOLDER
set -eu

folder=${1:?usage: install-peers.sh FOLDER}
packages='vsftpd proftpd-core proftpd-mod-crypto pure-ftpd python3-pyftpdlib'

if [ ! -e "$folder/done" ]; then
	apt-get update -q
	DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends \
		iproute2 python3 python3-openssl libacl1 libcap2 libcrypt1 libhiredis0.14 libidn2-0 libmemcached11 \
		libmemcachedutil2 libncursesw6 libpam0g libpam-modules libpcre2-8-0 libpcre2-posix3 libsodium23 libssl3 libwrap0 zlib1g
	mkdir -p "$folder/deb"
	# shellcheck disable=SC2086 # a list of words
	(cd "$folder/deb" && apt-get download -q $packages)
	for deb in "$folder"/deb/*.deb; do
		dpkg-deb -x "$deb" "$folder"
	done
	for deb in "$folder"/deb/*.deb; do
		dpkg-deb -W --showformat='${Package} ${Version}\n' "$deb"
	done >"$folder/versions"
	touch "$folder/done"
fi

# The servers that log system users in get one whose hash is cheap to check.
if ! id ftpbench >/dev/null 2>&1; then
	useradd --no-create-home --shell /bin/sh ftpbench
fi
usermod --password "$(openssl passwd -1 -salt bench bench)" --shell /bin/sh ftpbench

cat >/etc/pam.d/fastftps-bench <<'PAM'
auth     required pam_permit.so
account  required pam_permit.so
session  required pam_permit.so
PAM
