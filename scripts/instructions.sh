#!/bin/sh
# Instructions per refresh, render and decision, counted by callgrind (apt-get install valgrind).
# Keeps callgrind's files in the folder given, for `callgrind_annotate FOLDER/calls.N`:
#   scripts/instructions.sh [FOLDER]
set -eu
cd "$(dirname "$0")/.."
command -v valgrind >/dev/null || { echo "valgrind is not installed" >&2; exit 1; }
out=${1:-$(mktemp -d)}
mkdir -p "$out"
rm -f "$out"/calls*
program=$(cargo bench --bench refresh_instructions --no-run --message-format json 2>"$out/build.log" |
    sed -n 's/.*"name":"refresh_instructions".*"executable":"\([^"]*\)".*/\1/p' | tail -n 1)
[ -x "$program" ] || { cat "$out/build.log" >&2; exit 1; }
echo "instructions each:"
number=1
while
    # Counts only inside of `measured`.
    valgrind --tool=callgrind --callgrind-out-file="$out/calls.$number" \
        --toggle-collect='*refresh_instructions::measured*' "$program" "$number" >"$out/part" 2>"$out/valgrind.log" ||
        { tail -n 20 "$out/valgrind.log" >&2; exit 1; }
    read -r rounds name <"$out/part"
do
    total=$(awk '/^(totals|summary):/ { total = $2 } END { print total }' "$out/calls.$number")
    printf '%10d  %s\n' "$((total / rounds))" "$name"
    number=$((number + 1))
done
rm -f "$out/calls.$number"
echo "profiles: $out/calls.N (callgrind_annotate)"
