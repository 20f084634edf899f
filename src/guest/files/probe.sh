#!/bin/sh
# Prints what larm's guest/probe.rs reads. The host gives it to `sh -c`: it needs nothing in the guest.

# What `cloud-init status` is made from. Fails where systemd does not answer: then nothing is kept.
basis() {
    stat -L -c '%n %i %s %y' /run/cloud-init/* /etc/cloud/cloud-init.disabled
    timeout 2 systemctl show --property=Id,ActiveState,SubState,Result,UnitFileState,MainPID \
        cloud-init-main.service cloud-init-local.service cloud-init-network.service \
        cloud-init.service cloud-config.service cloud-final.service
}

ask() {
    out=$(timeout 20 cloud-init status --format json 2> /dev/null)
    rc=$?
    if [ -z "$out" ] && [ $rc -lt 126 ]; then
        out=$(timeout 20 cloud-init status --long 2> /dev/null)
        rc=$?
    fi
    answer="$rc $(printf '%s' "$out" | head -c 8192 | base64 | tr -d '\n')"
    { [ -n "$basis" ] && [ -n "$out" ] && [ $rc -le 2 ] && [ -d /run/larm ]; } || return 0
    (umask 077 && printf '%s\n%s\n' "$answer" "$basis" > $KEPT.$$ && mv $KEPT.$$ $KEPT)
}

KEPT=/run/larm/cloud-init-status
basis=$(basis 2> /dev/null) || basis=''
if [ -n "$basis" ] && [ -f $KEPT ] && [ "$(sed 1d $KEPT)" = "$basis" ]; then
    answer=$(sed 1q $KEPT)
else
    ask
fi
echo 'larm-probe 1'
echo "cloud-init $answer"
if [ -e /run/larm/claimed ]; then echo 'started yes'; else echo 'started no'; fi
if cat /proc/[0-9]*/comm 2> /dev/null | grep -qxE 'Runner[.](Listener|Worker)'; then
    echo 'process yes'
else
    echo 'process no'
fi
echo end
[ ! -x /usr/local/lib/larm/guest ] || timeout 10 /usr/local/lib/larm/guest report
