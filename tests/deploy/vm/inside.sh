# Run in the virtual machine by run.py: the package's life under systemd on Debian's own kernel. Ends
# at the first thing that is not as it should be. An emulated processor is slow: the load is small.
set -eu
export DEBIAN_FRONTEND=noninteractive LC_ALL=C.UTF-8 SYSTEMD_COLORS=0 HOME=/root

say() {
    echo "vm: $*"
}

# expect SENTENCE COMMAND...
expect() {
    sentence=$1
    shift
    if "$@" >/tmp/said 2>&1; then
        say "ok: $sentence"
    else
        say "NOT SO: $sentence"
        cat /tmp/said
        journalctl -u evergate -n 40 --no-pager -o cat
        exit 1
    fi
}

# eventually SENTENCE COMMAND...: within half a minute; longer where the processor is emulated.
eventually() {
    sentence=$1
    shift
    for _ in $(seq 300); do
        "$@" >/tmp/said 2>&1 && break
        sleep 0.1
    done
    expect "$sentence" "$@"
}

is() {
    [ "$1" = "$2" ] || { echo "\"$1\" instead of \"$2\"" && false; }
}

show() {
    systemctl show --value -p "$1" "${2:-evergate.service}"
}

answers() {
    is "$(curl -s -o /dev/null -w '%{http_code}' http://127.0.0.1/)" "$1"
}

main_pid_is_not() {
    [ "$(show MainPID)" != "$1" ] && [ "$(show MainPID)" != 0 ] && is "$(show ActiveState)" active
}

# The backend is another evergate, which answers by itself.
start_backend() {
    cat >/run/backend.conf <<'END'
listeners = ( { name = "backend"; bind = "127.0.0.1:9001"; } );
routes = ( { name = "all"; respond = { status = 200; body = "here"; }; } );
admin = { bind = "off"; };
log = { access = "off"; };
END
    systemd-run --quiet --unit=backend /usr/bin/evergate run -c /run/backend.conf
}

configure() {
    cat >/etc/evergate/evergate.conf <<END
drain_timeout = "10s";
listeners = ( { name = "http"; bind = ":80"; } );
pools = ( { name = "app"; backends = ( { id = "a"; address = "127.0.0.1:9001"; } );
            health = { type = "exec"; command = "/bin/true"; timeout = "4s"; };
            timeouts = { connect = "10s"; }; } );
admin = { bind = "127.0.0.1:9900"; };
log = { access = "/var/log/evergate/access.log"; };
END
}

# A request is a line, [..., STATUS, "BACKEND", "HOW IT ENDED"].
failed() {
    rows=$(grep -c '^\[' "$1")
    bad=$(grep '^\[' "$1" | grep -vc ', 200, ".*", "a"' || true)
    echo "$bad of $rows requests failed"
}

# end_load SENTENCE PID FILE
end_load() {
    kill -TERM "$2"
    wait "$2"
    sentence="$1: $(failed "$3")"
    expect "$sentence" test "${sentence#*: 0 of}" != "$sentence"
}

say "$(uname -sr), systemd $(systemctl --version | sed -n '1s/.*(\(.*\))/\1/p'), $(systemd-detect-virt)"
apt-get -y -q --no-install-recommends install /root/evergate_0.1.0.deb >/tmp/apt 2>&1
expect "installing started it" is "$(show ActiveState)" active
expect "systemd knows that it serves" test "$(show StatusText | cut -c1-7)" = serving
expect "the sample answers on port 80" answers 503
expect "LimitNOFILE= is in force" grep -q "^Max open files *1048576 " "/proc/$(show MainPID)/limits"
expect "systemd's and its own system call filters are in force" \
    grep -q "^Seccomp:.2" "/proc/$(show MainPID)/status"
say "systemd-analyze security: $(systemd-analyze security --no-pager evergate | tail -1)"

start_backend
configure
expect "a reload of a good file succeeds" systemctl reload evergate
eventually "it is served" answers 200
eventually "checks of type exec pass in the unit's cell" sh -c 'evergate endpoints | grep -q healthy'
echo "listeners = ( { bond = 1; } );" >/etc/evergate/evergate.conf
expect "a reload of a bad file fails" sh -c '! systemctl reload evergate'
expect "and changes nothing" answers 200
configure

before=$(show MainPID)
load 80 10 16 3600 /tmp/kept.json / >/dev/null &
kept=$!
load 80 5 64 3600 /tmp/fresh.json / close >/dev/null &
fresh=$!
sleep 2
dpkg --force-confold -i /root/evergate_0.1.1.deb >/tmp/dpkg 2>&1
eventually "a newer package took over" main_pid_is_not "$before"
sleep 2
end_load "connections that are kept" $kept /tmp/kept.json
end_load "connections for one request each" $fresh /tmp/fresh.json
expect "without a restart" is "$(show NRestarts)" 0

before=$(show MainPID)
systemctl kill --signal=KILL --kill-whom=main evergate
eventually "a crash starts it again" main_pid_is_not "$before"
eventually "and it answers" answers 200

systemctl stop evergate
systemctl enable --now evergate.socket 2>/dev/null
eventually "with its socket the first client starts it" answers 200
load 80 5 64 3600 /tmp/fresh.json / close >/dev/null &
fresh=$!
sleep 1
systemctl restart evergate
sleep 2
end_load "a restart with the socket" $fresh /tmp/fresh.json

expect "stopping ends well" sh -c 'systemctl stop evergate.socket evergate'
expect "with exit code 0" is "$(show Result) $(show ExecMainStatus)" "success 0"
dpkg --purge evergate >/tmp/dpkg 2>&1
expect "purging leaves nothing" sh -c '! find /etc /var/lib/systemd -name "*evergate*" | grep .'
say "all of it is well"
