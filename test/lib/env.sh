# What tests, demo and benchmark stand on: a private PostgreSQL with pg_kappa
# installed in it, Kafka's jars, brokers and clusters, all of it under build/, and
# nothing left behind.  To be sourced by a bash script at the root of the repository:
#
#	. test/lib/env.sh
#	prepare                    # packages, Kafka's jars, private PostgreSQL, make install
#	broker_start main          # sets KAPPA_BROKER=host:port
#	cluster_start main "work_mem = '64MB'"     # sets PGHOST, PGPORT, PGUSER; psql just works
#	psql -c '...'
#
# Everything started is stopped when the script ends, however it ends, unless it
# called leave_running.
#
# How the private PostgreSQL works: a server finds its files relative to its own
# binary, so a copy of the installation (PG_CONFIG's, else Debian's) at
# $WORK/pg/<the same path> is an installation of its own, and `make install
# PG_CONFIG=<the copy's>` puts pg_kappa there.  The machine's own is not touched.
#
# How it works as root: PostgreSQL refuses to run as root, so its programs run as
# the user `postgres` (or `nobody`).  When build/ cannot be reached by that user (a
# clone under /root, say), WORK is not build/ but a temporary directory, removed
# at the end.
set -euo pipefail
umask 022

SRC=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
BUILD=$SRC/build
mkdir -p "$BUILD"
export BUILD
export LC_ALL=C.UTF-8
export PGCTLTIMEOUT=180             # a machine may be slow
unset PGHOST PGPORT PGUSER PGDATABASE PGDATA PGSERVICE PGPASSWORD PGOPTIONS MAKEFLAGS MAKELEVEL MFLAGS

started_brokers=() started_clusters=()

say() { echo "pg_kappa: $*"; }
fail() { echo "pg_kappa: $*" >&2; exit 1; }

# Runs a command and shows its output only when it fails.
quietly() {
	local log=$BUILD/$1.log
	shift
	if ! "$@" >"$log" 2>&1 </dev/null; then
		tail -n 60 "$log" >&2
		fail "failed: $* (all output: $log)"
	fi
}

# ---- the user that servers run as, and the place where they live -------------

# Runs a command as the user that may run PostgreSQL, in a directory of that user's.
as_server() {
	if [ "$(id -u)" = 0 ]; then
		setpriv --reuid="$SERVER_USER" --regid="$(id -g "$SERVER_USER")" --clear-groups \
			env -C "${KAPPA_TMP:-/}" HOME="$WORK" USER="$SERVER_USER" "$@"
	else
		env -C "${KAPPA_TMP:-/}" "$@"
	fi
}

# Sets SERVER_USER, WORK (where servers live) and RUN (sockets; short, as their paths must be).
find_place() {
	SERVER_USER=$(id -un)
	if [ "$(id -u)" = 0 ]; then
		SERVER_USER=nobody
		id postgres >/dev/null 2>&1 && SERVER_USER=postgres
	fi
	RUN=$(mktemp -d "${TMPDIR:-/tmp}/pg_kappa.XXXXXX")
	chmod 755 "$RUN"
	WORK=$BUILD
	unset KAPPA_TMP
	if ! (as_server test -r "$SRC/test/lib/env.sh" -a -x "$BUILD" 2>/dev/null); then
		WORK=$RUN/work
		mkdir "$WORK"
	fi
	export KAPPA_TMP=$WORK/tmp.$$
	server_dir "$KAPPA_TMP"
	TESTS=$SRC/test
	if [ "$WORK" != "$BUILD" ]; then
		mkdir "$WORK/src"
		tar -C "$SRC" --exclude=./build --exclude=./.git -cf - . | tar -C "$WORK/src" -xf -
		chmod -R a+rX "$WORK/src"
		TESTS=$WORK/src/test
	fi
	export KAPPA_TESTS=$TESTS PATH=$TESTS/lib:$PATH
}

# Makes a directory that belongs to the server's user.
server_dir() {
	mkdir -p "$1"
	if [ "$(id -u)" = 0 ]; then
		chown "$SERVER_USER" "$1"
	fi
}

# ---- installing ----------------------------------------------------------------

kafka_jars() {
	export KAFKA_LIB=$BUILD/kafka/lib
	if ! cmp -s "$SRC/test/pom.xml" "$BUILD/kafka/pom.xml"; then
		say "fetching Kafka with Maven"
		rm -rf "$BUILD/kafka"
		mkdir -p "$BUILD/kafka"
		quietly maven mvn -B -f "$SRC/test/pom.xml" dependency:copy-dependencies \
			-DincludeScope=runtime -DoutputDirectory="$KAFKA_LIB"
		cp "$SRC/test/pom.xml" "$BUILD/kafka/pom.xml"
	fi
	if [ "$WORK" != "$BUILD" ]; then
		mkdir -p "$WORK/kafka"
		cp -r "$KAFKA_LIB" "$WORK/kafka/lib"
		KAFKA_LIB=$WORK/kafka/lib
	fi
}

# Copies the installation of PG_CONFIG to $WORK/pg, and sets PG_CONFIG to the copy's.
private_postgres() {
	local config=${PG_CONFIG:-} root=$WORK/pg dir id
	if [ -z "$config" ]; then
		config=$(ls -d /usr/lib/postgresql/*/bin/pg_config 2>/dev/null | sort -V | tail -1)
		command -v pg_config >/dev/null && config=pg_config
	fi
	command -v "$config" >/dev/null || fail "no such program: PG_CONFIG=$config"
	local bindir libdir sharedir
	bindir=$("$config" --bindir) libdir=$("$config" --pkglibdir) sharedir=$("$config" --sharedir)
	id="$("$config" --version) $bindir $(stat -c %Y "$bindir/postgres")"
	if [ "$(cat "$root/id" 2>/dev/null)" != "$id" ]; then
		rm -rf "$root"
		for dir in "$bindir" "$libdir" "$sharedir"; do
			[ -e "$root$dir" ] && continue      # inside one copied before
			mkdir -p "$root${dir%/*}"
			cp -a "$dir" "$root${dir%/*}/"
		done
		for dir in "$("$config" --includedir)" "$("$config" --libdir)" \
				"$("$config" --includedir-server)" /usr/share/postgresql-common; do
			[ -e "$root$dir" ] || [ ! -e "$dir" ] && continue
			mkdir -p "$root${dir%/*}"
			ln -s "$dir" "$root$dir"
		done
		echo "$id" >"$root/id"
	fi
	PG_CONFIG=$root$bindir/pg_config
	PGBIN=$root$bindir
	export PG_CONFIG PGBIN PATH=$PGBIN:$PATH
	[ -e "$root$sharedir/extension/pgtap.control" ] ||
		cp /usr/share/postgresql/*/extension/pgtap* "$root$sharedir/extension/" 2>/dev/null || true
}

# Builds pg_kappa and installs it in the private PostgreSQL.
install_extension() {
	local id
	id=$("$PG_CONFIG" --version)
	if [ "$(cat "$BUILD/made_for" 2>/dev/null)" != "$id" ]; then
		quietly clean make -C "$SRC" PG_CONFIG="$PG_CONFIG" clean
		echo "$id" >"$BUILD/made_for"
	fi
	quietly make make -C "$SRC" -j"$(nproc)" PG_CONFIG="$PG_CONFIG"
	quietly install make -C "$SRC" PG_CONFIG="$PG_CONFIG" install
}

prepare() {
	"$SRC/test/lib/packages.sh"
	find_place
	trap cleanup EXIT
	trap 'exit 130' INT
	trap 'exit 143' TERM
	trap 'exit 129' HUP
	kafka_jars
	private_postgres
	say "building"
	install_extension
	PG_REGRESS=$("$PG_CONFIG" --pgxs)
	export PG_REGRESS=${PG_REGRESS%/makefiles/pgxs.mk}/test/regress/pg_regress
	export PERL5LIB=$TESTS/lib:${PG_REGRESS%/regress/pg_regress}/perl${PERL5LIB:+:$PERL5LIB}
}

# ---- brokers ---------------------------------------------------------------------

# broker_start NAME [PROPERTY=VALUE ...]: a broker of its own; its address in KAPPA_BROKER.
broker_start() {
	local dir=$WORK/brokers/$1
	shift
	started_brokers+=("$dir")
	broker kill "$dir"
	rm -rf "$dir"
	server_dir "$WORK/brokers"
	KAPPA_BROKER=$(as_server broker start "$dir" "$@")
	export KAPPA_BROKER
}

# ---- clusters --------------------------------------------------------------------

# cluster_start NAME [LINE OF postgresql.conf ...]: a new cluster, reached through a
# socket in $RUN; a line "listen_addresses = ..." opens it further.
cluster_start() {
	local dir=$WORK/clusters/$1 line
	shift
	started_clusters+=("$dir")
	cluster_stop "$dir"
	rm -rf "$dir"
	server_dir "$WORK/clusters"
	as_server "$PGBIN/initdb" -D "$dir" -A trust -U postgres --no-sync -E UTF8 --locale=C.UTF-8 >/dev/null
	server_dir "$RUN/sockets"
	PGHOST=$RUN/sockets PGUSER=postgres PGDATABASE=postgres
	PGPORT=$((10000 + RANDOM % 20000))
	export PGHOST PGPORT PGUSER PGDATABASE
	{
		echo "port = $PGPORT"
		echo "unix_socket_directories = '$PGHOST'"
		echo "listen_addresses = ''"
		echo "shared_preload_libraries = 'pg_kappa'"
		echo "log_line_prefix = '%m [%p] %b %d '"
		for line; do
			echo "$line"
		done
	} | as_server tee -a "$dir/postgresql.conf" >/dev/null
	as_server "$PGBIN/pg_ctl" -D "$dir" -l "$dir/log" -w -s start || { cat "$dir/log" >&2; exit 1; }
	CLUSTER=$dir
}

# cluster_stop DIRECTORY [MODE]
cluster_stop() {
	if [ -s "$1/postmaster.pid" ]; then
		as_server "$PGBIN/pg_ctl" -D "$1" -m "${2:-immediate}" -w -s stop || true
	fi
}

# ---- the end ------------------------------------------------------------------------

# Stops the clusters and brokers that were started, and those that test files left in TAP.
cleanup() {
	local status=$? dir
	trap '' INT TERM HUP
	for dir in "${started_clusters[@]}" $(find "${TAP:-/none}" -name postmaster.pid -printf '%h ' 2>/dev/null); do
		cluster_stop "$dir"
	done
	for dir in "${started_brokers[@]}" $(find "${TAP:-/none}" -name server.properties -printf '%h ' 2>/dev/null); do
		broker kill "$dir" || true
	done
	cd /
	rm -rf "$KAPPA_TMP" "$RUN"
	exit $status
}

# Leaves everything running after the end of the script, and writes build/stop,
# which stops it.
leave_running() {
	{
		echo "#!/bin/bash"
		declare -p SRC BUILD WORK RUN KAPPA_TMP PGBIN SERVER_USER PATH started_brokers started_clusters
		declare -f as_server cluster_stop cleanup
		echo 'rm -f "$BUILD/stop"'
		echo 'cleanup'
	} >"$BUILD/stop"
	chmod +x "$BUILD/stop"
	trap - EXIT INT TERM HUP
}
