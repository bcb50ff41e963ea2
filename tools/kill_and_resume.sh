#!/usr/bin/env bash
# Kills a run over many photographs again and again, continues it, and compares every output with
# those of a run that was left alone.
#
# usage: tools/kill_and_resume.sh [TAPETUM] [N_FILES] [N_KILLS] [SEED]
#
# The defaults are target/release/tapetum, 300 files, 20 kills and a random seed, which is printed.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

tapetum=${1:-target/release/tapetum}
n_files=${2:-300}
n_kills=${3:-20}
seed=${4:-$RANDOM}

stop() {
    printf 'kill_and_resume: %s\n' "$1" >&2
    exit 1
}

[[ -x $tapetum ]] || stop "expected the program at $tapetum; build it with cargo build --release"
RANDOM=$seed
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
photos=$folder/photos

# A dark PPM of 160x120 pixels; every file has its own noise.
make_photo() {
    local path=$1 number=$2
    printf 'P6\n160 120\n255\n' >"$path"
    awk -v seed="$number" 'BEGIN { srand(seed); for (i = 0; i < 57600; i++) printf "%c", 1 + rand() * 40 }' \
        >>"$path"
}

n_outputs() {
    find "$folder/out" -type f -name '*.ppm' 2>/dev/null | wc -l
}

for ((number = 0; number < n_files; number++)); do
    mkdir -p "$photos/$((number % 7))"
    LC_ALL=C make_photo "$photos/$((number % 7))/$number.ppm" "$number"
done
(cd "$photos" && find . -type f -exec sha256sum {} + | sort) >"$folder/inputs"

start=$EPOCHREALTIME
"$tapetum" -q "$photos" -o "$folder/whole"
# Kills fall anywhere in a twentieth of the time that the whole takes, and a little later.
microseconds=$((10#${EPOCHREALTIME/[.,]/} - 10#${start/[.,]/}))
longest=$((microseconds / n_kills * 3 / 2))

n_killed=0
for ((kill = 0; kill < n_kills; kill++)); do
    "$tapetum" -q "$photos" -o "$folder/out" --resume -j 3 2>/dev/null &
    run=$!
    wait_microseconds=$(((RANDOM * 32768 + RANDOM) % longest))
    sleep "$((wait_microseconds / 1000000)).$(printf '%06d' $((wait_microseconds % 1000000)))"
    kill -KILL "$run" 2>/dev/null && n_killed=$((n_killed + 1))
    wait "$run" 2>/dev/null || true
done
n_before=$(n_outputs)
n_parts=$(find "$folder/out" -name '*.part' | wc -l)
"$tapetum" -q "$photos" -o "$folder/out" --resume

diff -r --exclude .tapetum-manifest.jsonl "$folder/whole" "$folder/out" ||
    stop "outputs differ from those of the run that was left alone (seed $seed)"
[[ -z $(find "$folder/out" -name '*.part') ]] || stop "temporary files are left (seed $seed)"
(cd "$photos" && find . -type f -exec sha256sum {} + | sort) | cmp - "$folder/inputs" ||
    stop "an input has changed (seed $seed)"
printf 'kill_and_resume: %d files equal after %d kills; %d files and %d halves stood before the last run (seed %d)\n' \
    "$(n_outputs)" "$n_killed" "$n_before" "$n_parts" "$seed"
