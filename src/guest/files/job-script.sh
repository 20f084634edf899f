#!/bin/sh
# job-script pre-job|post-job: runs the operator's script, as long as it may. Exit code 1 if the job
# is to fail for its failure.
set +e
script=/usr/local/lib/larm/$1
# The time it has is a whole number of seconds.
read -r on_failure limit < "$script.policy"

read -r begin _ < /proc/uptime
timeout --kill-after 10 "$limit" "$script"
code=$?
read -r end _ < /proc/uptime
[ $code -ne 0 ] || exit 0
why="ended with code $code"
case $code in
    124) why="took longer than $limit s" ;;
    # Killed: by `timeout`, or by somebody else before.
    137) [ $((${end%.*} - ${begin%.*})) -lt "$limit" ] || why="took longer than $limit s" ;;
esac
if [ "$on_failure" = ignore ]; then
    echo "larm: the farm's $1 script $why, which is ignored"
    exit 0
fi
echo "larm: the farm's $1 script $why, so the job fails"
exit 1
