#!/bin/sh
# Registers the runner, or with `remove` removes its registration.
cd "$(dirname "$0")" || exit 1
case ${1-} in
    remove) shift && exec bin/Runner.Listener remove "$@" ;;
    *) exec bin/Runner.Listener configure "$@" ;;
esac
