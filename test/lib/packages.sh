#!/bin/bash
# Installs what pg_kappa's demo, tests and benchmark need and this machine lacks:
# Debian packages, by apt-get, as root or through sudo.  Quiet, and without any
# look at the network, when everything is there.  PG_CONFIG names a PostgreSQL
# of the caller's own; without it Debian's server is used (and installed).
set -euo pipefail
here=$(dirname "${BASH_SOURCE[0]}")

installed() { [ "$(dpkg-query -W -f='${db:Status-Status}' "$1" 2>/dev/null)" = installed ]; }
command_there() { command -v "$1" >/dev/null 2>&1; }

# The major version of the PostgreSQL to use: the caller's, else the newest
# whose server is installed, else the one that this Debian release calls its own.
debian_major() {
	local config dir
	config=$(command -v "${PG_CONFIG:-pg_config}" || true)
	if [ -n "$config" ]; then
		dir=$("$config" --bindir)
		case $dir in
			/usr/lib/postgresql/*/bin) dir=${dir#/usr/lib/postgresql/}; echo "${dir%/bin}"; return ;;
		esac
		[ -n "${PG_CONFIG:-}" ] && return       # not Debian's: the caller's own affair
	fi
	apt-cache depends postgresql 2>/dev/null |
		sed -n 's/.*Depends: postgresql-\([0-9][0-9]*\)$/\1/p' | head -1
}

# Prints the packages that are missing, one a line.
missing() {
	local p major
	for p in librdkafka-dev libsimdjson-dev libipc-run-perl \
			libtap-parser-sourcehandler-pgtap-perl; do
		installed $p || echo $p
	done
	command_there gcc || echo gcc
	command_there g++ || echo g++
	command_there make || echo make
	command_there prove || echo perl
	command_there kcat || echo kcat
	command_there jq || echo jq
	command_there java || echo default-jre-headless
	if ! cmp -s "$here/../pom.xml" "${BUILD:-/none}/kafka/pom.xml"; then
		command_there mvn || echo maven
	fi
	major=$(debian_major)
	if [ -n "$major" ]; then
		for p in postgresql-$major postgresql-server-dev-$major postgresql-$major-pgtap; do
			installed $p || echo $p
		done
	elif [ -z "${PG_CONFIG:-}" ]; then
		echo postgresql                         # no package lists yet: see below
	fi
}

if ! command_there apt-get; then
	echo "pg_kappa: 'make test', 'make demo' and 'make bench' install their packages with apt-get; this machine has none (Debian 12 or later is needed)" >&2
	exit 1
fi

packages=$(missing)
[ -z "$packages" ] && exit 0

if [ "$(id -u)" = 0 ]; then
	root=()
elif command_there sudo && sudo -n true 2>/dev/null; then
	root=(sudo -n)
else
	cat >&2 <<-EOF
	pg_kappa: packages are missing, and without root or sudo they cannot be installed. As root, run

	    apt-get update && apt-get install --no-install-recommends $(echo $packages)

	EOF
	exit 1
fi
as_root() { ${root[@]+"${root[@]}"} "$@" </dev/null; }
apt() {
	as_root env DEBIAN_FRONTEND=noninteractive apt-get -q -y \
		-o Dpkg::Use-Pty=0 -o DPkg::Lock::Timeout=600 -o Acquire::Retries=3 "$@"
}

log=${BUILD:-/tmp}/packages.log
quietly() {
	if ! "$@" >>"$log" 2>&1; then
		tail -n 40 "$log" >&2
		echo "pg_kappa: failed: $*" >&2
		exit 1
	fi
}
mkdir -p "${log%/*}"
: >"$log"
echo "pg_kappa: installing $(echo $packages)"
quietly apt update
packages=$(missing)                             # with the package lists the major version is known
if grep -qx postgresql <<<"$packages"; then
	echo "pg_kappa: apt-get knows no package postgresql" >&2
	exit 1
fi

# Installing Debian's server must not leave a running cluster behind.
policy=
if ! installed postgresql-common; then
	policy=/etc/postgresql-common/createcluster.d/pg_kappa.conf
	as_root mkdir -p "${policy%/*}"
	echo 'create_main_cluster = false' | ${root[@]+"${root[@]}"} tee "$policy" >/dev/null
	trap 'as_root rm -f "$policy"' EXIT
fi
quietly apt install --no-install-recommends $packages
