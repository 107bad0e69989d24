#!/bin/bash
# make bench-memory: what a worker's memory does over long backlogs.  bench/README.md
# says what is measured, and how.
#
#   BENCH_MESSAGES   messages in the topic of bids (10000000)
#   BENCH_MEMORY     values of pg_kappa.memory (256MB 32MB)
#   BENCH_CASES      ordinary, bad, large, partitions, views (all of them)
#   BENCH_SETTINGS   a line for postgresql.conf (none: PostgreSQL's defaults)
. "$(dirname "$0")/../test/lib/env.sh"
. "$SRC/bench/lib.sh"

messages=${BENCH_MESSAGES:-10000000}
settings=${BENCH_MEMORY:-256MB 32MB}
cases=${BENCH_CASES:-ordinary bad large partitions views}
large_messages=2000
wrong=

# ---- topics --------------------------------------------------------------------

# A topic of bids; a stream of the same name over it.
produce_bids() {
	local name=$1 partitions=$2 count=$3 codec=$4
	topic create "$name" "$partitions"
	"$programs/bids" -c "$codec" -m "$count" "$KAPPA_BROKER" "$name" >/dev/null
}

# A third of the messages are good, and come first; then nothing but rubbish.
produce_bad() {
	local count=$((messages / 5))
	topic create bad 2
	awk -v n="$count" 'BEGIN { for (i = 0; i < n; i++) print (i < n / 3 ? "{\"auction\": " i % 1000 "}" : "{\"auction\":") }' |
		kcat -P -b "$KAPPA_BROKER" -t bad -X partitioner=random -X linger.ms=50 -X queue.buffering.max.messages=1000000
}

# Messages of 950,000 bytes, which is about what a broker takes by default.
produce_large() {
	local file=$KAPPA_TMP/large i
	topic create large 2
	for i in 1 2 3 4 5 6 7 8; do
		printf '{"auction": %d, "price": %d, "extra": "%s"}' $i $i "$(head -c 712500 /dev/urandom | base64 -w 0)" >"$file.$i"
	done
	for ((i = 0; i < large_messages; i += 8)); do
		echo "$file".[1-8]
	done | xargs kcat -P -b "$KAPPA_BROKER" -t large -X partitioner=random -X message.max.bytes=1000000
}

# ---- cases: each prints the statement that creates its views ------------------------

views_ordinary() { statement W1 bids; statement W2 bids; statement W3 bids; }

views_bad() { echo 'CREATE CONTINUOUS VIEW bad_bids AS SELECT auction, count(*) FROM bad GROUP BY 1;'; }

views_large() { echo 'CREATE CONTINUOUS VIEW large_bids AS SELECT auction, count(*), max(length(extra)) FROM large GROUP BY 1;'; }

views_partitions() { statement W1 bids_50; }

views_views() {
	local i
	for i in {1..20}; do
		statement W3 bids_tenth | sed "s/VIEW w3/VIEW w3_$i/"
	done
}

produce_case() {
	case $1 in
		ordinary) produce_bids bids 2 "$messages" none ;;
		bad) produce_bad ;;
		large) produce_large ;;
		partitions) produce_bids bids_50 50 "$messages" lz4 ;;
		views) produce_bids bids_tenth 2 $((messages / 10)) none ;;
	esac
}

stream_of() {
	case $1 in
		ordinary) echo bids ;;
		partitions) echo bids_50 ;;
		views) echo bids_tenth ;;
		*) echo "$1" ;;
	esac
}

# ---- one measurement ---------------------------------------------------------------

# Messages that the views of the case have to read, all together.
expected_rows() {
	case $1 in
		ordinary) echo $((messages * 3)) ;;
		bad) echo $((messages / 5)) ;;
		large) echo $large_messages ;;
		partitions) echo "$messages" ;;
		views) echo $((messages / 10 * 20)) ;;
	esac
}

# From the creation of the views until they hold everything.
measure() {
	local name=$1 memory=$2 expected done=0 step=1 kb peak=0 line worker asked=0
	expected=$(expected_rows "$name")
	line=$(printf '%-11s %-6s %11s ' "$name" "$memory" "$expected")
	sql -c "$("views_$name")"
	until worker=$(worker_pids) && [ -n "$worker" ]; do sleep 0.05; done
	while [ "$step" -le 10 ]; do
		kb=$(anonymous_kb $worker)
		[ "$kb" -le $peak ] || peak=$kb
		if [ "${EPOCHREALTIME/./}" -ge $asked ]; then
			asked=$((${EPOCHREALTIME/./} + 300000))
			done=$(sql -c 'SELECT sum(rows_read) FROM kappa.stat_views')
			while [ "$step" -le 10 ] && [ "$done" -ge $((expected / 10 * step)) ]; do
				line+=$(printf ' %5d' $((kb / 1024)))
				step=$((step + 1))
			done
		fi
		sleep 0.02
	done
	# What it keeps when there is nothing left to do.
	sleep 5
	kb=$(anonymous_kb $worker)
	printf '%s %7d %7d\n' "$line" $((peak / 1024)) $((kb / 1024))
}

# The views equal their batch answers.
check() {
	local view
	for view in $(sql -c 'SELECT view FROM kappa.views ORDER BY 1 LIMIT 3'); do
		[ "$(sql -c "SELECT count(*) FROM kappa.verify('$view')" 2>/dev/null)" = 0 ] ||
			{ say "$view is not equal to its batch answer" >&2; wrong=1; }
	done
}

drop_views() {
	sql -c "SELECT format('DROP VIEW %s', view) FROM kappa.views" | while read -r statement; do
		sql -c "$statement" </dev/null
	done
	# The next case begins with a new worker.
	while [ -n "$(worker_pids)" ]; do sleep 0.1; done
}

# ---- the whole ------------------------------------------------------------------

prepare
build_programs
broker_start bench
cluster_start bench 'pg_kappa.workers = 1' ${BENCH_SETTINGS:+"$BENCH_SETTINGS"}
sql -c 'CREATE EXTENSION pg_kappa'

for name in $cases; do
	say "producing: $name"
	produce_case "$name"
	stream=$(stream_of "$name")
	sql -v broker="$KAPPA_BROKER" -v stream="$stream" -v topic="$stream" -f "$SRC/bench/stream.sql" 2>/dev/null
done

printf '\nMB of its own that the worker has after each tenth of the messages, at most, and 5 s after the end\n\n'
printf '%-11s %-6s %11s  %5s %5s %5s %5s %5s %5s %5s %5s %5s %5s %7s %7s\n' case memory messages \
	10% 20% 30% 40% 50% 60% 70% 80% 90% 100% most after
for memory in $settings; do
	sql -c "ALTER SYSTEM SET pg_kappa.memory = '$memory'" -c 'SELECT pg_reload_conf()' >/dev/null
	for name in $cases; do
		measure "$name" "$memory"
		check
		drop_views
	done
done
[ -z "$wrong" ] || fail "a view is not equal to its batch answer"
