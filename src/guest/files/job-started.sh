#!/bin/sh
# The runner application calls this as the job's user when a job starts. Writes the job's metrics
# and rings the supervisor; must never fail or hold up a job.
set +e

FILE=/var/lib/larm/metrics/pre-job-metrics.json
DOORBELL=/run/larm/doorbell

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

[ -e $FILE ] || write_metrics
# Blocks if the supervisor is gone.
[ ! -p $DOORBELL ] || timeout 1 sh -c "echo job-started > $DOORBELL"
exit 0
