#!/bin/sh
# The status of the guest, and the watches of it: read by the guest script, not run by itself.
#
# The status file is the truth and only root writes it, under a lock; phases only move forward.
# Each change of phase rings every armed watch, but for `claimed`: `listening` or an end follows it
# at once, and each bell costs the host a process. A watch makes a fifo of its own and opens it before
# it looks at the status, so no bell is lost; the ringer opens fifos for reading and writing, so it
# never blocks, whether anybody listens or not.

RUN=/run/larm
STATUS=$RUN/status
STATE=/var/lib/larm
PREPARED=$STATE/prepared
METRICS=$STATE/metrics
LIFETIME=/run/systemd/system/larm-lifetime.timer
NL='
'

say() {
    printf 'larm: %s\n' "$*"
}

now() {
    date +%s.%6N
}

# === the status ===

make_directories() {
    [ -d $RUN/watch ] && [ -d $RUN/unregister ] && return
    mkdir -p $RUN/watch $RUN/unregister && chmod 700 $RUN/watch $RUN/unregister
}

# Nobody but root may open the lock: a job that held it would hold up everything here.
lock() {
    make_directories
    [ -e $RUN/lock ] || (umask 077 && : >> $RUN/lock)
    exec 9>> $RUN/lock
    flock -w 20 9 && return
    say 'the lock is held for too long' >&2
    return 1
}

unlock() {
    exec 9>&-
}

# Sets seq, phase and marks.
load() {
    seq=0 phase=none marks=''
    [ -f $STATUS ] && [ ! -L $STATUS ] || return 0
    while read -r key value; do
        case $key in
            seq) case $value in '' | *[!0-9]* | ?????????*) ;; *) seq=$value ;; esac ;;
            phase) phase=$value ;;
            at) marks="$marks${NL}at $value" ;;
        esac
    done < $STATUS
}

# Sets rank to a phase's place in the order.
rank_of() {
    case $1 in
        preparing) rank=1 ;;
        ready) rank=2 ;;
        claimed) rank=3 ;;
        listening) rank=4 ;;
        busy) rank=5 ;;
        finished | failed) rank=6 ;;
        *) rank=0 ;;
    esac
}

final() {
    rank_of "$phase"
    [ $rank -eq 6 ]
}

# advance PHASE [EXIT-CODE [DETAIL]], with the lock held. Refuses to go back.
advance() {
    reached=$(now)
    load
    rank_of "$phase"
    from=$rank
    rank_of "$1"
    [ $rank -gt "$from" ] || return 1
    # Whoever lost the status begins a new count that no watch has seen.
    [ "$phase" = none ] && [ -e $PREPARED ] && seq=1000
    {
        printf 'larm-status 1\nseq %s\nphase %s%s\nat %s %s\n' \
            $((seq + 1)) "$1" "$marks" "$1" "$reached"
        [ -z "${2-}" ] || printf 'exit %s\n' "$2"
        [ "${oom_kills:-0}" -eq 0 ] || printf 'oom %s\n' "$oom_kills"
        [ -z "${3-}" ] || printf 'detail %s\n' "$3"
    } > $STATUS.new && mv -fT $STATUS.new $STATUS
    [ "$1" = claimed ] || ring
}

ring() {
    for bell in "$RUN"/watch/*; do
        [ -p "$bell" ] && echo bell 1<> "$bell"
    done
    return 0
}

reach() {
    lock
    advance "$@"
    result=$?
    unlock
    return $result
}

# Rings once more in this phase, if it is the current one: there is more to report.
tell_more() {
    lock
    load
    if [ "$phase" = "$1" ]; then
        printf 'larm-status 1\nseq %s\nphase %s%s\n' $((seq + 1)) "$phase" "$marks" \
            > $STATUS.new && mv -fT $STATUS.new $STATUS
        ring
    fi
    unlock
}

fail() {
    say "$1" >&2
    reach failed '' "$1"
    outlast_hold
    exit 1
}

# The runner has ended, and larm deletes its instance, or holds it for a week at most: the lifetime must
# not cut that short. If larm is dead, the guest ends all the same.
outlast_hold() {
    [ -e $LIFETIME ] || return 0
    systemd-run --quiet --collect --unit=larm-lifetime-held --on-active=8d \
        systemctl start larm-lifetime.service && systemctl stop larm-lifetime.timer
    return 0
}

# === watch, wait, report ===

# Opens a bell of this process as file descriptor 3.
listen() {
    make_directories
    for bell in "$RUN"/watch/*; do
        [ -d "/proc/${bell##*/}" ] || rm -f "$bell"
    done
    own_bell=$RUN/watch/$$
    rm -f "$own_bell"
    mkfifo -m 600 "$own_bell" || exit 1
    trap 'rm -f "$own_bell"' EXIT
    trap 'exit 143' HUP INT TERM
    exec 3<> "$own_bell"
}

watch() {
    notice_restart
    listen
    while load; [ "$seq" -le "$1" ]; do
        read -r _ <&3
    done
    report
}

wait_for_end() {
    listen
    load
    [ "$phase" != none ] || exit 1
    until final; do
        read -r _ <&3
        load
    done
    [ "$phase" = finished ]
}

# A guest that was restarted has no status any more, and takes no credential: that is its end.
# Only once cloud-init is through: an image may carry the marks of the guest it was made from.
notice_restart() {
    [ -e $PREPARED ] && [ ! -e $STATUS ] && [ -e /run/cloud-init/result.json ] || return 0
    pids_of Runner.Listener
    [ -n "$pids" ] || reach finished '' 'the guest was restarted, or its state was removed'
}

report() {
    echo 'larm-report 1'
    show status $STATUS 4096
    show pre-job $METRICS/pre-job-metrics.json 1024
    show post-job $METRICS/post-job-metrics.json 1024
    echo end
}

# show KEY FILE SIZE: one byte more than SIZE tells that the file is too large.
show() {
    if [ -L "$2" ]; then
        echo "$1 !a symbolic link"
    elif [ ! -e "$2" ]; then
        echo "$1 -"
    elif [ ! -f "$2" ]; then
        echo "$1 !no regular file"
    else
        printf '%s ' "$1"
        # The job may have put a fifo there since.
        timeout 2 head -c $(($3 + 1)) "$2" | base64 -w 0
        echo
    fi
}

# Sets pids to the processes with this name.
pids_of() {
    pids=''
    for process in /proc/[0-9]*; do
        # It may be gone since.
        { read -r comm < "$process/comm"; } 2> /dev/null || continue
        [ "$comm" != "$1" ] || pids="$pids ${process##*/}"
    done
}
