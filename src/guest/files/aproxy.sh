#!/bin/sh
# Redirects what the guest sends to the outside, and what its containers send, to aproxy, which
# passes it to the proxy. Fails with the reason as the last line that it prints.
set -u
PORT=54969
# The same in the kernel's tables of sockets.
PORT_HEX=D6B9
# Sets PROXY, PROXY_HOST, EXCLUDE and PORTS.
# shellcheck source=/dev/null # made by larm
. /usr/local/lib/larm/aproxy.conf

fail() {
    echo "$1" >&2
    exit 1
}

# Where a redirected connection of a container comes to as well: the address that the guest has on
# its way to the outside (an address for documentation stands for that).
own_address() {
    ip -4 route get 192.0.2.1 2> /dev/null | sed -n 's/.* src \([0-9.]*\).*/\1/p' | head -n 1
}

start_aproxy() {
    if snap list aproxy > /dev/null 2>&1; then
        snap set aproxy proxy="$PROXY" listen=:$PORT || fail 'the snap aproxy takes no settings'
    elif command -v aproxy > /dev/null; then
        systemd-run --quiet --collect --unit larm-aproxy --property Restart=always -- \
            "$(command -v aproxy)" --proxy="$PROXY" --listen=:$PORT || fail 'aproxy does not start'
    else
        fail 'the image has no aproxy, which use_aproxy needs: put it into the image'
    fi
}

is_listening() {
    cat /proc/net/tcp /proc/net/tcp6 2> /dev/null | grep -q ":$PORT_HEX [0-9A-F]*:0000 0A "
}

# The proxy itself is reached directly.
rules() {
    proxies=$(getent ahostsv4 "$PROXY_HOST" | awk '{print $1}' | sort -u | paste -sd ,)
    addresses="127.0.0.0/8${EXCLUDE:+, $EXCLUDE}${proxies:+, $proxies}"
    # shellcheck disable=SC2153 # from the configuration
    cat << END
table ip aproxy
delete table ip aproxy
table ip aproxy {
    set excluded {
        type ipv4_addr
        flags interval
        auto-merge
        elements = { $addresses }
    }
    chain prerouting {
        type nat hook prerouting priority dstnat; policy accept;
        ip daddr != @excluded tcp dport { $PORTS } counter dnat to $address:$PORT
    }
    chain output {
        type nat hook output priority -100; policy accept;
        ip daddr != @excluded tcp dport { $PORTS } counter dnat to $address:$PORT
    }
}
END
}

command -v nft > /dev/null || fail 'the image has no nft, which use_aproxy needs: put nftables into the image'
address=$(own_address)
[ -n "$address" ] || fail 'the guest has no way to the outside that could be redirected'
start_aproxy
tries=0
until is_listening; do
    tries=$((tries + 1))
    [ $tries -lt 100 ] || fail "aproxy does not listen on port $PORT"
    sleep 0.1
done
rules | nft -f - || fail 'the rules that redirect to aproxy are not taken'
