#!/usr/bin/env bash
# For RUSTC_WRAPPER: compiles what is fuzzed with libFuzzer's counters, and all else as it comes. cargo-fuzz's own flags,
# which it gives to every crate: an hour of compiling on two cores.
set -euo pipefail
name=
previous=
for argument in "$@"; do
    if [ "$previous" = --crate-name ]; then
        name=$argument
    fi
    previous=$argument
done
case $name in
    mora | mora_fuzz | minijinja | minijinja_contrib | rhai)
        exec "$@" -Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 \
            -Cllvm-args=-sanitizer-coverage-inline-8bit-counters -Cllvm-args=-sanitizer-coverage-pc-table \
            -Cllvm-args=-sanitizer-coverage-trace-compares -Cllvm-args=-simplifycfg-branch-fold-threshold=0
        ;;
    *) exec "$@" ;;
esac
