#!/bin/sh
# The runner application calls this as the job's user when a job has ended. Rings the supervisor,
# which must never fail or hold up a job; then runs the operator's own script.
set +e

DOORBELL=/run/larm/doorbell

# Blocks if the supervisor is gone.
[ ! -p $DOORBELL ] || timeout 1 sh -c "echo job-completed > $DOORBELL"
HOOKS=/usr/local/lib/larm
[ ! -e $HOOKS/post-job ] || $HOOKS/job-script post-job || exit 1
exit 0
