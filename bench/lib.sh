# What run.sh and memory.sh share; to be sourced after test/lib/env.sh.

programs=$BUILD/bench

build_programs() {
	local program
	mkdir -p "$programs"
	for program in bids consume; do
		cc -O2 -Wall -Wextra -o "$programs/$program" "$SRC/bench/$program.c" -lrdkafka -lm
	done
}

sql() { psql -X -q -A -t -v ON_ERROR_STOP=1 "$@"; }

# The value of NAME in a line of NAME=VALUE words.
field() { sed -n "s/.*\b$1=\([^ ]*\).*/\1/p" <<<"$2"; }

# The statement of a workload over a stream.
statement() {
	sed -n "/^-- $1:/,/;\$/p" "$SRC/bench/workloads.sql" | sed "s/\bFROM bids\b/FROM $2/"
}

# The process ids of the workers of pg_kappa.
worker_pids() {
	sql -c "SELECT pid FROM pg_stat_activity WHERE backend_type LIKE 'pg_kappa%worker%'"
}

# Memory of processes that is their own, in kB: resident and neither shared (shared
# buffers) nor of files (the program).
anonymous_kb() {
	local pid status sum=0
	for pid; do
		# All of it at once: between two reads the lines may move.
		status=$(cat "/proc/$pid/status" 2>/dev/null) || continue
		[[ ! $status =~ RssAnon:[[:space:]]*([0-9]+) ]] || sum=$((sum + BASH_REMATCH[1]))
	done
	echo $sum
}

# The highest of some numbers; 0 if there are none.
highest() {
	local number result=0
	for number; do
		[ "$number" -le "$result" ] || result=$number
	done
	echo "$result"
}
