#!/bin/sh
# The demonstration: a synthetic city, real claim files on top, figures, explanations, proofs.
# `make demo` builds the command and calls this. Everything it writes is in DEMO_DIR.
set -eu

here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
command=${VERTEBRA:-vertebra}
directory=${DEMO_DIR:-demo}
people=${DEMO_PEOPLE:-30000}

case $command in
*/*) command=$(cd "$(dirname "$command")" && pwd)/$(basename "$command") ;;
esac

# Remove only what an earlier demonstration made.
if [ -e "$directory" ] && [ ! -e "$directory/.vertebra-demo" ]; then
    if [ ! -d "$directory" ] || [ -n "$(ls -A "$directory")" ]; then
        echo "$directory is not from a demonstration and stays as it is: name another folder in DEMO_DIR." >&2
        exit 1
    fi
fi
rm -rf "$directory"
mkdir -p "$directory"
touch "$directory/.vertebra-demo"
directory=$(cd "$directory" && pwd)
cd "$root"

VERTEBRA_DATA=$directory/data
export VERTEBRA_DATA

step() {
    printf '\n── %s\n' "$1"
}

# Prints the command as one would type it, and runs it.
run() {
    printf '   $ vertebra'
    for word in "$@"; do
        case $word in
        deploy/demo/claims/01-*) printf ' deploy/demo/claims/*.xml' ;;
        deploy/demo/claims/*) ;;
        "$directory"/*) printf ' %s' "${word#"$directory"/}" ;;
        *) printf ' %s' "$word" ;;
        esac
    done
    printf '\n'
    "$command" "$@"
}

# The same where code 3, some input was refused, is what should happen.
run_refusing() {
    code=0
    run "$@" || code=$?
    if [ "$code" -ne 3 ]; then
        echo "exit code $code, 3 was expected: some records of these files are faulty" >&2
        exit 1
    fi
    printf '   exit code 3: some of it was refused, the rest is stored\n'
}

step "The real Hanoi: communes, facilities, days off, the dated law of 2025-26"
run policy check

step "A city of $people people, from a seed: registers, visits, referrals, claims, mistakes"
run simulate --people "$people" --seed 2026

step "Insurance-claim files in the ministry's format on top; some are faulty, one is cut off"
run_refusing import deploy/demo/claims/*.xml --into-simulated --report "$directory/import.jsonl"

step "The same files once more: what was accepted is known, nothing changes"
run_refusing import deploy/demo/claims/*.xml --into-simulated

step "From the log to histories and figures"
run project

step "Coverage by commune, the largest ten"
run coverage --on 2026-06-30 --sort people --limit 10 --receipt "$directory/coverage.receipt"

step "Coverage as it was known at the end of March"
run coverage --on 2026-06-30 --known-at 2026-03-31 --sort people --limit 3

step "What changed between the two, and why"
run coverage --on 2026-06-30 --by none --known-at 2026-03-31 --against 2026-12-31 --explain

step "Referrals between facilities, the busiest ten"
run referrals --on 2026-12-31 --sort referred --limit 10

step "One of them came from the files, told by both ends: it counts once"
run referrals --on 2026-12-31 --only from=01004 --only to=01929

step "Referrals between tiers"
run referrals --on 2026-12-31 --by from_tier,to_tier,direction

step "Who pays no copay: insured people by main group and rate"
run exemption --on 2026-12-31

step "Who is exempt, and why"
run rows exempt --on 2026-12-31 --limit 5

step "One person, claim by claim: the copay of the year passed six months' base salary"
run person --id 001070990004 --on 2026-07-01

step "Claims of the hospitals that sent files"
run claims --by facility --to 2026-12-31 --only facility=01004 --only facility=01006 --only facility=01929

step "The receipt of the first figures gives the same bytes again"
run verify "$directory/coverage.receipt"

step "Everything computed again from the log, compared with what is served"
run audit replay

step "Every record of the log is accounted for"
run doctor census

printf '\nThe data is in %s; remove it with: make clean-demo DEMO_DIR=%s\n' "$directory" "$directory"
