#!/bin/sh
# The peer on Kafka Streams, by hand: builds it where the package `peers` does, and runs it.
#
#   tests/peers/streams/run.sh --bootstrap 127.0.0.1:9092 --prefix vertebra --state-dir /tmp/streams --report
#
# HEAP is its largest heap (2g), JAVA_FLAGS are more flags of Java. Without options it says which there are.
set -e
here=$(cd "$(dirname "$0")" && pwd)
out=${CARGO_TARGET_DIR:-$here/../../../target}/streams-peer
mkdir -p "$out"
out=$(cd "$out" && pwd)
newest=$(ls -t "$here"/src/vertebra/streams/*.java "$here/pom.xml" | head -n 1)
if [ ! -e "$out/complete" ] || [ "$newest" -nt "$out/complete" ]; then
    # The package compares what it finds with its sources, and builds anew after this.
    rm -rf "$out/complete" "$out/classes" "$out/libs"
    mvn --quiet --batch-mode --file "$here/pom.xml" compile dependency:copy-dependencies "-Dout=$out" >&2
    echo "by run.sh" >"$out/complete"
fi
exec java "-Xmx${HEAP:-2g}" -XX:+UseParallelGC -Dorg.slf4j.simpleLogger.defaultLogLevel=warn $JAVA_FLAGS \
    -cp "$out/classes:$out/libs/*" vertebra.streams.Main "$@"
