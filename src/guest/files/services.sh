#!/bin/sh
# Gives the guest its services before its runner: proxy, mirror, environment. Fails with the reason
# as the last line that it prints.
set -u
HOOKS=/usr/local/lib/larm

python3 -I $HOOKS/services.py / runner || exit 1
# For services that are started from here on, like what a job installs.
if [ -f /etc/apt/apt.conf.d/90larm-proxy ]; then
    # shellcheck source=/dev/null # made by larm, from quoted values
    (. $HOOKS/environment && systemctl import-environment \
        http_proxy https_proxy no_proxy HTTP_PROXY HTTPS_PROXY NO_PROXY) ||
        echo 'larm: systemd did not take the proxy' >&2
fi
# Where docker is not there yet, it reads all of it when it comes.
if [ -e /lib/systemd/system/docker.service ] || [ -e /etc/systemd/system/docker.service ]; then
    systemctl daemon-reload
    systemctl try-restart docker.service || {
        echo 'docker does not start with the mirror and the proxy' >&2
        exit 1
    }
fi
[ ! -e $HOOKS/aproxy ] || $HOOKS/aproxy
