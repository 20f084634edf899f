#!/bin/sh
# The guest's side of larm: prepares the runner application, takes the credential, runs the
# listener, and tells the host how far it has come.
#
#   prepare [URL SHA256 | pushed]   make the runner application ready, then wait for a credential;
#                           `pushed`: the host pushes it, and larm-application.service goes on
#   install                 for larm-application.service: install what the host has pushed
#   wait                    block until the runner has ended; exit code 1 if it never came to run
#   watch SEQ               block until the status has a greater seq than SEQ, then report
#   report                  print the status and the metrics files, as larm's `guest/report.rs` says
#   flush idle|busy         end the runner; `idle` leaves one alone that has a job (exit code 10)
#   unregister              remove the runner's registration, with the token that was pushed
#   clock SECONDS           put the clock right after the guest was frozen: seconds since the epoch
#   run, ended              for larm-runner.service: take the credential and run the listener
#   expire                  for larm-lifetime.service: end the runner and its guest
#
# Secrets come as files on tmpfs that only root may read, and go on as environment of the one
# process that needs them: never as arguments, never into a log.
set -u
umask 022
LC_ALL=C
export LC_ALL

# shellcheck source=state.sh
. /usr/local/lib/larm/state

CLAIMED=$RUN/claimed
HANDOVER=$RUN/handover
CREDENTIAL=$RUN/handover/credential
REMOVE_TOKEN=$RUN/unregister/token
DOORBELL=$RUN/doorbell
POLICY=$RUN/policy
OUTPUT=$RUN/output
APPLICATION=/opt/actions-runner
JOB_USER=runner
HOOKS=/usr/local/lib/larm
INCOMING=/var/lib/larm-application
LIFETIME_OVER='its lifetime is over'
END_OF_OUTPUT='larm: end of output'
# Lines of ours in the listener's output, and the answer to the second.
ALL_HEARD='larm: heard so far'
HEARD=$RUN/heard
# How often the listener is started again when it asks for it.
RESTARTS=5

# === preparation ===

prepare() {
    rm -rf "$METRICS" "$PREPARED"
    # A flush may have come first.
    reach preparing || exit 0
    mkdir -p "$METRICS" $HANDOVER && chmod 700 $HANDOVER && : > "$PREPARED" ||
        fail 'the state directories cannot be written'
    id "$JOB_USER" > /dev/null 2>&1 || fail "there is no user $JOB_USER"
    chown "$JOB_USER:" "$METRICS"
    limit_lifetime || fail 'larm-lifetime.timer does not start'
    [ ! -e $HOOKS/services ] || give_services
    case ${1-} in
        '') ;;
        pushed)
            # The host may have begun already: what it makes is left alone.
            systemctl start larm-application.path || fail 'larm-application.path does not start'
            return
            ;;
        *) download "$1" "$2" ;;
    esac
    installed
}

# What they say goes into the journal of cloud-init; the last line is the reason of a failure.
give_services() {
    said=$($HOOKS/services 2>&1)
    result=$?
    [ -z "$said" ] || printf '%s\n' "$said"
    [ $result -eq 0 ] || fail "${said##*"$NL"}"
}

# A virtual machine's clock stands still while it is frozen. A container has the host's, which is
# right and not its own to set.
set_clock() {
    case $1 in
        '' | *[!0-9]*) exit 64 ;;
    esac
    off=$(($1 - $(date +%s)))
    [ $off -gt 1 ] || [ $off -lt -1 ] || return 0
    ! systemd-detect-virt --quiet --container || return 0
    date --set "@$1" > /dev/null
}

# limit_lifetime [--no-block]: from now on.
limit_lifetime() {
    [ ! -e $LIFETIME ] || systemctl "$@" restart larm-lifetime.timer
}

# Whether the timer was started again since it began `expire`.
lives_anew() {
    [ "$(systemctl show --property=SubState larm-lifetime.timer)" = SubState=waiting ]
}

# The runner's lifetime is over: it ends, and its guest with it, whether larm lives or not. A job that
# comes at this moment is left alone: it has a lifetime of its own.
expire() {
    lock
    load
    rank_of "$phase"
    case $rank in
        1 | 2 | 3 | 4)
            # Whatever is left alone here ends once more.
            limit_lifetime
            [ ! -e $CLAIMED ] || expect_idle
            advance finished '' "$LIFETIME_OVER"
            ;;
        0 | 5)
            { [ $rank -eq 0 ] || ! lives_anew; } || exit 10
            code=''
            [ ! -e $CLAIMED ] || code=137
            [ -z "$code" ] || write_post_job $code
            advance finished "$code" "$LIFETIME_OVER"
            ;;
    esac
    unlock
    await_watches
    systemctl poweroff --force
}

# Until all that watch have heard: a watch takes its bell away when it has told.
await_watches() {
    tries=0
    until [ -z "$(ls $RUN/watch)" ] || [ $tries -ge 100 ]; do
        tries=$((tries + 1))
        sleep 0.02
    done
}

installed() {
    [ -x $APPLICATION/bin/Runner.Listener ] || fail "there is no runner application in $APPLICATION"
    [ "$(stat -c %U $APPLICATION)" = "$JOB_USER" ] || chown -R "$JOB_USER:" $APPLICATION ||
        fail "$APPLICATION cannot be given to $JOB_USER"
    bring_dotenv
    now > "$METRICS/runner-installed.timestamp"
    reach ready || exit 0
    systemctl start larm-runner.path || fail 'larm-runner.path does not start'
}

# The runner application reads it itself; the image may have one.
bring_dotenv() {
    [ -e $STATE/dotenv ] || return 0
    # The image's last line may have no end; empty lines mean nothing.
    [ ! -s $APPLICATION/.env ] || echo >> $APPLICATION/.env
    { cat $STATE/dotenv >> $APPLICATION/.env && chown "$JOB_USER:" $APPLICATION/.env; } ||
        fail "$APPLICATION/.env cannot be written"
}

download() {
    archive=$STATE/actions-runner.tar
    (with_variables curl -fsSL --retry 4 --retry-connrefused --connect-timeout 20 --max-time 600 \
        -o $archive -- "$1") || fail 'the runner application could not be downloaded'
    echo "$2  $archive" | sha256sum -c --status || fail 'the runner application has a wrong checksum'
    { mkdir -p $APPLICATION && tar -xf $archive -C $APPLICATION; } ||
        fail 'the runner application could not be unpacked'
    rm -f $archive
    bring_needs
}

# Moved away at once: a push that is repeated finds nothing that is in use.
install() {
    archive=$STATE/actions-runner.tar
    tries=0
    until read_mark; do
        tries=$((tries + 1))
        [ $tries -lt 500 ] || break
        sleep 0.02
    done
    mv $INCOMING/archive $archive
    moved=$?
    rm -rf $INCOMING
    { [ $tries -lt 500 ] && [ $moved -eq 0 ]; } || fail 'the runner application did not come whole'
    # An older one may be in the image.
    { rm -rf $APPLICATION && mkdir -p $APPLICATION; } || fail "$APPLICATION cannot be emptied"
    # Both read it from memory, each on a CPU of its own if there are two.
    tar -xf $archive -C $APPLICATION &
    unpacking=$!
    echo "$sha256  $archive" | sha256sum -c --status
    right=$?
    wait $unpacking
    unpacked=$?
    [ $right -eq 0 ] || {
        rm -rf $APPLICATION $archive
        fail 'the runner application has a wrong checksum'
    }
    [ $unpacked -eq 0 ] || fail 'the runner application could not be unpacked'
    rm -f $archive
    bring_needs
    installed
}

# Sets sha256. The host's file API does not write at once, as with the credential.
read_mark() {
    sha256='' whole=no
    [ -f $INCOMING/complete ] && [ ! -L $INCOMING/complete ] || return 1
    while read -r key value; do
        case $key in
            sha256) sha256=$value ;;
            end) whole=yes ;;
        esac
    done < $INCOMING/complete
    [ $whole = yes ]
}

bring_needs() {
    chown -R "$JOB_USER:" $APPLICATION
    # The application brings a script for the libraries that a small image lacks.
    (as_job_user bin/Runner.Listener --version) > /dev/null 2>&1 ||
        (cd $APPLICATION && bin/installdependencies.sh) ||
        fail 'what the runner application needs could not be installed'
}

# === the runner ===

# Becomes the command, as the user that jobs run as. What is exported before goes along.
as_job_user() {
    HOME=$(getent passwd "$JOB_USER" | cut -d: -f6)
    USER=$JOB_USER LOGNAME=$JOB_USER SHELL=/bin/bash LANG=C.UTF-8
    PATH=$HOME/.local/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin:/snap/bin
    export HOME USER LOGNAME SHELL LANG PATH
    unset LC_ALL INVOCATION_ID JOURNAL_STREAM SYSTEMD_EXEC_PID TRIGGER_PATH TRIGGER_UNIT
    cd $APPLICATION || exit 1
    with_variables setpriv --reuid "$(id -u "$JOB_USER")" --regid "$(id -g "$JOB_USER")" \
        --init-groups -- "$@"
}

# Becomes the command, with the operator's variables. They may have the names of ours: nothing of ours
# is used after them.
with_variables() {
    # shellcheck source=/dev/null # made by larm, from quoted values
    [ ! -e $HOOKS/environment ] || . $HOOKS/environment
    exec "$@"
}

# Reads a handed-over file into jit, token, url, name, labels, group, policy and variables, and
# removes it. The host's file API does not write at once: the file is whole when the end mark is there.
take() {
    tries=0
    until read_fields "$1"; do
        tries=$((tries + 1))
        [ $tries -lt 500 ] || break
        sleep 0.01
    done
    rm -f "$1"
    [ $tries -lt 500 ]
}

read_fields() {
    jit='' token='' url='' name='' labels='' group='' policy='' variables='' whole=no
    [ -f "$1" ] && [ ! -L "$1" ] || return 1
    while read -r key value; do
        case $key in
            jit) jit=$value ;;
            token) token=$value ;;
            url) url=$value ;;
            name) name=$value ;;
            labels) labels=$value ;;
            group) group=$value ;;
            policy) policy=$value ;;
            env) variables="$variables$value$NL" ;;
            end) whole=yes ;;
        esac
    done < "$1"
    [ $whole = yes ]
}

run() {
    take $CREDENTIAL || fail 'the credential did not come whole'
    lock
    load
    if [ "$phase" != ready ]; then
        say "a credential is not wanted: the phase is $phase"
        exit 0
    fi
    : > $CLAIMED
    advance claimed
    # A second push, by a host that never heard of the first one's success, finds no way in: it would
    # lie there for the job to read.
    rm -rf $HANDOVER $INCOMING
    unlock
    limit_lifetime --no-block || fail 'larm-lifetime.timer does not start'
    keep_policy_token
    [ -n "$jit" ] || register || fail 'the registration failed'
    rm -f $DOORBELL $OUTPUT
    # The job may ring (mode 622), and nobody but root may write as the listener.
    { mkfifo -m 622 $DOORBELL && mkfifo -m 600 $OUTPUT; } || fail 'no fifo can be made'
    exec 4<> $OUTPUT 5<> $DOORBELL
    answer_doorbell 4<&- &
    run_listener
    conclude "$code" ''
}

# For the job-started hook, which removes it: the job runs as the same user, but later.
keep_policy_token() {
    [ -n "$policy" ] || return 0
    # Nobody would take the token but the job.
    [ -e $HOOKS/checks ] || fail 'the policy is newer than this guest, which does not ask for it'
    {
        mkdir -m 700 $POLICY && (umask 077 && printf '%s\n' "$policy" > $POLICY/token) &&
            chmod 400 $POLICY/token && chown -R "$JOB_USER:" $POLICY
    } || fail 'the policy token cannot be kept'
    policy=''
}

# One per line: the name, and the value in base64.
export_variables() {
    while read -r key value; do
        [ -z "$key" ] || export "$key=$(printf '%s' "$value" | base64 -d)"
    done << END
$variables
END
}

register() {
    set -- --unattended --ephemeral --replace --disableupdate --url "$url" --name "$name"
    [ -z "$labels" ] || set -- "$@" --labels "$labels"
    [ -z "$group" ] || set -- "$@" --runnergroup "$group"
    (
        ACTIONS_RUNNER_INPUT_TOKEN=$token
        export ACTIONS_RUNNER_INPUT_TOKEN
        as_job_user timeout 120 ./config.sh "$@"
    ) < /dev/null
    registered=$?
    token=''
    return $registered
}

# Runs the listener until it ends for good; sets code to its true exit code.
run_listener() {
    restarts=0
    while :; do
        lock
        load
        # Flushed since: whoever did it has written the end.
        if final; then exit 0; fi
        read_output &
        reader=$!
        start_listener > $OUTPUT 2>&1 < /dev/null &
        listener=$!
        unlock
        wait $listener
        code=$?
        echo "$END_OF_OUTPUT" >&4
        wait $reader
        # Once a job was there no second one may come: a runner is used once.
        load
        rank_of "$phase"
        [ $rank -lt 5 ] || return
        restarts=$((restarts + 1))
        [ $restarts -le $RESTARTS ] || return
        case $code in
            # A retryable error, as the application's run-helper.sh treats it.
            2) sleep 5 ;;
            # The listener updates itself and wants to be started again.
            3 | 4) await_update ;;
            *) return ;;
        esac
        say "the listener ended with code $code and is started again"
    done
}

start_listener() {
    exec 4<&- 5<&- 9>&-
    if [ -n "$jit" ]; then
        ACTIONS_RUNNER_INPUT_JITCONFIG=$jit
        export ACTIONS_RUNNER_INPUT_JITCONFIG
    fi
    # Without it a runner that is too old for GitHub ends with 0.
    ACTIONS_RUNNER_RETURN_VERSION_DEPRECATED_EXIT_CODE=1
    ACTIONS_RUNNER_HOOK_JOB_STARTED=$HOOKS/job-started.sh
    ACTIONS_RUNNER_HOOK_JOB_COMPLETED=$HOOKS/job-completed.sh
    export ACTIONS_RUNNER_RETURN_VERSION_DEPRECATED_EXIT_CODE
    export ACTIONS_RUNNER_HOOK_JOB_STARTED ACTIONS_RUNNER_HOOK_JOB_COMPLETED
    export_variables
    as_job_user bin/Runner.Listener run
}

# The updater leaves this file, as the application's run-helper.sh expects.
await_update() {
    waited=0
    until [ -e $APPLICATION/update.finished ] || [ $waited -ge 60 ]; do
        sleep 1
        waited=$((waited + 1))
    done
    rm -f $APPLICATION/update.finished
}

# The listener's output, line by line, into the journal, with an eye on its state.
read_output() {
    exec 5<&- 9>&-
    while IFS= read -r line; do
        case $line in
            "$END_OF_OUTPUT") return ;;
            "$ALL_HEARD")
                : > $HEARD
                continue
                ;;
            *'Listening for Jobs'*) reach listening ;;
            *'Running job'*) take_job ;;
        esac
        printf '%s\n' "$line"
    done <&4
}

# A job has come. Its lifetime begins before the phase tells of it: `expire` looks at both.
take_job() {
    lock
    load
    rank_of "$phase"
    [ $rank -ge 5 ] || limit_lifetime || say 'larm-lifetime.timer does not start again' >&2
    advance busy
    result=$?
    unlock
    return $result
}

# The hooks' bell. Anybody may write there: one ring of each kind is heeded, as a hint.
answer_doorbell() {
    started=no refused=no
    while read -r word; do
        case $started:$refused:$word in
            no:*:job-started)
                started=yes
                # The listener may have told of the job before its metrics were there.
                take_job || tell_more busy
                ;;
            yes:no:job-refused)
                refused=yes
                tell_more busy
                ;;
            yes:*:job-completed) return ;;
        esac
    done <&5
}

# Sets oom_kills to how many processes of this unit were killed for lack of memory.
count_oom_kills() {
    oom_kills=0
    while IFS=: read -r number controllers group; do
        case $number:$controllers in
            0:) file=/sys/fs/cgroup$group/memory.events ;;
            *:memory) file=/sys/fs/cgroup/memory$group/memory.oom_control ;;
            *) continue ;;
        esac
        [ -r "$file" ] || continue
        while read -r key value; do
            [ "$key" != oom_kill ] || oom_kills=$((oom_kills + value))
        done < "$file"
    done < /proc/self/cgroup
}

# conclude EXIT-CODE DETAIL: the listener has ended.
conclude() {
    count_oom_kills
    # The counter goes with the unit.
    [ $oom_kills -eq 0 ] || say "$oom_kills of its processes were killed for lack of memory (OOM)"
    lock
    load
    rank_of "$phase"
    # A status that is lost says nothing about how far the runner came.
    if [ $rank -lt 4 ] && [ "$phase" != none ]; then
        advance failed "$1" "${2:-the listener ended with code $1 before it listened}"
    elif [ $rank -lt 6 ]; then
        write_post_job "$1"
        advance finished "$1" "$2"
    fi
    unlock
    outlast_hold
}

# After larm-runner.service, however it ended: the supervisor may have been killed.
ended() {
    load
    case $phase in
        none | claimed | listening | busy) conclude 137 "the runner's supervisor was killed" ;;
    esac
}

# Made apart and moved: the job owns the directory, and may have put a link in the way.
write_post_job() {
    file=$METRICS/post-job-metrics.json
    [ ! -e $file ] && [ ! -L $file ] || return 0
    if [ "$1" -eq 0 ]; then
        printf '{"timestamp":%s,"status":"normal"}\n' "$(now)"
    else
        printf '{"timestamp":%s,"status":"abnormal","status_info":{"code":%s}}\n' "$(now)" "$1"
    fi > $RUN/post-job
    mkdir -p $METRICS && mv -fT $RUN/post-job $file
}

# === flush ===

# Whether every thread of a process is stopped, or the process is gone. A stop signal takes its
# time, and a thread that is starting a worker stops only when that is done.
stopped() {
    for thread in /proc/"$1"/task/*; do
        { read -r stat < "$thread/stat"; } 2> /dev/null || continue
        case ${stat##*) } in
            [TtZX]*) ;;
            *) return 1 ;;
        esac
    done
}

# Stops all listeners, also those that were being made meanwhile; sets listeners.
stop_listeners() {
    listeners=''
    for round in 1 2 3; do
        pids_of Runner.Listener
        [ "$pids" != "$listeners" ] || [ "$round" = 1 ] || return 0
        listeners=$pids
        for pid in $listeners; do
            kill -STOP "$pid" 2> /dev/null
            tries=0
            until stopped "$pid" || [ $tries -ge 200 ]; do
                tries=$((tries + 1))
                sleep 0.01
            done
        done
    done
}

# What a stopped listener said before it was stopped may not be read yet: it may have a job. Gives
# up the lock meanwhile, so that it can be written down.
hear_all() {
    [ -p $OUTPUT ] || return 0
    rm -f $HEARD
    echo "$ALL_HEARD" 1<> $OUTPUT
    unlock
    tries=0
    until [ -e $HEARD ] || [ $tries -ge 100 ]; do
        tries=$((tries + 1))
        sleep 0.01
    done
    lock || exit 1
    load
}

# With the lock held; leaves a runner alone that has a job, or may have one.
expect_idle() {
    [ "$phase" != busy ] || exit 10
    stop_listeners
    hear_all
    pids_of Runner.Worker
    if [ -n "$pids" ] || [ "$phase" = busy ]; then
        # shellcheck disable=SC2086 # process ids, to be split
        [ -z "$listeners" ] || kill -CONT $listeners
        exit 10
    fi
}

flush() {
    lock || exit 1
    load
    rank_of "$phase"
    if [ $rank -eq 6 ]; then
        exit 0
    elif [ $rank -lt 3 ] && { [ $rank -gt 0 ] || [ ! -e $PREPARED ]; }; then
        # From here on `run` refuses a credential.
        advance finished '' flushed
        rm -rf $HANDOVER
        outlast_hold
        exit 0
    elif [ "$1" = idle ]; then
        expect_idle
    fi
    write_post_job 137
    advance finished 137 flushed
    kill_runner
    outlast_hold
}

# All of the unit: the supervisor, a registration under way, the listener, the job.
kill_runner() {
    for process in Runner.Listener Runner.Worker; do
        pids_of $process
        # shellcheck disable=SC2086 # process ids, to be split
        [ -z "$pids" ] || kill -KILL $pids 2> /dev/null
    done
    systemctl kill --signal=KILL larm-runner.service 2> /dev/null
    pkill -KILL -u "$JOB_USER" 2> /dev/null
    return 0
}

unregister() {
    take $REMOVE_TOKEN || {
        say 'there is no whole remove token' >&2
        exit 1
    }
    (
        ACTIONS_RUNNER_INPUT_TOKEN=$token
        export ACTIONS_RUNNER_INPUT_TOKEN
        as_job_user timeout 30 ./config.sh remove
    ) < /dev/null > $RUN/unregister.log 2>&1
    result=$?
    [ $result -eq 0 ] || tail -c 1000 $RUN/unregister.log >&2
    exit $result
}

case ${1-} in
    prepare) shift && prepare "$@" ;;
    wait) wait_for_end ;;
    watch) watch "${2:?}" ;;
    report) notice_restart; report ;;
    flush) flush "${2:?}" ;;
    unregister) unregister ;;
    clock) set_clock "${2:?}" ;;
    run) run ;;
    install) install ;;
    ended) ended ;;
    expire) expire ;;
    *)
        say "unknown verb ${1-}" >&2
        exit 64
        ;;
esac
