#!/bin/bash
# make test: every test, against a private PostgreSQL and a real Kafka broker.
#
# ONLY=pattern takes the files whose path under test/ matches the (extended) regular
# expression.  README.md beside this file says how to write tests.
cd "$(dirname "$0")/.."
. test/lib/env.sh

LIMIT=${TEST_LIMIT:-1200}       # seconds after which a test file counts as hanging
passed=0 failed=0 failures=()
results=$BUILD/results

# report NAME PASSED FAILED SECONDS LOG
report() {
	passed=$((passed + $2)) failed=$((failed + $3))
	if [ "$3" = 0 ]; then
		printf '%-36s ok      %4d passed  %4d s\n' "$1" "$2" "$4"
	else
		printf '%-36s FAILED  %4d passed, %d failed  %4d s\n' "$1" "$2" "$3" "$4"
		failures+=("$1")
		echo "---- $5"
		grep -E '^(not ok|Bail out|#|psql:|Dubious|ERROR)|failed|^Parse errors' "$5" | tail -n 60 || true
		echo "----"
	fi
}

wanted() { grep -qE "${ONLY:-.}" <<<"$1"; }

# The files of a folder that ONLY lets pass.
files_of() {
	local file
	for file in "$TESTS/$1"/*."$2"; do
		[ -e "$file" ] && wanted "$1/${file##*/}" && echo "$file"
	done
	true
}

# pg_regress and isolation tests, through installcheck as a user would run it.
run_regress() {
	local names specs out=$results/regress log=$results/regress.log start=$SECONDS ok=0 bad=0 status=0
	names=$(files_of sql sql | sed 's|.*/||; s|\.sql$||')
	specs=$(files_of specs spec | sed 's|.*/||; s|\.spec$||')
	[ -n "$names$specs" ] || return 0
	mkdir -p "$out"
	ln -sfn "$SRC/expected" "$out/expected"
	timeout -k 10 "$LIMIT" make -C "$SRC" PG_CONFIG="$PG_CONFIG" OUTPUT="$out" \
		REGRESS="$(echo $names)" ISOLATION="$(echo $specs)" -k installcheck >"$log" 2>&1 </dev/null || status=$?
	ok=$(grep -cE '^(test .* ok( |$)|ok [0-9]+ )' "$log") || true
	bad=$(grep -cE '^(test .* FAILED|not ok [0-9]+ )' "$log") || true
	[ $status != 0 ] && [ "$bad" = 0 ] && bad=1
	[ -s "$out/regression.diffs" ] && head -n 400 "$out/regression.diffs"
	report "regress and isolation" "$ok" "$bad" $((SECONDS - start)) "$log"
}

# run_tap FILE COMMAND ...: one file of pgTAP or Perl, as the command's last argument.
run_tap() {
	local file=$1 name ok bad status=0 start=$SECONDS log
	shift
	name=${file#"$TESTS/"}
	log=$results/${name//\//_}.log
	as_server timeout -k 10 "$LIMIT" "$@" "$file" >"$log" 2>&1 </dev/null || status=$?
	ok=$(grep -cE '^ok [0-9]+' "$log") || true
	bad=$(grep -E '^not ok [0-9]+' "$log" | grep -cv '# TODO') || true
	[ $status = 124 ] && echo "ERROR: more than $LIMIT seconds" >>"$log"
	[ $status != 0 ] && [ "$bad" = 0 ] && bad=1
	report "$name" "$ok" "$bad" $((SECONDS - start)) "$log"
}

run_pgtap() {
	local file files
	files=$(files_of pgtap sql)
	[ -n "$files" ] || return 0
	psql -qX -c 'CREATE DATABASE kappa_test'
	PGDATABASE=kappa_test psql -qX -v ON_ERROR_STOP=1 \
		-c 'CREATE EXTENSION pgtap' -c 'CREATE EXTENSION pg_kappa' -f "$TESTS/lib/helpers.sql"
	for file in $files; do
		PGDATABASE=kappa_test run_tap "$file" pg_prove --norc -v --psql-bin "$PGBIN/psql"
	done
}

# The logs of a Perl test that failed: its own, whose end is shown, and those of its servers.
keep_logs() {
	local name=t/${1##*/} logs
	[[ " ${failures[*]-} " = *" $name "* ]] || return 0
	logs=$results/${name//\//_}.logs
	mkdir -p "$logs"
	cp "$TESTDIR"/tmp_check/log/* "$logs/" 2>/dev/null || true
	tail -n 30 "$logs"/regress_log_* 2>/dev/null || true
	echo "----"
}

run_perl() {
	local file
	TAP=$WORK/tap
	server_dir "$TAP"
	for file in $(files_of t pl); do
		export TESTDIR=$TAP/${file##*/}
		export TESTDATADIR=$TESTDIR/tmp_check TESTLOGDIR=$TESTDIR/tmp_check/log     # from 16 on
		rm -rf "$TESTDIR"
		server_dir "$TESTDIR"
		run_tap "$file" prove --norc -v
		keep_logs "$file"
	done
}

prepare
rm -rf "$results"
mkdir -p "$results"
broker_start main
cluster_start main "fsync = off" "max_worker_processes = 16" "max_prepared_transactions = 5"

run_regress
run_pgtap
run_perl

if grep -qE 'terminated by signal|TRAP:|PANIC' "$CLUSTER/log"; then
	report "server log: no crash" 0 1 0 "$CLUSTER/log"
fi
if [ ${#failures[@]} -gt 0 ]; then
	cp "$CLUSTER/log" "$results/server.log"
	echo "failed: ${failures[*]}"
	echo "logs: $results; the server's: $results/server.log, its end:"
	tail -n 40 "$results/server.log"
fi
echo "pg_kappa: $passed passed, $failed failed ($SECONDS s)"
[ $failed = 0 ] && [ $passed -gt 0 ]
