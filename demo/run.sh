#!/bin/bash
# make demo: vending machines' sales flow from Kafka into continuous views.
#
#   DEMO_SECONDS   how long the machines sell (45)
#   KEEP=1         leave everything running afterwards, with a little traffic
#   DEMO_RATE      messages a second at the top of the wave (30000)
#   DEMO_BURST     messages in each burst (1000000)
#
# demo/demo.sql is what a user writes; this script starts a broker and a private
# PostgreSQL, runs demo.sql, starts the machines (demo/machines.c) and shows what
# the views say.  At the end every view is compared with the answer computed anew
# from the topic; the exit code says whether all of them are equal.
. "$(dirname "$0")/../test/lib/env.sh"

seconds=${DEMO_SECONDS:-45}
rate=${DEMO_RATE:-30000}
burst=${DEMO_BURST:-1000000}
keep=${KEEP:-}
demo=$BUILD/demo
machines=

sql() { psql -X -q -A -t -v ON_ERROR_STOP=1 "$@"; }

# 1234567 as 1,234,567
thousands() { sed ':a; s/^\([0-9]*[0-9]\)\([0-9]\{3\}\)/\1,\2/; ta' <<<"${1%.*}"; }

stop_machines() {
	if [ -n "$machines" ]; then
		kill "$machines" 2>/dev/null || true
	fi
}

# The machines are stopped before the broker; then env.sh's own end.
finish() {
	local status=$?
	set +e
	stop_machines
	(exit $status)
	cleanup
}

# ---- what is shown while it runs -----------------------------------------------------

# Sets at, produced and speed from the last line of the machines.
read_machines() {
	read -r at produced speed < <(tail -n 1 "$demo/machines.log") || at=0 produced=0 speed=0
}

# A whole screen, drawn over the one before.
show_screen() {
	local text
	text=$(psql -X -q -v produced="$produced" -v rate="$speed" -f "$SRC/demo/screen.sql")
	printf '\033[H pg_kappa: sales of the vending machines, second %s of %s\033[K\n\n' "$at" "$seconds"
	sed 's/$/\x1b[K/' <<<"$text"
	printf '\033[J'
}

# One line.
show_line() {
	local counted lag water coffee best
	IFS='|' read -r counted lag water coffee best < <(sql -c "
		SELECT (SELECT coalesce(sum(sold), 0) FROM items_sold),
			(SELECT greatest($produced - min(done), 0)
				FROM (SELECT sum(next_offset) AS done FROM kappa.progress GROUP BY viewname) v),
			(SELECT coalesce(sum(sold), 0) FROM items_sold WHERE item = 'water'),
			(SELECT coalesce(sum(sold), 0) FROM items_sold WHERE item = 'coffee'),
			(SELECT machine || ' in ' || city FROM machine_revenue ORDER BY revenue DESC, machine LIMIT 1)")
	printf '%3s s  produced %10s (%9s/s)  counted %10s  lag %9s  water %9s  coffee %9s  best machine %s\n' \
		"$at" "$(thousands "$produced")" "$(thousands "$speed")" "$(thousands "$counted")" \
		"$(thousands "$lag")" "$(thousands "$water")" "$(thousands "$coffee")" "$best"
}

# Pauses the views for an eighth of the time, with a burst in it, so that there is a
# lag to be seen on any machine.
pause_for_a_while() {
	if [ -z "$paused" ] && [ "$at" -ge $((seconds * 5 / 8)) ]; then
		paused=$at
		sql -c "SELECT kappa.pause()" >/dev/null
		say "the views are paused, the machines go on"
	elif [ -n "$paused" ] && [ -z "$resumed" ] && [ "$at" -ge $((seconds * 6 / 8)) ]; then
		resumed=$at
		sql -c "SELECT kappa.resume()" >/dev/null
		say "the views go on where they were"
	fi
}

watch() {
	local show=show_line pid=$1 paused='' resumed=''
	if [ -t 1 ]; then
		show=show_screen
		printf '\033[2J'
	fi
	while kill -0 "$pid" 2>/dev/null; do
		read_machines
		pause_for_a_while
		$show
		sleep 1
	done
	[ -n "$resumed" ] || sql -c "SELECT kappa.resume()" >/dev/null
}

# ---- real-time view = validation view? -------------------------------------------------

# Every view with kappa.verify, and items_sold with the same SELECT over the topic.
validate() {
	local view rows equal=1
	say "the machines have stopped; comparing every view with its answer computed anew from the topic"
	for view in $(sql -c "SELECT viewname FROM kappa.continuous_views ORDER BY 1"); do
		sql -c "SELECT kappa.wait('$view', '5 minutes')" >/dev/null
		rows=$(sql -c "SELECT count(*) FROM kappa.verify('$view')" 2>"$demo/verify.log")
		if [ "$rows" = 0 ]; then
			printf '  %-20s equal       %s\n' "$view" "$(sed -n 's/.*NOTICE: *//p' "$demo/verify.log")"
		else
			printf '  %-20s NOT EQUAL   %s rows differ\n' "$view" "$rows"
			equal=
		fi
	done
	rows=$(sql -c "SELECT count(*) FROM (
		(TABLE items_sold EXCEPT ALL TABLE items_sold_validation) UNION ALL
		(TABLE items_sold_validation EXCEPT ALL TABLE items_sold)) d")
	if [ "$rows" = 0 ]; then
		printf '  %-20s equal       to items_sold_validation, the same SELECT over the topic\n' items_sold
	else
		printf '  %-20s NOT EQUAL   to items_sold_validation: %s rows differ\n' items_sold "$rows"
		equal=
	fi
	[ -n "$equal" ]
}

sum_up() {
	local sold
	read_machines
	sold=$(sql -c "SELECT coalesce(sum(sold), 0) FROM items_sold")
	say "$(thousands "$produced") sales in $at seconds, $(thousands $((produced / (at > 0 ? at : 1)))) a second on average; the views hold $(thousands "$sold")"
	if [ "$sold" != "$produced" ]; then
		say "NOT EQUAL: the machines sent $produced sales, the views hold $sold"
		return 1
	fi
}

# ---- KEEP=1 -------------------------------------------------------------------------------

# Some traffic, and everything stays; build/stop, by env.sh, ends the machines too.
keep_running() {
	setsid "$demo/machines" -r 2000 -b 50000 "$KAPPA_BROKER" sales </dev/null >"$demo/machines.log" 2>&1 &
	machines=$!
	leave_running
	sed -i "2i kill $machines 2>/dev/null" "$BUILD/stop"
	cat <<-END

	The demo goes on.  Look at it with

	    $PGBIN/psql -h $PGHOST -p $PGPORT -U $PGUSER $PGDATABASE

	or with Grafana (demo/grafana/README.md) at 127.0.0.1:$PGPORT.  The broker is at $KAPPA_BROKER.
	Stop it with

	    make demo-stop
	END
}

# ---- the whole -----------------------------------------------------------------------------

if [ -x "$BUILD/stop" ]; then
	say "stopping the demo that was left running"
	"$BUILD/stop" || true
fi
prepare
trap finish EXIT
mkdir -p "$demo"
cc -O2 -Wall -Wextra -o "$demo/machines" "$SRC/demo/machines.c" -lrdkafka -lm

say "starting a broker and a PostgreSQL server"
broker_start demo
cluster_start demo ${keep:+"listen_addresses = '127.0.0.1'"}
topic create sales 2
sql -v broker="$KAPPA_BROKER" -f "$SRC/demo/demo.sql"

"$demo/machines" -s "$seconds" -r "$rate" -b "$burst" "$KAPPA_BROKER" sales >"$demo/machines.log" &
machines=$!
watch $machines
wait $machines || fail "the machines have failed"
machines=

equal=1
validate || equal=
sum_up || equal=
if [ -n "$equal" ]; then
	say "real-time view = validation view: equal"
else
	say "real-time view = validation view: NOT EQUAL"
fi
[ -z "$keep" ] || keep_running
[ -n "$equal" ]
