#!/usr/bin/env bash
# Builds and runs one fuzz target: run.sh TARGET [SECONDS]; or only builds them all: run.sh --build.
#
# The folder is one of cargo-fuzz, too (`cargo fuzz run --sanitizer none TARGET`), which compiles every dependency anew with
# counters: an hour on two cores. With instrument.sh only what is fuzzed has them.
set -euo pipefail
cd "$(dirname "$0")"
export RUSTC_WRAPPER="$PWD/instrument.sh"
export CARGO_TARGET_DIR="${CARGO_TARGET_DIR:-$PWD/target}"

if [ "${1:-}" = --build ]; then
    exec cargo build --release
fi
target=$1
memory=2048
if [ "$target" = chat_template ]; then
    memory=8192
fi
cargo build --release --bin "$target"
mkdir -p "corpus/$target" "artifacts/$target"
exec "$CARGO_TARGET_DIR/release/$target" "corpus/$target" "seeds/$target" -dict="dictionaries/$target.dict" -max_len=4096 \
    -timeout=10 -rss_limit_mb="$memory" -max_total_time="${2:-600}" -print_final_stats=1 \
    -artifact_prefix="artifacts/$target/"
