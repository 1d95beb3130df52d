#!/bin/sh
# Requests per second and latency, side by side in one run: the stitched live playlist in the middle of a break against
# the same bytes from a handler that does nothing and from nginx, over loopback. Needs wrk and nginx.
#   scripts/load.sh [ROUNDS [SECONDS [CONNECTIONS [SESSIONS]]]]        (5 rounds of 5 s, 64 connections, 10,000 sessions)
# Servers and wrk share the machine: only ratios mean something. Rounds alternate, so that drift meets all alike.
set -eu
cd "$(dirname "$0")/.."
rounds=${1:-5} seconds=${2:-5} connections=${3:-64} sessions=${4:-10000}
for tool in wrk nginx curl; do
    command -v "$tool" >/dev/null || { echo "$tool is not installed" >&2; exit 1; }
done
cargo build --release --quiet --bin cuetone
cargo build --release --quiet --example load_target
cuetone=$PWD/target/release/cuetone target=$PWD/target/release/examples/load_target
work=$(mktemp -d)
started=""
trap 'for id in $started; do kill "$id" 2>/dev/null || true; done; wait 2>/dev/null; rm -rf "$work"' EXIT
trap 'exit 130' INT TERM

origin=127.0.0.1:18401 server=127.0.0.1:18402 bare=127.0.0.1:18403 static=127.0.0.1:18404
answers() { # address path: waits until something answers there
    for _ in $(seq 100); do
        curl -s -o /dev/null "http://$1$2" && return
        sleep 0.1
    done
    echo "nothing answers at $1" >&2
    cat "$work"/*.log >&2
    exit 1
}

"$target" origin "$origin" >"$work/origin.log" 2>&1 &
started="$started $!"
answers "$origin" /live/10/master.m3u8
mkdir -p "$work/tenants/bench"
"$target" tenant "http://$origin" 40 "$work/tenants/bench"
cat >"$work/cuetone.yaml" <<YAML
listen: $server
data_dir: $work/data
outbound: { allow_hosts: ["$origin"] }
log: { level: warn }
YAML
"$cuetone" apply "$work/tenants/bench" --config "$work/cuetone.yaml" >"$work/apply.log" 2>&1 || { cat "$work/apply.log" >&2; exit 1; }
"$cuetone" serve --config "$work/cuetone.yaml" >"$work/cuetone.log" 2>&1 &
started="$started $!"
answers "$server" /healthz
sleep 3 # the creatives are fetched
echo "opening $sessions sessions …" >&2
"$target" open "$server" "$sessions" >"$work/paths"
path=$(head -n 1 "$work/paths")
mkdir -p "$work/www"
curl -s "http://$server$path" >"$work/www/playlist.m3u8"

"$target" bare "$bare" "$work/www/playlist.m3u8" >"$work/bare.log" 2>&1 &
started="$started $!"
answers "$bare" /fast/x
cat >"$work/nginx.conf" <<NGINX
worker_processes auto;
error_log $work/nginx.log;
pid $work/nginx.pid;
daemon off;
events { worker_connections 1024; }
http {
    access_log off;
    tcp_nodelay on;
    sendfile on;
    keepalive_requests 100000000;
    open_file_cache max=10;
    types { application/vnd.apple.mpegurl m3u8; }
    client_body_temp_path $work; proxy_temp_path $work; fastcgi_temp_path $work; uwsgi_temp_path $work; scgi_temp_path $work;
    server { listen $static; root $work/www; }
}
NGINX
nginx -p "$work" -c "$work/nginx.conf" >"$work/nginx-start.log" 2>&1 &
started="$started $!"
answers "$static" /playlist.m3u8
curl -s "http://$static/playlist.m3u8" | cmp - "$work/www/playlist.m3u8"
curl -s "http://$bare$path" | cmp - "$work/www/playlist.m3u8"

# Asks for all the paths in turn; each of wrk's threads starts elsewhere.
cat >"$work/turns.lua" <<LUA
local requests, at = {}, 0
local threads = 0
function setup(thread) thread:set("first", threads * $sessions / 2); threads = threads + 1 end
function init()
    for path in io.lines("$work/paths") do requests[#requests + 1] = wrk.format("GET", path) end
    at = first
end
function request()
    at = at % #requests + 1
    return requests[at]
end
LUA

ask() { # name url [options]: one round; notes requests per second and the 99th percentile in ms
    name=$1 url=$2
    shift 2
    wrk -t2 -c"$connections" -d"${seconds}s" --latency -H 'User-Agent: load' "$@" "$url" >"$work/wrk.out"
    if grep -q 'Non-2xx' "$work/wrk.out"; then
        echo "$name:" >&2
        cat "$work/wrk.out" >&2
        exit 1
    fi
    awk -v name="$name" '
        $1 == "99%" { ms = $2 + 0; if ($2 ~ /us$/) ms /= 1000; else if ($2 !~ /ms$/) ms *= 1000 }
        $1 == "Requests/sec:" { rate = $2 }
        END { printf "%s\t%s\t%s\n", name, rate, ms }' "$work/wrk.out" >>"$work/results"
}

echo "$(wc -c <"$work/www/playlist.m3u8") bytes, $connections connections, $rounds rounds of $seconds s, $(nproc) cores" >&2
for _ in $(seq "$rounds"); do
    ask stitched "http://$server$path"
    ask bare "http://$bare$path"
    ask dressed "http://$bare/dressed$path"
    ask nginx "http://$static/playlist.m3u8"
    ask stitched-many "http://$server" -s "$work/turns.lua"
    ask bare-many "http://$bare" -s "$work/turns.lua"
done

median() { # name column
    awk -F '\t' -v name="$1" -v column="$2" '$1 == name { print $column }' "$work/results" | sort -n |
        awk '{ value[NR] = $1 } END { print NR % 2 ? value[(NR + 1) / 2] : (value[NR / 2] + value[NR / 2 + 1]) / 2 }'
}
row() { # name against text
    awk -v rate="$(median "$1" 2)" -v base="$(median "$2" 2)" -v late="$(median "$1" 3)" -v text="$3" \
        'BEGIN { printf "%-58s %9.0f %8.2f %7.0f %%\n", text, rate, late, 100 * rate / base }'
}
printf '%-58s %9s %8s %9s\n' "median of $rounds rounds" "req/s" "p99 ms" "of bare"
row stitched bare "(a) cuetone, stitched live playlist mid-break, warm"
row bare bare "(b) bare axum handler, same bytes"
row dressed bare "(b') the same with the headers that (a) sends"
row nginx bare "(c) nginx, same bytes as a file"
row stitched-many bare-many "(d) cuetone, $sessions sessions in turn, each its own body"
row bare-many bare-many "(b'') bare axum handler, asked as (d)"
