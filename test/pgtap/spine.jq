# What spine.sql's first view must hold, from the messages (jq -s): CSV.
def summary(values): [values | select(. != null)];
group_by([.sold_at[0:16], .item])[]
| summary(.[].price | if . then . * 100 | round else null end) as $cents
| summary(.[].healthy) as $healthy
| [ .[0].sold_at[0:16] + ":00Z", .[0].item, length, ($cents | length), ($cents | add),
	($cents | min), ($cents | max), ($healthy | map(select(.)) | length),
	($healthy | if length > 0 then all else null end),
	($healthy | if length > 0 then any else null end) ]
| @csv
