#!/bin/sh
# Checks the contract with buf: its style, and that nothing which is in logs or in use was broken.
#
#   proto/check.sh            lint, compare with baseline/, and see that the comparison would notice
#   proto/check.sh --accept   the same, then take the contract as it is for the new baseline
#
# baseline/ is the contract as it was last accepted: what emitters send and logs hold. Fields and kinds may be added to
# it, so a change that only adds is accepted at the next release; a removed field, a reused number or a changed type is
# refused. (Comparing with the last commit would forget: two steps could do what one may not.)
set -eu
cd "$(dirname "$0")"

command -v npm >/dev/null || {
    echo "proto/check.sh needs npm (Node.js 20 or newer) to install buf: install it, or run 'make test' without this step." >&2
    exit 2
}
# Again only when the lock file changed. buf is a plain binary, so no install script needs to run. The lock file holds the
# binaries for Linux; `npm install` fetches those of other systems by the version that buf names, where `npm ci` refuses.
if [ ! -e node_modules/.lock ] || ! cmp -s package-lock.json node_modules/.lock; then
    npm install --no-save --ignore-scripts --no-audit --no-fund --loglevel=error >/dev/null
    cp package-lock.json node_modules/.lock
fi
buf=node_modules/.bin/buf

scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
# buf reads no folder inside a module as something else.
cp -R baseline "$scratch/baseline"

"$buf" lint
"$buf" breaking --against "$scratch/baseline"

# Would it notice? Give a field another number. It must say so: it fails in the same way on files that it cannot read.
mkdir "$scratch/canary"
cp -R buf.yaml vertebra "$scratch/canary"
sed 's/bytes subject = 2;/bytes subject = 21;/' vertebra/v1/event.proto >"$scratch/canary/vertebra/v1/event.proto"
if ! "$buf" breaking "$scratch/canary" --against "$scratch/baseline" | grep -q 'field "2" with name "subject"'; then
    echo "proto/check.sh: buf did not notice a changed field number; the comparison is worth nothing." >&2
    exit 1
fi

if [ "${1:-}" = --accept ]; then
    rm -rf baseline/vertebra
    cp -R vertebra baseline/
fi
echo "The contract is in order: linted, and compatible with baseline/."
