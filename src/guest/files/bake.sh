#!/bin/sh
# Makes a golden image of a guest, step by step; the host runs each step with exec.
#
#   packages NAME...        install packages of the distribution
#   docker                  install Docker, as the distribution has it
#   application SHA256      install the runner application that the host has pushed, and run it once
#   script                  run the operator's script that the host has pushed
#   trim                    cut cloud-init and timers to what a runner needs
#   clean                   remove what no two instances may share, and what nobody needs
#   tail                    print the last line of what a step says
#
# What a step says goes into a file on tmpfs. Of a step that failed the end of it is printed, of
# `application` the version. Exit code 20: there is no apt-get.
set -u
umask 022
LC_ALL=C
export LC_ALL

LOG=/run/larm-bake.log
APPLICATION=/opt/actions-runner
JOB_USER=runner
INCOMING=/var/lib/larm-application
# /run may be mounted so that nothing in it is executed.
SCRIPT=/var/lib/larm-bake-script

need_apt() {
    command -v apt-get > /dev/null || {
        echo 'there is no apt-get: larm bakes images of Debian and its relatives'
        exit 20
    }
}

apt() {
    DEBIAN_FRONTEND=noninteractive apt-get -y -o Acquire::Retries=3 -o DPkg::Lock::Timeout=300 \
        -o Dpkg::Options::=--force-confold "$@" < /dev/null
}

packages() {
    need_apt
    apt update || return
    apt install --no-install-recommends -- "$@"
}

# Not `docker`: `command -v` would find this function.
install_docker() {
    need_apt
    apt update || return
    apt install --no-install-recommends -- docker.io || return
    # Debian 13 has the client in a package of its own.
    command -v docker > /dev/null || apt install --no-install-recommends -- docker-cli || return
    systemctl enable docker.service
}

# As user-data makes it: cloud-init leaves a user alone that is there, but for sudo and the lock.
make_user() {
    getent group docker > /dev/null || groupadd --system docker || return
    getent group adm > /dev/null || groupadd --system adm || return
    id "$JOB_USER" > /dev/null 2>&1 ||
        useradd --create-home --shell /bin/bash --comment 'GitHub Actions runner' "$JOB_USER" || return
    usermod --append --groups adm,docker "$JOB_USER" && passwd --lock "$JOB_USER"
}

as_job_user() {
    (cd $APPLICATION && HOME=$(getent passwd "$JOB_USER" | cut -d: -f6) USER=$JOB_USER LANG=C.UTF-8 \
        setpriv --reuid "$(id -u "$JOB_USER")" --regid "$(id -g "$JOB_USER")" --init-groups -- "$@")
}

application() {
    make_user || return
    archive=$INCOMING/archive
    echo "$1  $archive" | sha256sum -c --status || {
        echo 'the runner application did not come whole'
        return 1
    }
    { rm -rf $APPLICATION && mkdir -p $APPLICATION && tar -xf $archive -C $APPLICATION; } || return
    rm -rf $INCOMING
    chown -R "$JOB_USER:" $APPLICATION || return
    if ! as_job_user bin/Runner.Listener --version; then
        # It brings a script for the libraries that a small image lacks.
        (cd $APPLICATION && DEBIAN_FRONTEND=noninteractive bin/installdependencies.sh) || return
    fi
    # What .NET writes at its first run is written now.
    version=$(as_job_user bin/Runner.Listener --version) || return
    rm -rf $APPLICATION/_diag
    printf '%s\n' "$version" >&3
}

script() {
    chmod 700 $SCRIPT || return
    cd /root || return
    $SCRIPT < /dev/null
    result=$?
    rm -f $SCRIPT
    # That one says that there is no apt-get.
    [ $result -ne 20 ] || result=1
    return $result
}

trim() {
    if [ -d /etc/cloud/cloud.cfg.d ]; then
        # What larm's user-data needs, and what a disk that was made larger needs.
        cat > /etc/cloud/cloud.cfg.d/95_larm-image.cfg << 'END' || return
# Made by `larm image build`: the modules that a runner needs.
cloud_init_modules: [seed_random, bootcmd, write_files, growpart, resizefs, set_hostname, update_hostname, update_etc_hosts, users_groups]
cloud_config_modules: [runcmd]
cloud_final_modules: [scripts_vendor, scripts_user]
END
    fi
    # A job's apt-get must not meet a locked dpkg, and a guest of some minutes needs no upkeep.
    for unit in apt-daily.timer apt-daily.service apt-daily-upgrade.timer apt-daily-upgrade.service \
        unattended-upgrades.service dpkg-db-backup.timer man-db.timer e2scrub_all.timer \
        e2scrub_reap.service fstrim.timer motd-news.timer update-notifier-download.timer \
        update-notifier-motd.timer fwupd-refresh.timer; do
        # One that is not there needs no mask; one in /etc cannot have one.
        [ ! -e /usr/lib/systemd/system/"$unit" ] && [ ! -e /lib/systemd/system/"$unit" ] ||
            systemctl mask "$unit" || echo "$unit stays"
    done
    # Without its keys, which no two instances may share, it would only fail.
    for unit in ssh.service ssh.socket; do
        [ ! -e /lib/systemd/system/$unit ] || systemctl disable $unit || echo "$unit stays"
    done
}

clean() {
    if command -v apt-get > /dev/null; then apt clean || return; fi
    rm -rf /var/cache/debconf/*-old /var/cache/man/* /var/lib/dhcp/*.lease* /var/lib/NetworkManager/*.lease \
        /var/lib/systemd/random-seed /var/lib/systemd/credential.secret /etc/ssh/ssh_host_*_key* \
        /root/.bash_history /home/*/.bash_history /root/.cache /root/.wget-hsts
    find /tmp /var/tmp -xdev -mindepth 1 -delete
    cloud-init clean --logs || return
    # Empty, not gone: without the file systemd takes each boot for the first and enables units anew.
    : > /etc/machine-id
    [ ! -f /var/lib/dbus/machine-id ] || [ -L /var/lib/dbus/machine-id ] || rm -f /var/lib/dbus/machine-id
    journalctl --rotate > /dev/null 2>&1
    rm -rf /var/log/journal/* /run/log/journal/*
    find /var/log -xdev -type f \( -name '*.gz' -o -name '*.[0-9]' \) -delete
    find /var/log -xdev -type f -exec truncate -s 0 {} +
    sync
}

case ${1-} in
    tail)
        tail -c 400 $LOG 2> /dev/null | tr '\r' '\n' | tail -n 1
        exit 0
        ;;
esac
exec 3>&1 > $LOG 2>&1
step=${1-nothing}
[ $# -eq 0 ] || shift
case $step in
    packages) packages "$@" ;;
    docker) install_docker ;;
    application) application "$1" ;;
    script) script ;;
    trim) trim ;;
    clean) clean ;;
    *)
        echo "bake: $step is no step" >&3
        exit 2
        ;;
esac
code=$?
[ $code -eq 0 ] || tail -n 30 $LOG >&3
# LXD reads these two as its own.
case $code in 126 | 127) code=1 ;; esac
exit $code
