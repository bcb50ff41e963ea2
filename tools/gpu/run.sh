#!/usr/bin/env bash
# The program on a machine with an NVIDIA driver and nothing else: builds and packs here, runs there.
#
#   tools/gpu/run.sh pack [--without-nvrtc]   builds, and writes out/gpu.tar.zst
#   tools/gpu/run.sh run [RESULTS]            there, in the unpacked folder: the suite, then the bench
#
# `pack` takes NVRTC and CUDA's headers from PyPI, as the program needs them where it runs;
# --without-nvrtc leaves them out for a machine that has the CUDA toolkit. `run` also compares with
# PyTorch where python3 has it, with onnx.
set -euo pipefail
here="$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)"

stop() {
    printf 'tools/gpu/run.sh: %s\n' "$1" >&2
    exit 1
}

# A test binary of a package, built with the features.
test_binary() {
    cargo test --no-run --package "$1" --features tapetum-nn/cuda "${@:2}" --message-format json |
        python3 -c 'import json, sys
print([m["executable"] for m in map(json.loads, sys.stdin) if m.get("executable")][-1])'
}

nvrtc() {
    local wheels="$1/wheels"
    python3 -m pip download --quiet --no-deps --dest "$wheels" \
        'nvidia-cuda-nvrtc==13.0.*' 'nvidia-cuda-runtime==13.0.*' 'nvidia-cuda-cccl==13.0.*'
    for wheel in "$wheels"/*.whl; do
        python3 -m zipfile -e "$wheel" "$wheels/all"
    done
    mkdir -p "$1/cuda/lib"
    # Each of the wheels has an include folder; the libraries lie in lib.
    find "$wheels/all" -type d -name include -exec cp -r {}/. "$1/cuda/include/" \;
    find "$wheels/all" -name 'libnvrtc*.so*' -not -name '*alt*' -exec cp {} "$1/cuda/lib/" \;
    rm -r "$wheels"
}

pack() {
    cd "$here/../.."
    command -v cargo >/dev/null || stop 'expected cargo on the PATH, got none; install it with rustup'
    command -v zstd >/dev/null || stop 'expected zstd on the PATH, got none; install it'
    local folder=out/gpu
    rm -rf "$folder"
    mkdir -p "$folder/cuda/include"
    cargo build --release --features cuda
    cp target/release/tapetum "$folder/"
    cp "$(test_binary tapetum-nn --lib)" "$folder/test-products"
    cp "$(test_binary tapetum-nn --test it)" "$folder/test-operations"
    cp "$(test_binary tapetum-methods --test it)" "$folder/test-methods"
    strip "$folder"/tapetum "$folder"/test-*
    cp -r models examples "$folder/"
    mkdir -p "$folder/tools"
    cp -r tools/peers tools/gpu "$folder/tools/"
    [ "${1:-}" = --without-nvrtc ] || nvrtc "$folder"
    tar --create --zstd --file out/gpu.tar.zst --directory out gpu
    ls -l out/gpu.tar.zst
}

run() {
    local folder results
    folder="$(cd "$here/../.." && pwd)"
    results="${1:-$folder/results}"
    mkdir -p "$results"
    cd "$folder"
    [ -x tapetum ] || stop "expected the program in $folder, got none; unpack what 'pack' wrote, and call this there"
    if [ -d cuda/lib ]; then
        export CUDA_PATH="$folder/cuda" LD_LIBRARY_PATH="$folder/cuda/lib:${LD_LIBRARY_PATH:-}"
    fi
    export TAPETUM_NEEDS_CARD=1
    local failed=0
    for suite in 'test-products gpu::' 'test-operations gpu::' 'test-methods every_device::'; do
        # shellcheck disable=SC2086
        ./$suite --nocapture --test-threads=1 2>&1 | tee "$results/${suite%% *}.txt" || failed=1
    done
    ./tapetum enhance examples/cat-dark.jpg -o "$results/cat-cuda.png" --device cuda --overwrite -v 2>&1 |
        tee "$results/enhance.txt" || failed=1
    for precision in f32 bf16 f16; do
        ./tapetum bench --device cuda --precision "$precision" 2>&1 | tee "$results/bench-$precision.txt" || failed=1
    done
    for size in 600x400 1920x1080 4000x3000; do
        ./tapetum bench scl-lle process --device cuda --size "$size" 2>&1 | tee "$results/bench-$size.txt" || failed=1
    done
    if python3 -c 'import onnx, torch' 2>/dev/null; then
        python3 tools/gpu/compare.py --tapetum ./tapetum 2>&1 | tee "$results/compare.md" || failed=1
    else
        echo 'skipped: python3 has no torch and onnx to compare with'
    fi
    exit "$failed"
}

case "${1:-}" in
    pack) pack "${2:-}" ;;
    run) run "${2:-}" ;;
    *) stop "expected 'pack' or 'run', got '${1:-}'" ;;
esac
