#!/usr/bin/env bash
# Runs one fuzz target: run.sh TARGET [SECONDS]; or builds all of them: run.sh --build. Needs cargo-fuzz.
set -euo pipefail
cd "$(dirname "$0")/.."

if [ "${1:-}" = --build ]; then
    exec cargo fuzz build --sanitizer none
fi
target=$1
memory=2048
if [ "$target" = chat_template ]; then
    memory=8192
fi
mkdir -p "fuzz/corpus/$target"
exec cargo fuzz run --sanitizer none "$target" "fuzz/corpus/$target" "fuzz/seeds/$target" -- \
    -dict="fuzz/dictionaries/$target.dict" -max_len=4096 -timeout=10 -rss_limit_mb="$memory" \
    -max_total_time="${2:-600}" -print_final_stats=1
