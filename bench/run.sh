#!/bin/bash
# make bench: what a message costs.  bench/README.md says what is measured, and how.
#
#   BENCH_MESSAGES   messages in each topic (10000000)
#   BENCH_CODECS     compression of the topics, one topic each (none lz4)
#   BENCH_WORKLOADS  names in bench/workloads.sql (W1 W2 W3 W4)
#   BENCH_RUNS       times that everything is measured (3); medians are shown
#   BENCH_SETTINGS   a line for postgresql.conf (none: PostgreSQL's defaults)
#   BENCH_PERF       a directory: profiles of the worker by perf go there (none)
. "$(dirname "$0")/../test/lib/env.sh"
. "$SRC/bench/lib.sh"

messages=${BENCH_MESSAGES:-10000000}
codecs=${BENCH_CODECS:-none lz4}
workloads=${BENCH_WORKLOADS:-W1 W2 W3 W4}
runs=${BENCH_RUNS:-3}
results=$programs/results.tsv

now() { date +%s.%N; }

difference() { awk -v a="$1" -v b="$2" 'BEGIN { printf "%.3f", a - b }'; }

# ---- what /proc knows of the cluster --------------------------------------------

# CPU seconds of the whole cluster since its start: the postmaster, its children,
# and by the postmaster's cutime and cstime those that have ended.
cluster_cpu() {
	{ cat /proc/[0-9]*/stat 2>/dev/null || true; } | awk -v postmaster="$postmaster" -v hz="$(getconf CLK_TCK)" '
		{
			pid = $1
			sub(/^.*\) /, "")       # the name may hold blanks; $2 is now the parent
			if (pid == postmaster)
				ticks += $12 + $13 + $14 + $15
			else if ($2 == postmaster)
				ticks += $12 + $13
		}
		END { printf "%.2f", ticks / hz }'
}



# ---- one measurement ---------------------------------------------------------------

# Sets raw_per_cpu.
measure_raw() {
	local codec=$1 round=$2 line
	line=$("$programs/consume" "$KAPPA_BROKER" "bids_$codec")
	raw_per_cpu=$(field per_cpu_second "$line")
	printf '%s\t' "$codec" raw "$round" "$(field messages "$line")" "$(field seconds "$line")" \
		"$(field cpu_seconds "$line")" "$raw_per_cpu" "$(field peak_kb "$line")" >>"$results"
	printf '0\t0\t0\t0\t0\t0\t0\n' >>"$results"
}

# A view from its creation until it holds the whole topic.
measure_view() {
	local codec=$1 name=$2 round=$3 view=${2,,}
	local before after cpu_before cpu_after waiter workers='' half_kb peak_kb stats
	local samples=()

	sql -c CHECKPOINT
	cpu_before=$(cluster_cpu)
	before=$(now)
	sql -c "$(statement "$name" "bids_$codec")"
	sql -c "SELECT kappa.wait('$view', '1 hour')" >/dev/null &
	waiter=$!
	while kill -0 $waiter 2>/dev/null; do
		if [ -z "$workers" ]; then
			workers=$(worker_pids)
			[ -z "${BENCH_PERF:-}" ] || profile "$codec-$name-$round" $workers
		fi
		samples+=("$(anonymous_kb $workers)")
		sleep 0.1
	done
	wait $waiter || fail "$view did not catch up: $(sql -c "SELECT status, error FROM kappa.continuous_views")"
	after=$(now)
	cpu_after=$(cluster_cpu)
	[ -z "$profiler" ] || kill -INT "$profiler"
	profiler=

	half_kb=$(highest "${samples[@]:0:${#samples[@]} / 2}")
	peak_kb=$(highest "${samples[@]}")
	stats=$(sql -F $'\t' -c "SELECT batches, round(read_time::numeric), round(aggregate_time::numeric),
		round(merge_time::numeric), round(commit_time::numeric), groups_written
		FROM kappa.stat_views WHERE viewname = '$view'")
	{
		printf '%s\t' "$codec" "$name" "$round" "$messages" "$(difference "$after" "$before")" \
			"$(difference "$cpu_after" "$cpu_before")" "$raw_per_cpu" "$peak_kb" "$half_kb"
		echo "$stats"
	} >>"$results"
}

# Profiles the workers until the end of the catch-up.
profile() {
	local output=$BENCH_PERF/$1.data
	shift
	[ $# -gt 0 ] || return 0
	perf record -q -g -F 997 -p "$(paste -sd, <<<"${*// /$'\n'}")" -o "$output" &
	profiler=$!
}

# ---- is it right? ---------------------------------------------------------------

# The view equals its batch answer, and what the generator counted.
check_view() {
	local codec=$1 name=$2 view=${2,,} totals=$3 before differences answer expected
	before=$(now)
	differences=$(sql -c "SELECT count(*) FROM kappa.verify('$view')" 2>/dev/null)
	printf '%s\t%s\t%s\t%s\n' "$codec" "$name" "$differences" "$(difference "$(now)" "$before")" \
		>>"$programs/verified.tsv"
	[ "$differences" = 0 ] || wrong=1
	case $name in
		W1 | W2 | W3)
			answer=$(sql -F ' ' -c "SELECT sum(bids), sum(volume), max(highest) FROM $view")
			expected="$(field messages "$totals") $(field price_sum "$totals") $(field price_max "$totals")"
			if [ "$answer" != "$expected" ]; then
				say "$name ($codec): the view says $answer, the generator $expected" >&2
				wrong=1
			fi ;;
	esac
}

# ---- the whole ------------------------------------------------------------------

prepare
build_programs
: >"$results"
: >"$programs/verified.tsv"
wrong= profiler=

broker_start bench
cluster_start bench ${BENCH_SETTINGS:+"$BENCH_SETTINGS"}
postmaster=$(as_server head -1 "$CLUSTER/postmaster.pid")
sql -c 'CREATE EXTENSION pg_kappa'

declare -A totals
for codec in $codecs; do
	say "producing $messages messages ($codec)"
	topic create "bids_$codec" 2
	totals[$codec]=$("$programs/bids" -c "$codec" -m "$messages" "$KAPPA_BROKER" "bids_$codec")
	sql -v broker="$KAPPA_BROKER" -v stream="bids_$codec" -v topic="bids_$codec" \
		-f "$SRC/bench/stream.sql" 2>/dev/null
done

for ((round = 1; round <= runs; round++)); do
	for codec in $codecs; do
		for name in $workloads; do
			say "run $round of $runs: $name ($codec)"
			measure_raw "$codec" $round
			measure_view "$codec" "$name" $round
			if [ $round = "$runs" ]; then
				check_view "$codec" "$name" "${totals[$codec]}"
			fi
			sql -c "DROP VIEW ${name,,}"
		done
	done
done

"$SRC/bench/report" "$results" "$programs/verified.tsv" \
	"$(sql -c "SHOW server_version")" "$(field bytes "${totals[${codecs%% *}]}")"
[ -z "$wrong" ] || fail "a view is not equal to its batch answer"
