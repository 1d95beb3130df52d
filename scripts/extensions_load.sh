#!/bin/sh
# The host of extensions under load, each with a rule that must hold: plugins swapped over and over while players ask,
# a thousand tenants with four extensions each, and a quiet tenant beside one whose plugin runs hot. The server is a process
# of its own on loopback; plugins are built from their sources the first time. Needs what `cuetone plugin build` needs for Rust.
#   scripts/extensions_load.sh [storm [SWAPS] | tenants [TENANTS] | neighbour [ROUNDS [SECONDS]]]
# Without arguments: all of them, with 1,000 swaps, 1,000 tenants, and 6 rounds of 10 s; some fifteen minutes.
# Server and clients share the machine. The neighbour's rule compares phases of one run; let nothing else run meanwhile.
set -eu
cd "$(dirname "$0")/.."
what=${1:-all}
cargo build --release --quiet --bin cuetone
cargo build --release --quiet --example extensions_load
cuetone=$PWD/target/release/cuetone load=$PWD/target/release/examples/extensions_load
broken=0
measure() { # arguments of the program
    "$load" "$@" || broken=1
}
case $what in
storm | all)
    measure storm "$cuetone" "${2:-1000}" fresh
    measure storm "$cuetone" "${2:-1000}" alternate
    ;;
esac
case $what in
tenants | all) measure tenants "$cuetone" "${2:-1000}" ;;
esac
case $what in
neighbour | all) measure neighbour "$cuetone" "${2:-6}" "${3:-10}" ;;
esac
exit "$broken"
