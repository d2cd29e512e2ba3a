# Runs one broker for as long as somebody holds the other end of standard input.
#
#   supervise.sh RUN KEPT LOG PROGRAM ARGUMENT...
#
# RUN is the folder of the whole cluster's run, LOG is in RUN/logs. The first line of standard output is the broker's process
# id. The word "leave" on standard input ends this supervisor and its broker and removes nothing. At the end of input, which
# comes whichever way the test process ends, the broker is killed and RUN removed; if there is a file RUN/failed, its logs
# become KEPT first.
run=$1 kept=$2 log=$3
shift 3
"$@" >>"$log" 2>&1 </dev/null &
broker=$!
echo "$broker"
exec >/dev/null 2>&1
read -r word
# Until `wait`, the id is the broker's even if it is dead.
kill -9 "$broker"
wait "$broker"
[ "$word" = leave ] && exit
if [ -e "$run/failed" ]; then
    mkdir -p "${kept%/*}" && mv "$run/logs" "$kept"
fi
rm -rf "$run"
