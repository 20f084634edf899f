#!/bin/sh
# The runner application calls this as the job's user when a job has ended. Rings the supervisor;
# must never fail or hold up a job.
set +e

DOORBELL=/run/larm/doorbell

# Blocks if the supervisor is gone.
[ ! -p $DOORBELL ] || timeout 1 sh -c "echo job-completed > $DOORBELL"
exit 0
