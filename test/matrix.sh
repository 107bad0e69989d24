#!/bin/bash
# make test-matrix: build and tests with the PostgreSQL, the compilers and the
# libraries of newer Debian releases.
#
# Each release is a directory, build/matrix/RELEASE, that debootstrap fills from
# the mirror that apt uses on this machine, once; remove it to start afresh.  In
# it runs what runs here for `make test`, on a copy of the source and without
# writing outside of it.  The compiler must not warn.
#
# RELEASES="trixie sid" names others, ONLY=pattern is make test's.  Root only.
#
# Mounts and processes live in namespaces of their own: both are gone when this
# script is, however it ends.
cd "$(dirname "$0")/.."
. test/lib/env.sh

RELEASES=${RELEASES:-trixie sid}
MATRIX=$BUILD/matrix
child=

stop_child() { [ -z "$child" ] || kill -KILL "$child" 2>/dev/null || true; }

# Runs a command, and all that it starts, in namespaces that end with it.
contained() {
	local status=0
	unshare --mount --pid --ipc --fork --kill-child "$@" </dev/null &
	child=$!
	wait "$child" || status=$?
	child=
	return $status
}

# The mirror that this machine's own release comes from.
mirror() {
	apt-get indextargets --format '$(RELEASE) $(REPO_URI)' 'Created-By: Packages' 'Component: main' |
		awk '$1 !~ /-/ { print $2; exit }'
}

# What a machine needs to reach that mirror as this one does.
apt_settings() {
	apt-config dump | grep -E '^Acquire::(https?::|Check-|Retries|ForceIPv)' || true
}

# Makes the directory of a release.
bootstrap() {
	local release=$1 new=$MATRIX/$1.new http_proxy=${http_proxy:-}
	[ -n "$http_proxy" ] || eval "$(apt-config shell http_proxy Acquire::http::Proxy)"
	rm -rf "$new"
	http_proxy=$http_proxy contained debootstrap --variant=minbase "$release" "$new" "$(mirror)"
	apt_settings >"$new/etc/apt/apt.conf.d/90pg_kappa"
	printf '#!/bin/sh\nexit 101\n' >"$new/usr/sbin/policy-rc.d"     # start no services
	chmod +x "$new/usr/sbin/policy-rc.d"
	mv "$new" "$MATRIX/$release"
}

# Copies the source, without anything made from it.
copy_source() {
	rm -rf "$1"
	mkdir -p "$1/build/kafka"
	tar -C "$SRC" --exclude=./build --exclude=./.git --exclude='*.o' --exclude='*.so' \
		--exclude='./sql/pg_kappa--*' -cf - . | tar -C "$1" -xf -
}

# Runs make test in the directory of a release.
run_tests() {
	local root=$1
	copy_source "$root/pg_kappa"
	cp /etc/resolv.conf "$root/etc/resolv.conf"
	contained bash -euc '
		mount -t proc proc "$1/proc"
		mount -t tmpfs tmpfs "$1/dev/shm"
		mount -t tmpfs tmpfs "$1/tmp"
		mount --bind "$2" "$1/pg_kappa/build/kafka"
		exec chroot "$1" env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root \
			ONLY="${ONLY:-}" /pg_kappa/test/run.sh' contained "$root" "$BUILD/kafka"
}

# A line for one release; its log if it failed.
try_release() {
	local release=$1 root=$MATRIX/$1 log=$MATRIX/$1.log version status=0 made
	: >"$log"
	[ -d "$root" ] || bootstrap "$release" >>"$log" 2>&1 || status=$?
	[ $status != 0 ] || run_tests "$root" >>"$log" 2>&1 || status=$?
	made=$root/pg_kappa/build
	if [ $status = 0 ] && grep -n 'warning:' "$made/make.log" >>"$log" 2>&1; then
		status=1
	fi
	version=$(cat "$made/made_for" 2>/dev/null) || version="no PostgreSQL"
	if [ $status = 0 ]; then
		printf '%-10s %s: ok, %s\n' "$release" "$version" "$(sed -n '$s/^pg_kappa: //p' "$log")"
	else
		printf '%-10s %s: FAILED; all output: %s\n' "$release" "$version" "$log"
		tail -n 100 "$log"
	fi
	return $status
}

[ "$(id -u)" = 0 ] || fail "make test-matrix needs root, for chroot and debootstrap"
for program in apt-get unshare chroot; do
	command -v $program >/dev/null || fail "make test-matrix needs Debian and its program $program"
done
unshare --mount --pid --ipc --fork true 2>/dev/null ||
	fail "make test-matrix needs the right to make namespaces (a container without it?)"
[ -n "$(mirror)" ] || fail "apt's sources name no Debian mirror"
trap stop_child EXIT
trap 'exit 130' INT
trap 'exit 143' TERM
trap 'exit 129' HUP

"$SRC/test/lib/packages.sh"
command -v debootstrap >/dev/null ||
	DEBIAN_FRONTEND=noninteractive quietly debootstrap apt-get -q -y install --no-install-recommends debootstrap
WORK=$BUILD
kafka_jars

mkdir -p "$MATRIX"
failed=0
for release in $RELEASES; do
	try_release "$release" || failed=1
done
exit $failed
