#!/bin/sh
# job-script pre-job|post-job: runs the operator's script, as long as it may. Exit code 1 if the job
# is to fail for its failure.
set +e
script=/usr/local/lib/larm/$1
# The time it has is a whole number of seconds.
read -r on_failure limit < "$script.policy"

timeout --kill-after 10 "$limit" "$script"
code=$?
[ $code -ne 0 ] || exit 0
case $code in
    124 | 137) why="took longer than $limit s" ;;
    *) why="ended with code $code" ;;
esac
if [ "$on_failure" = ignore ]; then
    echo "larm: the farm's $1 script $why, which is ignored"
    exit 0
fi
echo "larm: the farm's $1 script $why, so the job fails"
exit 1
