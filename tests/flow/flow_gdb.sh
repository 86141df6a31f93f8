#!/bin/sh
# flow_gdb.sh SCRIPT SCENE - gdb shows the tasks of a core file and of a process that runs.
set -u
script=$1 scene=$2
command -v gdb >/dev/null || { echo "gdb is not installed"; exit 77; }
folder=$(mktemp -d) || exit 1
pid=
end() {
    [ -z "$pid" ] || kill "$pid" 2>/dev/null
    rm -rf "$folder"
}
trap end EXIT
cd "$folder" || exit 1
failed=0

# ask ARGUMENTS...: what gdb says of the tasks.
ask() {
    timeout 60 gdb -batch -nx -x "$script" -ex rill-tasks -ex "rill-bt waiter" -ex "rill-bt 12" \
        "$scene" "$@" >said 2>&1 </dev/null
}

expect() {
    grep -q -- "$2" said && return
    echo "$1: nothing like \"$2\" in:"
    cat said
    failed=1
}

# start WHAT: the scene, until all is set.
start() {
    "$scene" "$1" >out 2>&1 &
    pid=$!
    tries=0
    while ! grep -q ready out 2>/dev/null && [ $tries -lt 300 ]; do
        sleep 0.1
        tries=$((tries + 1))
    done
}

look() {
    expect "$1" "2 holder  *waits for event"
    expect "$1" "3 waiter  *waits for lock 0x[0-9a-f]*, held by 'holder'; fn() at .*ctl_scene.c"
    expect "$1" "4 first  *waits for task 'second'"
    expect "$1" "11 Task-11  *waits for stream read on fd"
    expect "$1" "8 b.x1b\[31mad"
    expect "$1" "#[0-9]*  *want_the_lock at"
    expect "$1" "#[0-9]*  *yield_for_ever at"
    expect "$1" "#[0-9]*  *drive_a_generator"
}

ulimit -c unlimited
timeout 30 "$scene" abort >/dev/null 2>&1
core=$(ls | grep '^core' | head -n 1)
if [ -n "$core" ]; then
    ask "$core"
    look "core"
else
    echo "the kernel leaves no core file here: $(cat /proc/sys/kernel/core_pattern)"
fi

start wait
ask -p "$pid"
if grep -q "ptrace: Operation not permitted" said; then
    echo "gdb may not attach here"
    [ -n "$core" ] || exit 77
else
    look "process"
fi
kill "$pid"
wait "$pid" 2>/dev/null

start outside
timeout 60 gdb -batch -nx -x "$script" -ex rill-tasks "$scene" -p "$pid" >said 2>&1 </dev/null
if ! grep -q "ptrace: Operation not permitted" said; then
    expect "outside" "2 names  *waits for DNS look-up of 'slow.example'"
    expect "outside" "waits for stream read on fd [0-9]*, for GET 127.0.0.1 (total)"
    expect "outside" "waits for TLS handshake of 'tls.example' on fd"
    expect "outside" "waits for the end of a process on fd"
fi
exit $failed
