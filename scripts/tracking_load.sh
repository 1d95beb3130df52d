#!/bin/sh
# Durable events per second: acknowledged, that is on disk, counted by whoever was answered. In one run, in turns:
# nginx answering an empty pixel with its access log on, single beacons, and batches posted to the API. Then waits until
# all is in the database, and compares. Needs nginx and jq.
#   scripts/tracking_load.sh [ROUNDS [SECONDS [CONNECTIONS [BATCH]]]]        (3 rounds of 5 s, 512 connections, 100 a batch)
# Servers and clients share the machine: ratios mean more than rates.
set -eu
cd "$(dirname "$0")/.."
rounds=${1:-3} seconds=${2:-5} connections=${3:-512} batch=${4:-100}
for tool in nginx jq curl; do
    command -v "$tool" >/dev/null || { echo "$tool is not installed" >&2; exit 1; }
done
cargo build --release --quiet --bin cuetone
cargo build --release --quiet --example tracking_load
cuetone=$PWD/target/release/cuetone load=$PWD/target/release/examples/tracking_load
work=$(mktemp -d)
started=""
trap 'for id in $started; do kill "$id" 2>/dev/null || true; done; wait 2>/dev/null; rm -rf "$work"' EXIT
trap 'exit 130' INT TERM

server=127.0.0.1:18411 pixel=127.0.0.1:18412
answers() { # address path
    for _ in $(seq 100); do
        curl -s -o /dev/null "http://$1$2" && return
        sleep 0.1
    done
    echo "nothing answers at $1" >&2
    cat "$work"/*.log >&2
    exit 1
}

"$load" tenant "$work/tenant"
cat >"$work/cuetone.yaml" <<YAML
listen: $server
data_dir: $work/data
log: { level: warn }
YAML
"$cuetone" apply "$work/tenant" --config "$work/cuetone.yaml" >"$work/apply.log" 2>&1 || { cat "$work/apply.log" >&2; exit 1; }
key=$("$cuetone" keys create --tenant load --config "$work/cuetone.yaml" --format json | jq -r .key)
"$cuetone" serve --config "$work/cuetone.yaml" >"$work/cuetone.log" 2>&1 &
started="$started $!"
server_id=$!
answers "$server" /healthz

cat >"$work/nginx.conf" <<NGINX
worker_processes auto;
error_log $work/nginx.log;
pid $work/nginx.pid;
daemon off;
events { worker_connections 4096; }
http {
    access_log $work/access.log combined;
    tcp_nodelay on;
    keepalive_requests 100000000;
    client_body_temp_path $work; proxy_temp_path $work; fastcgi_temp_path $work; uwsgi_temp_path $work; scgi_temp_path $work;
    server { listen $pixel; location / { empty_gif; } }
}
NGINX
nginx -p "$work" -c "$work/nginx.conf" >"$work/nginx-start.log" 2>&1 &
started="$started $!"
answers "$pixel" /pixel.gif

settle() { # until the database has everything: what is carried over is not to slow down what is measured next
    for _ in $(seq 3000); do
        waiting=$(curl -s "http://$server/metrics" | awk '$1 == "cuetone_journal_waiting_records" { print $2 }')
        [ "${waiting:-0}" = 0 ] && return
        sleep 0.2
    done
    echo "the journal was not carried over in time" >&2
    exit 1
}

echo "$rounds rounds of $seconds s, $connections connections, $(nproc) cores" >&2
acknowledged=0
for round in $(seq "$rounds"); do
    echo "round $round" >&2
    "$load" get "$pixel" /pixel.gif "$seconds" "$connections" >>"$work/nginx.json"
    "$load" beacons "$server" "$work/data" "$seconds" "$connections" | tee -a "$work/beacons.json" >"$work/last"
    acknowledged=$((acknowledged + $(jq .events "$work/last")))
    settle
    # One second of these takes the database some twenty.
    "$load" batches "$server" "$key" 1 32 "$batch" | tee -a "$work/batches.json" >"$work/last"
    acknowledged=$((acknowledged + $(jq .events "$work/last")))
    begun=$(date +%s%N)
    sleep 1
    settle
    ended=$(date +%s%N)
    echo "$(jq .events "$work/last") events were carried over within $(((ended - begun) / 1000000)) ms" >&2
done
kill "$server_id"
wait "$server_id" 2>/dev/null || true
"$load" count "$work/data" >"$work/count"

row() { # name file
    jq -rs --arg name "$1" 'sort_by(.per_second) | .[length / 2 | floor] | [$name, .per_second, .p50_ms, .p99_ms, .refused] | @tsv' "$2" |
        awk -F '\t' '{ printf "%-52s %10d %8.2f %8.2f %8d\n", $1, $2, $3, $4, $5 }'
}
printf '%-52s %10s %8s %8s %8s\n' "median of $rounds rounds" "events/s" "p50 ms" "p99 ms" refused
row "(a) cuetone, batches of $batch, on disk" "$work/batches.json"
row "(b) cuetone, single beacons, on disk" "$work/beacons.json"
row "(c) nginx, empty pixel, access log on" "$work/nginx.json"
jq -rns --slurpfile b "$work/beacons.json" --slurpfile c "$work/nginx.json" \
    'def median: sort_by(.per_second) | .[length / 2 | floor].per_second; "(b) is \(100 * ($b | median) / ($c | median) | round) % of (c)"'
jq -r --argjson acknowledged "$acknowledged" \
    '"acknowledged \($acknowledged), in the database \(.events); \(.database_bytes / .events | round) bytes an event on disk"' "$work/count"
[ "$(jq .events "$work/count")" -ge "$acknowledged" ] || { echo "events are missing" >&2; exit 1; }
