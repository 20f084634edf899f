#!/bin/sh
# The runner application calls this as the job's user when a job starts. Writes the job's metrics
# and rings the supervisor, which must never fail or hold up a job; then asks whether the job may run,
# and runs the operator's own script. Exit code 1 fails the job before its first step.
set +e

FILE=/var/lib/larm/metrics/pre-job-metrics.json
DOORBELL=/run/larm/doorbell
HOOKS=/usr/local/lib/larm

# Whether the values can stand in JSON as they are, and are short. Python costs 20 ms.
plain() {
    for value in "$@"; do
        case $value in *[!A-Za-z0-9\ _./:@+=,#-]*) return 1 ;; esac
        [ ${#value} -le 150 ] || return 1
    done
}

# Any bytes; cut so that the file stays below the 1024 bytes that the host reads.
in_python() {
    python3 -c '
import json, os, sys

def text(name, most):
    return os.environb.get(name.encode(), b"").decode("utf-8", "replace")[:most]

fields = {
    "timestamp": float(sys.argv[1]),
    "workflow": text("GITHUB_WORKFLOW", 400),
    "workflow_run_id": text("GITHUB_RUN_ID", 20),
    "repository": text("GITHUB_REPOSITORY", 141),
    "event": text("GITHUB_EVENT_NAME", 50),
}
while True:
    line = json.dumps(fields, ensure_ascii=False).encode() + b"\n"
    if len(line) <= 1024 or not fields["workflow"]:
        break
    fields["workflow"] = fields["workflow"][:-8]
sys.stdout.buffer.write(line)
' "$1"
}

write_metrics() {
    timestamp=$(date +%s.%6N)
    set -- "${GITHUB_WORKFLOW-}" "${GITHUB_RUN_ID-}" "${GITHUB_REPOSITORY-}" "${GITHUB_EVENT_NAME-}"
    if (LC_ALL=C && plain "$@"); then
        printf '{"timestamp":%s,"workflow":"%s","workflow_run_id":"%s","repository":"%s","event":"%s"}\n' \
            "$timestamp" "$@"
    else
        in_python "$timestamp"
    fi > $FILE.new && mv -fT $FILE.new $FILE
}

# Blocks if the supervisor is gone.
ring() {
    [ ! -p $DOORBELL ] || timeout 1 sh -c "echo $1 > $DOORBELL"
}

may_run() {
    [ -e $HOOKS/checks ] || return 0
    # It has limits of its own, which are shorter.
    timeout --kill-after 5 90 python3 -I $HOOKS/checks
    case $? in
        0) return 0 ;;
        # They have said so.
        1 | 2) ;;
        *) echo 'larm: the job is refused: the checks before it failed: contact the operators of these runners' ;;
    esac
    ring job-refused
    return 1
}

[ -e $FILE ] || write_metrics
ring job-started
may_run || exit 1
[ ! -e $HOOKS/pre-job ] || $HOOKS/job-script pre-job || exit 1
[ -z "${DOCKERHUB_MIRROR-}" ] || echo "larm: images of Docker Hub come by way of $DOCKERHUB_MIRROR"
exit 0
